"""Stats, debug, the older system's view of ticks: on a real broker and engine."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from api.settings import ApiSettings
from schemas.clock import isoformat, parse_rfc3339
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


async def test_what_the_feed_and_the_topics_say(
    live_settings: ApiSettings, own_broker: Broker, tmp_path: Path
) -> None:
    settings = live_settings.model_copy(update={"sink_group": "stats-test"})
    lab = Lab(
        own_broker.address,
        settings.registry_url,
        settings.clickhouse_url,
        settings.clickhouse_database,
        tmp_path / "sink.log",
        group="stats-test",
    )
    try:
        await asyncio.to_thread(lab.start)
        async with running(settings) as api:
            await following(api)
            await asyncio.to_thread(own_broker.publish, *[make_tick(at) for at in range(7)])
            await asyncio.to_thread(lab.wait_for_rows, 7)
            async with asyncio.timeout(20):
                while (await api.get("/api/v1/stats/consumer"))[  # noqa: ASYNC110
                    "messages_processed"
                ] < 7:
                    await asyncio.sleep(0.05)
            found = await api.get("/api/v1/stats/consumer")
            topic, partition, offset = found.pop("last_message_id").split("/")
            assert (topic, int(partition) < 6, offset) == ("ticks.kalshi", True, "6")
            assert found.pop("pending_messages") in (0, 7)  # by the last commit
            assert found == {
                "running": True,
                "messages_processed": 7,
                "messages_failed": 0,
                "stream_name": "ticks.kalshi,ticks.polymarket,ticks.manifold",
                "consumer_group": "stats-test",
                "consumer_name": None,
            }
            stream = await api.get("/api/v1/stats/stream")
            assert stream["length"] == 7
            assert (stream["first_entry"]["offset"], stream["last_entry"]["offset"]) == (0, 6)
            assert parse_rfc3339(stream["last_entry"]["timestamp"]) > BASE_US
            topics = {each["topic"]: each for each in stream["topics"]}
            assert topics["ticks.kalshi"]["length"] == 7
            assert topics["gaps"] == {
                "topic": "gaps",
                "length": 0,
                "first_entry": None,
                "last_entry": None,
            }
    finally:
        await asyncio.to_thread(lab.close)


async def test_without_kafka_stats_say_what_is_known(api: Api) -> None:
    found = await api.get("/api/v1/stats/consumer")
    assert (found["running"], found["pending_messages"], found["last_message_id"]) == (
        False,
        None,
        None,
    )
    await api.problem(503, "/api/v1/stats/stream")


async def test_known_outcomes_are_counted(api: Api, tables: Tables) -> None:
    ticks = [
        make_tick(1),
        make_tick(5),
        make_tick(2, outcome_id="other"),
        make_tick(3, platform="manifold", market_id="m", outcome_id="m"),
    ]
    tables.insert("ticks", ticks, TOPIC)
    assert await api.get("/api/v1/stats/cache") == {
        "kalshi_contracts": 2,
        "polymarket_contracts": 0,
        "manifold_contracts": 1,
        "total_contracts": 3,
        "last_updates": {
            "kalshi": isoformat(BASE_US + 5),
            "polymarket": None,
            "manifold": isoformat(BASE_US + 3),
        },
    }


async def test_sockets_are_counted(api: Api) -> None:
    assert await api.get("/ws/stats") == {"active_connections": 0, "total_connections": 0}
    async with api.socket() as one, api.socket(path="/ws/spreads") as other:
        await read(one, "welcome")
        await read(other, "welcome")
        assert await api.get("/ws/stats") == {"active_connections": 2, "total_connections": 2}
    async with asyncio.timeout(20):
        while (await api.get("/ws/stats"))["active_connections"]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert (await api.get("/ws/stats"))["total_connections"] == 2


async def post(api: Api, path: str, body: Any = None, **params: str) -> tuple[int, Any]:
    options: dict[str, Any] = {} if body is None else {"json": body}
    async with api.http.post(api.url + path, params=params, **options) as answer:
        return answer.status, await answer.json()


async def test_a_tick_by_hand_passes_and_is_taken_for_no_venues(
    live_settings: ApiSettings, own_broker: Broker
) -> None:
    async with running(live_settings.model_copy(update={"environment": "development"})) as api:
        await following(api)
        assert (await api.get("/"))["environment"] == "development"
        async with api.socket("?platform=manifold") as ws:
            await read(ws, "welcome")
            await read(ws, "subscribed")
            query = {"source": "MANIFOLD", "contract_id": "TEST", "price": "0.420"}
            status, found = await post(api, "/api/v1/debug/tick", **query)
            assert (status, found["success"], found["source"]) == (200, True, "MANIFOLD")
            assert (found["price"], found["market_id"]) == ("0.42", "debug:TEST")
            data = (await read(ws, "tick"))["data"]
            assert (data["market_id"], data["kind"], data["price"]) == (
                "debug:TEST",
                "trade",
                "0.42",
            )
            body = {"source": "manifold", "contract_id": "TEST", "price": 0.5}
            assert (await post(api, "/api/v1/debug/update_price", body))[0] == 200
            assert (await read(ws, "tick"))["data"]["price"] == "0.5"
        for path in ("/api/v1/debug/tick", "/api/v1/debug/update_price"):
            for bad, named in (
                ({**query, "source": "NYSE"}, "source"),
                ({**query, "price": "1.01"}, "price"),
                ({**query, "price": "NaN"}, "price"),
                ({**query, "price": "0.123456789"}, "price"),
                ({"source": "kalshi", "price": "0.1"}, "contract_id"),
            ):
                status, found = await post(api, path, **bad)
                assert (status, found["errors"][0]["parameter"]) == (400, named)
            status, found = await post(api, path, {**query, "price": "0.1"}, source="kalshi")
            assert (status, found["errors"][0]["parameter"]) == (400, "source")


@pytest.mark.parametrize("environment", ["production", "staging"])
async def test_debug_routes_are_not_there_otherwise(
    settings: ApiSettings, environment: str
) -> None:
    async with running(settings.model_copy(update={"environment": environment})) as api:
        for path in ("/api/v1/debug/tick", "/api/v1/debug/update_price"):
            status, _ = await post(api, path, source="kalshi", contract_id="x", price="0.1")
            assert status == 404
            assert path not in (await api.get("/schema/openapi.json"))["paths"]


async def test_the_older_systems_view_of_ticks(api: Api, tables: Tables) -> None:
    tables.insert(
        "ticks",
        [
            make_tick(0, source_ts=BASE_US - 3000),
            make_tick(1_000_000, kind="trade", price=Decimal("0.43"), size=Decimal(7), side="buy"),
            make_tick(2, platform="polymarket", market_id="0x1", outcome_id="99", ask=None),
        ],
        TOPIC,
    )
    found = await api.get("/api/v1/ticks", view="classic", source="KALSHI", order="asc")
    quote, trade = found["data"]
    assert (quote["source"], quote["contract_id"], quote["price"]) == ("KALSHI", "KXA-26", 0.43)
    assert (quote["yes_bid"], quote["yes_ask"], quote["spread"]) == (0.42, 0.44, 0.02)
    assert (quote["no_bid"], quote["no_ask"]) == (0.56, 0.58)
    assert (quote["latency_ms"], quote["timestamp"]) == (3, isoformat(BASE_US - 3000))
    assert (trade["price"], trade["last_price"], trade["trade_side"]) == (0.43, 0.43, "BUY")
    assert trade["latency_ms"] is None
    (other,) = (await api.get("/api/v1/ticks", view="classic", source="polymarket"))["data"]
    # A side that isn't there is missing, and not 0 or 1 as in the older system.
    assert (other["contract_id"], other["price"], other["no_bid"], other["spread"]) == (
        "99",
        None,
        None,
        None,
    )
    page = await api.get("/api/v1/ticks", view="classic", limit=1)
    assert len(page["data"]) == 1
    rest = await api.get("/api/v1/ticks", view="classic", cursor=page["next_cursor"])
    assert len(rest["data"]) == 2
    for params in (
        {"view": "classic", "format": "csv"},
        {"view": "old"},
        {"source": "NYSE"},
        {"source": "KALSHI", "platform": "manifold"},
    ):
        await api.problem(400, "/api/v1/ticks", **params)
