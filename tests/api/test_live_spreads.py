"""/ws/spreads on a real broker and engine: the older system's messages, and choosing pairs."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from api.settings import ApiSettings
from schemas.clock import isoformat, now_us
from schemas.spread import Spread
from tests.api.support import TOPIC, Api, Broker, Tables, following, read, running
from tests.api.test_spreads import PAIRS, make_spread

SECONDS = 60
CUT, OTHER = "rate-cut", "two-of-three"
START = now_us()


def spread(at: int, pair_id: str = CUT, **changes: Any) -> Spread:
    return make_spread(at, pair_id=pair_id, ts=START + at, **changes)


@pytest.fixture
def with_pairs(live_settings: ApiSettings, tmp_path: Path) -> ApiSettings:
    path = tmp_path / "pairs.json"
    path.write_text(json.dumps({"pairs": PAIRS}))
    return live_settings.model_copy(update={"market_pairs": str(path)})


def pairs_of(message: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["pair_id"], each["timestamp"]) for each in message["spreads"]]


def at(us: int) -> str:
    return isoformat(START + us)


async def connected(api: Api, query: str = "") -> Any:
    ws = await api.socket(query, path="/ws/spreads")
    assert (await read(ws, "welcome"))["seq"] == 1
    return ws


async def test_a_plain_client_gets_initial_spreads_and_then_updates(
    with_pairs: ApiSettings, own_broker: Broker, tables: Tables
) -> None:
    tables.insert("spreads", [spread(1), spread(2, OTHER)], TOPIC)
    async with running(with_pairs) as api:
        await following(api)
        # Newer than what is stored: known from Kafka alone.
        await asyncio.to_thread(own_broker.publish, spread(5))
        async with await connected(api) as ws:
            initial = await read(ws, "initial_spreads")
            if pairs_of(initial) != [(CUT, at(5)), (OTHER, at(2))]:
                assert pairs_of(initial) == [(CUT, at(1)), (OTHER, at(2))]
                assert pairs_of(await read(ws, "spread_update")) == [(CUT, at(5))]
            rest = await api.get("/api/v1/spreads")
            assert initial["spreads"][1] == rest[1]
            await asyncio.to_thread(
                own_broker.publish,
                spread(6, max_spread=Decimal("0.07")),
                spread(4),
                spread(7, OTHER),
            )
            first, second = [await read(ws, "spread_update") for _ in range(2)]
            found = dict(pairs_of(first) + pairs_of(second))
            assert found == {CUT: at(6), OTHER: at(7)}  # 4 was older than what was told
            update = first if pairs_of(first)[0][0] == CUT else second
            assert update["timestamp"] == at(6)
            assert update["spreads"][0]["max_spread"] == "0.07"
            assert set(update["trigger_tick"]) == {"source", "contract_id", "price", "latency_ms"}
            assert [update["session"]] * 2 == [initial["session"], second["session"]]


async def test_pairs_are_chosen_and_left(with_pairs: ApiSettings, own_broker: Broker) -> None:
    async with running(with_pairs) as api:
        await following(api)
        async with await connected(api, f"?pair={OTHER}") as ws:
            assert (await read(ws, "initial_spreads"))["spreads"] == []
            await asyncio.to_thread(own_broker.publish, spread(1), spread(2, OTHER))
            assert pairs_of(await read(ws, "spread_update")) == [(OTHER, at(2))]
            await ws.send_json({"type": "subscribe", "pair": [CUT]})
            assert (await read(ws, "subscribed"))["pair"] == [CUT]
            assert pairs_of(await read(ws, "initial_spreads")) == [(CUT, at(1))]
            await ws.send_json({"type": "unsubscribe", "pair": OTHER})
            assert (await read(ws, "unsubscribed"))["pair"] == [OTHER]
            await asyncio.to_thread(own_broker.publish, spread(3, OTHER), spread(4))
            assert pairs_of(await read(ws, "spread_update")) == [(CUT, at(4))]
            await ws.send_json({"type": "unsubscribe"})
            assert (await read(ws, "unsubscribed"))["pair"] == [CUT]
            await ws.send_json({"type": "subscribe"})
            await read(ws, "subscribed")
            assert len((await read(ws, "initial_spreads"))["spreads"]) == 2
            await ws.send_json({"type": "ping"})
            await read(ws, "pong")


BAD: list[tuple[str, str]] = [
    ("nonsense", "JSON"),
    ('{"type": "subscribe", "pair": "no-such"}', "no-such"),
    ('{"type": "subscribe", "platform": "kalshi"}', "platform"),
    ('{"type": "unsubscribe", "pair": ""}', "length"),
    ('{"type": "subscribe", "mode": "loose"}', "loose"),
]


async def test_bad_messages_and_urls_are_answered(
    with_pairs: ApiSettings, own_broker: Broker
) -> None:
    quick = with_pairs.model_copy(update={"api_ws_heartbeat_seconds": 0.3})
    async with running(quick) as api:
        async with await connected(api) as ws:
            await read(ws, "initial_spreads")
            for text, said in BAD:
                await ws.send_str(text)
                assert said in (await read(ws, "error"))["detail"]
            assert (await read(ws, "heartbeat"))["feed"]
        for query in (
            "?pair=no-such",
            "?plattform=x",
            "?mode=a",
            "?pair=",
            "?mode=strict&mode=strict",
        ):
            async with api.socket(query, path="/ws/spreads") as ws:
                assert (await read(ws, "error"))["code"] in ("bad_message", "refused")
                assert (await ws.receive(timeout=SECONDS)).data == 1008


async def test_one_client_too_many_is_refused(with_pairs: ApiSettings, own_broker: Broker) -> None:
    async with running(with_pairs.model_copy(update={"api_ws_clients": 1})) as api:
        async with await connected(api):
            for path in ("/ws/spreads", "/ws/ticks"):  # one limit for both
                async with api.socket(path=path) as ws:
                    assert (await read(ws, "error"))["code"] == "too_many_clients"
        async with api.socket(path="/ws/spreads") as ws:
            await read(ws, "welcome", "error")
