"""What the older system had is here: docs/api.md tells the truth, and each of its routes works."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from api.settings import ApiSettings
from echoarb import older_system
from schemas.clock import isoformat, now_us
from tests.agents.lab import Lab
from tests.api.support import (
    BASE_US,
    TOPIC,
    Api,
    Broker,
    Tables,
    following,
    make_tick,
    read,
    running,
)
from tests.api.test_alerts import make_alert
from tests.api.test_latency import histogram
from tests.api.test_latency import record as latency
from tests.api.test_spreads import PAIRS, make_spread


def test_the_page_is_what_the_application_has() -> None:
    page = (older_system.ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert page == older_system.document(), "python -m echoarb.older_system > docs/api.md"


@pytest.mark.parametrize("place", ["GET /nowhere", "topic x", "table x", "command x", "file x"])
def test_a_place_that_is_not_there_fails_the_page(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = dataclasses.replace(older_system.ROUTES[0], here=("GET /", place))
    monkeypatch.setattr(older_system, "ROUTES", (row,))
    with pytest.raises(LookupError, match=place):
        older_system.document()


FIELDS = {
    "GET /": "service version environment docs",
    "GET /health": "status environment kafka_connected market_pairs",
    "GET /ready": "status dependencies",
    "GET /api/v1/stats/consumer": "running messages_processed messages_failed last_message_id "
    "stream_name consumer_group consumer_name pending_messages",
    "GET /api/v1/stats/stream": "length first_entry last_entry groups",
    "GET /api/v1/stats/cache": "kalshi_contracts polymarket_contracts manifold_contracts "
    "total_contracts last_updates",
    "GET /api/v1/pairs": "pairs count",
    "GET /api/v1/subscriptions": "count live",
    "GET /api/v1/stats/latency": "sources",
    "GET /ws/stats": "active_connections total_connections",
}
"""Old names of answers that are objects: each has to be there still."""
TICK = (
    "source contract_id price timestamp latency_ms yes_bid yes_ask no_bid no_ask last_price "
    "bid_size ask_size trade_size volume open_interest dollar_volume dollar_open_interest "
    "trade_side fee_rate_bps market_id market_name event_type spread"
)
SPREAD = (
    "pair_id description kalshi_prob poly_prob manifold_prob kalshi_poly_spread "
    "kalshi_manifold_spread poly_manifold_spread max_spread max_spread_pair timestamp "
    "data_completeness"
)
PAIR = "id description kalshi_tickers poly_token_id manifold_slug alert_threshold"


class Called:
    """Asks the API, and remembers which routes were asked."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.routes: set[str] = set()

    async def get(self, route: str, path: str | None = None, **params: Any) -> Any:
        self.routes.add(f"GET {route}")
        found = await self.api.get(path or route, **params)
        if fields := FIELDS.get(f"GET {route}"):
            has(found, fields)
        return found

    async def post(self, route: str, path: str | None = None, **options: Any) -> Any:
        self.routes.add(f"POST {route}")
        async with self.api.http.post(self.api.url + (path or route), **options) as answer:
            assert answer.status in (200, 201), await answer.text()
            return await answer.json()

    def socket(self, route: str) -> Any:
        self.routes.add(f"WS {route}")
        return self.api.socket(path=route)


def has(found: dict[str, Any], fields: str) -> None:
    assert set(fields.split()) <= found.keys(), set(fields.split()) - found.keys()


async def test_each_route_of_the_older_system_answers_with_its_fields(
    live_settings: ApiSettings, own_broker: Broker, tables: Tables, lab: Lab, tmp_path: Path
) -> None:
    """On broker, sink, engine and API: what is on the topics comes out of every route."""
    pairs = tmp_path / "pairs.json"
    pairs.write_text(json.dumps({"pairs": PAIRS}))
    settings = live_settings.model_copy(
        update={
            "environment": "development",
            "market_pairs": str(pairs),
            "sink_group": lab.group,
        }
    )
    spread, alert = make_spread(ts=now_us()), make_alert()
    slot = now_us() // 60_000_000 * 60_000_000
    tables.insert("latency", [latency(histogram(2000), slot=slot)], TOPIC)
    await asyncio.to_thread(lab.start)
    async with running(settings) as api:
        await following(api)
        ask = Called(api)
        async with ask.socket("/ws/ticks") as ticks, ask.socket("/ws/spreads") as spreads:
            await read(ticks, "welcome")
            await read(spreads, "welcome")
            await asyncio.to_thread(own_broker.publish, make_tick(), spread, alert)
            await see_sockets(ticks, spreads)
            assert (await ask.get("/ws/stats"))["active_connections"] == 2
        for table in ("ticks", "spreads", "alerts"):
            await asyncio.to_thread(lab.wait_for_rows, 1, table)
        await see_process(ask)
        await see_prices(ask)
        await see_spreads(ask, str(alert.alert_id))
        await see_debug(ask, lab)
    served = older_system.served(older_system.application())
    rows = (*older_system.ROUTES, *older_system.FEATURES)
    assert ask.routes >= {place for row in rows for place in row.here if place in served}


async def see_sockets(ticks: Any, spreads: Any) -> None:
    message = await read(ticks, "tick")
    has(message, "type timestamp tick")
    has(message["tick"], "source contract_id price ts_source ts_ingest ts_emit")
    assert (message["tick"]["source"], message["tick"]["price"]) == ("KALSHI", 0.43)
    assert (await read(spreads, "initial_spreads"))["spreads"] == []
    update = await read(spreads, "spread_update")
    has(update, "type timestamp trigger_tick spreads")
    has(update["trigger_tick"], "source contract_id price latency_ms")
    has(update["spreads"][0], SPREAD)
    assert update["spreads"][0]["max_spread"] == "0.11"


async def see_process(ask: Called) -> None:
    about = await ask.get("/")
    assert (about["environment"], about["docs"]) == ("development", "/docs")
    health = await ask.get("/health")
    assert (health["status"], health["market_pairs"]) == ("healthy", len(PAIRS))
    assert (await ask.get("/ready"))["dependencies"] == {"clickhouse": "ok", "kafka": "ok"}
    consumer = await ask.get("/api/v1/stats/consumer")
    assert (consumer["running"], consumer["messages_processed"]) == (True, 2)  # tick, spread
    stream = await ask.get("/api/v1/stats/stream")
    assert (stream["length"], stream["last_entry"]["offset"]) == (1, 0)
    cache = await ask.get("/api/v1/stats/cache")
    assert (cache["kalshi_contracts"], cache["total_contracts"]) == (1, 1)
    (source,) = (await ask.get("/api/v1/stats/latency"))["sources"]
    assert (source["source"], source["p95"]) == ("KALSHI", pytest.approx(2, rel=0.02))
    assert (await ask.get("/api/v1/latency"))["data"][0]["count"] == 1


async def see_prices(ask: Called) -> None:
    (tick,) = (await ask.get("/api/v1/ticks", view="classic", source="KALSHI", limit=1000))["data"]
    has(tick, TICK)
    assert (tick["yes_bid"], tick["yes_ask"], tick["no_bid"]) == (0.42, 0.44, 0.56)
    assert (tick["spread"], tick["volume"], tick["last_price"]) == (0.02, None, None)
    (latest,) = (await ask.get("/api/v1/latest"))["data"]
    assert (latest["market_id"], latest["bid"]) == ("KXA-26", "0.42")
    hour = {
        "since": isoformat(BASE_US - 3_600_000_000),
        "until": isoformat(BASE_US + 3_600_000_000),
    }
    candles = await ask.get(
        "/api/v1/candles", market="KXA-26", platform="kalshi", interval="1h", **hour
    )
    assert len(candles["data"]) == 1
    assert (await ask.get("/api/v1/markets"))["data"] == []  # nothing on the topic markets
    assert (await ask.get("/api/v1/subscriptions"))["count"] == 1
    await ask.api.live(clients=0)


async def see_spreads(ask: Called, alert_id: str) -> None:
    (spread,) = await ask.get("/api/v1/spreads")
    has(spread, SPREAD)
    assert (spread["kalshi_prob"], spread["manifold_prob"]) == ("0.41", None)
    one = "/api/v1/spreads/{pair_id}"
    assert await ask.get(one, "/api/v1/spreads/rate-cut") == spread
    await ask.api.problem(404, "/api/v1/spreads/no-such")
    history = await ask.get(f"{one}/history", "/api/v1/spreads/rate-cut/history")
    assert history["data"][0]["max_spread"] == "0.11"
    (alert,) = (await ask.get("/api/v1/alerts", min_threshold=0.05))["data"]
    has(alert, "spread_result threshold severity created_at")
    assert (alert["severity"], alert["threshold"]) == ("medium", "0.03")
    assert alert["spread_result"]["pair_id"] == "rate-cut"
    known = await ask.post(
        "/api/v1/alerts/{alert_id}/acknowledge",
        f"/api/v1/alerts/{alert_id}/acknowledge",
        json={"by": "ada"},
    )
    assert (known["state"], known["acknowledged_by"]) == ("acknowledged", "ada")
    pairs = await ask.get("/api/v1/pairs")
    assert pairs["count"] == len(PAIRS)
    has(pairs["pairs"][0], PAIR)
    assert pairs["pairs"][0]["kalshi_tickers"] == ["KXCUT"]


async def see_debug(ask: Called, lab: Lab) -> None:
    query = {"source": "KALSHI", "contract_id": "TEST", "price": "0.5"}
    for route in ("/api/v1/debug/tick", "/api/v1/debug/update_price"):
        done = await ask.post(route, params=query)
        has(done, "success source contract_id price timestamp")
        assert (done["success"], done["price"]) == (True, "0.5")
    await asyncio.to_thread(lab.wait_for_rows, 3)
    found = (await ask.get("/api/v1/ticks", market="debug:TEST"))["data"]
    assert {tick["price"] for tick in found} == {"0.5"}
