"""/ws/ticks on a real broker: subscriptions, gaps, limits, slow and rude clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from api.settings import ApiSettings
from schemas.clock import isoformat
from tests.api.support import (
    BASE_US,
    Api,
    Broker,
    create_topics,
    following,
    make_gap,
    make_tick,
    publish,
    read,
    running,
)

SECONDS = 60


@pytest.fixture
async def live(live_settings: ApiSettings) -> AsyncIterator[Api]:
    """The API, with its feed following."""
    async with running(live_settings) as found:
        yield await following(found)


async def subscribe(ws: Any, **filters: Any) -> int:
    """Subscribe and return the number."""
    await ws.send_json({"type": "subscribe", **filters})
    number: int = (await read(ws, "subscribed"))["subscription"]
    return number


async def test_a_tick_arrives_as_rest_would_show_it(live: Api, own_broker: Broker) -> None:
    async with live.socket("?platform=kalshi&market=KXA-26") as ws:
        assert (await read(ws, "welcome"))["seq"] == 1
        subscribed = await read(ws, "subscribed")
        assert subscribed["market"] == ["KXA-26"]
        tick = make_tick(3, kind="trade", price=Decimal("0.43000000"), size=Decimal("7"))
        await asyncio.to_thread(own_broker.publish, tick)
        message = await read(ws, "tick")
    assert message["seq"] == 3
    data = message["data"]
    assert data.pop("kafka_offset") == 0
    assert 0 <= data.pop("kafka_partition") < 6
    assert data.pop("append_ts").endswith("Z")
    assert data == {
        "ingest_ts": isoformat(BASE_US + 3),
        "emit_ts": isoformat(BASE_US + 153),
        "source_ts": None,
        "platform": "kalshi",
        "market_id": "KXA-26",
        "outcome_id": "KXA-26",
        "outcome": "yes",
        "kind": "trade",
        "price": "0.43",
        "size": "7",
        "bid": "0.42",
        "bid_size": "100",
        "ask": "0.44",
        "ask_size": "12.5",
        "side": None,
        "volume": None,
        "open_interest": None,
        "sequence": 3,
        "tick_id": str(tick.tick_id),
    }


async def test_each_filter_and_its_end(live: Api, own_broker: Broker) -> None:
    """Every subscription gets what it asked for; overlapping ones get a tick once."""
    ticks = [
        make_tick(0),
        make_tick(1, kind="trade", price=Decimal("0.4"), size=Decimal("1")),
        make_tick(2, market_id="KXB-26", outcome_id="KXB-26"),
        make_tick(3, platform="manifold", market_id="m1", outcome_id="a"),
        make_tick(4, platform="manifold", market_id="m1", outcome_id="b"),
        make_tick(5, platform="polymarket", market_id="0x1", outcome_id="9"),
    ]
    end = make_tick(99, platform="polymarket", market_id="end", outcome_id="end")
    cases: list[tuple[list[dict[str, Any]], set[int]]] = [
        ([{}], {0, 1, 2, 3, 4, 5}),
        ([{"platform": "kalshi"}], {0, 1, 2}),
        ([{"kind": "trade"}], {1}),
        ([{"market": "KXB-26"}], {2}),
        ([{"market": ["KXB-26", "m1"]}], {2, 3, 4}),
        ([{"platform": "manifold", "outcome": "b"}], {4}),
        ([{"platform": "manifold", "market": "KXA-26"}], set()),
        ([{"platform": "kalshi"}, {}, {"market": "KXA-26"}], {0, 1, 2, 3, 4, 5}),
    ]
    sockets = []
    for filters, _ in cases:
        ws = await live.socket()
        await read(ws, "welcome")
        sockets.append(ws)
        for each in filters:
            await subscribe(ws, **each)
        await subscribe(ws, market="end")
    await asyncio.to_thread(own_broker.publish, *ticks)
    await asyncio.to_thread(own_broker.publish, end)
    for ws, (filters, expected) in zip(sockets, cases, strict=True):
        seen: list[int] = []
        last = 1 + len(filters) + 1
        # Order holds within a partition only, so the last to come is not always the last sent.
        while len(seen) < len(expected) + 1:
            message = await read(ws, "tick")
            last += 1
            assert message["seq"] == last
            seen.append(message["data"]["sequence"])
        assert sorted(seen) == sorted({*expected, 99}), filters
    ws = sockets[7]
    await ws.send_json({"type": "unsubscribe", "subscription": 2})
    assert (await read(ws, "unsubscribed"))["subscriptions"] == [2]
    await asyncio.to_thread(own_broker.publish, ticks[3], ticks[2])
    assert (await read(ws, "tick"))["data"]["sequence"] == 2
    await ws.send_json({"type": "unsubscribe"})
    assert (await read(ws, "unsubscribed"))["subscriptions"] == [1, 3, 4]
    totals = (await live.get("/api/v1/subscriptions"))["live"]
    assert totals == {"clients": 8, "subscriptions": 14}
    for ws in sockets:
        await ws.close()
    await live.live(clients=0, subscriptions=0)


async def test_gaps_are_told_to_those_they_concern(live: Api, own_broker: Broker) -> None:
    async with (
        live.socket("?platform=kalshi&market=KXA-26") as one,
        live.socket("?platform=kalshi&market=KXB-26&kind=trade") as other,
        live.socket("?platform=manifold") as elsewhere,
    ):
        for ws in (one, other, elsewhere):
            await read(ws, "welcome")
            await read(ws, "subscribed")
        gap = make_gap(0)
        whole = make_gap(1, market_id=None, to_ts=None)
        far = make_gap(2, platform="manifold", market_id="m1")
        for each in (gap, whole, far):
            await asyncio.to_thread(own_broker.publish, each)
        seen = {(await read(one, "gap"))["data"]["gap_id"] for _ in range(2)}
        assert seen == {str(gap.gap_id), str(whole.gap_id)}
        found = (await read(other, "gap"))["data"]
        assert found == {
            "gap_id": str(whole.gap_id),
            "platform": "kalshi",
            "market_id": None,
            "connection": "0/1",
            "reason": "disconnect",
            "from_ts": isoformat(BASE_US + 1),
            "to_ts": None,
            "missed": None,
            "detail": "closed by the peer",
        }
        assert (await read(elsewhere, "gap"))["data"]["gap_id"] == str(far.gap_id)


async def test_what_was_there_before_is_not_live(
    live_settings: ApiSettings, own_broker: Broker
) -> None:
    """Also where the broker's own answer for the end is too low, as Tansu's is."""
    own_broker.publish(*[make_tick(at) for at in range(300)])
    async with running(live_settings) as api:
        await following(api)
        async with api.socket("?platform=kalshi") as ws:
            await read(ws, "welcome")
            await read(ws, "subscribed")
            await asyncio.to_thread(own_broker.publish, make_tick(300))
            assert (await read(ws, "tick"))["data"]["sequence"] == 300


@pytest.mark.apache
async def test_apache_kafka_is_followed_too(
    settings: ApiSettings, apache: str, registry: str
) -> None:
    create_topics(apache)
    await asyncio.to_thread(publish, apache, registry, *[make_tick(at) for at in range(20)])
    async with running(settings.model_copy(update={"kafka_bootstrap": apache})) as api:
        await following(api)
        async with api.socket("?market=KXA-26&kind=trade") as ws:
            await read(ws, "welcome")
            await read(ws, "subscribed")
            trade = make_tick(21, kind="trade", price=Decimal("0.4"), size=Decimal("1"))
            await asyncio.to_thread(publish, apache, registry, make_tick(20), trade, make_gap())
            seen = [await read(ws, "tick", "gap") for _ in range(2)]
            assert {message["type"] for message in seen} == {"tick", "gap"}


BAD_MESSAGES = [
    "",
    "hello",
    "[]",
    "{}",
    '{"type": "order"}',
    '{"type": "subscribe", "platform": "betfair"}',
    '{"type": "subscribe", "market": []}',
    '{"type": "subscribe", "market": [""]}',
    '{"type": "subscribe", "market": 7}',
    '{"type": "subscribe", "kind": "book"}',
    '{"type": "subscribe", "plattform": "kalshi"}',
    '{"type": "unsubscribe", "subscription": 77}',
    "[" * 10_000,
    '"\\ud800"',
]


async def test_a_bad_message_is_answered_and_harms_nothing(live: Api) -> None:
    async with live.socket() as ws:
        await read(ws, "welcome")
        for text in BAD_MESSAGES:
            await ws.send_str(text)
            message = await read(ws, "error")
            assert message["code"] in ("bad_message", "refused")
            assert message["detail"]
        await ws.send_bytes(b"\x00\x01")
        await read(ws, "error")
        await ws.send_json({"type": "ping"})
        await read(ws, "pong")


async def test_a_rude_client_is_closed(live: Api) -> None:
    async with live.socket() as ws:
        await read(ws, "welcome")
        for _ in range(20):
            await ws.send_str("nonsense")
        while (message := await ws.receive(timeout=SECONDS)).type == aiohttp.WSMsgType.TEXT:
            assert json.loads(message.data)["type"] == "error"
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1008)


async def test_a_bad_url_and_a_message_that_is_too_big(live: Api) -> None:
    for query in ("?plattform=kalshi", "?platform=betfair", "?kind=a&kind=b", "?market="):
        async with live.socket(query) as ws:
            assert (await read(ws, "error"))["code"] == "bad_message"
            assert (await ws.receive(timeout=SECONDS)).data == 1008
    async with live.socket() as ws:
        await read(ws, "welcome")
        await ws.send_str(json.dumps({"type": "subscribe", "market": "x" * 70_000}))
        assert (await ws.receive(timeout=SECONDS)).data == 1009


async def test_a_url_that_is_too_long_is_answered(live: Api) -> None:
    query = "?" + "&".join(f"market={at:066x}" for at in range(200))
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await asyncio.wait_for(live.socket(query), SECONDS)
    assert refused.value.status == 414
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await asyncio.wait_for(live.socket(headers={"X-Long": "x" * 9000}), SECONDS)
    assert refused.value.status == 431


async def test_limits_on_clients_and_subscriptions(live_settings: ApiSettings) -> None:
    strict = live_settings.model_copy(
        update={"api_ws_clients": 2, "api_ws_subscriptions": 3, "api_ws_markets": 4}
    )
    async with running(strict) as api, api.socket() as first, api.socket() as second:
        await read(first, "welcome")
        await read(second, "welcome")
        async with api.socket() as third:
            assert (await read(third, "error"))["code"] == "too_many_clients"
            assert (await third.receive(timeout=SECONDS)).data == 1013
        await subscribe(first, market=["a", "b", "c"])
        await first.send_json({"type": "subscribe", "market": ["d", "e"]})
        assert "4 markets" in (await read(first, "error"))["detail"]
        await subscribe(first, market=["d"])
        await subscribe(first)
        await first.send_json({"type": "subscribe"})
        assert "3 subscriptions" in (await read(first, "error"))["detail"]
        await second.close()
        await api.live(clients=1)
        async with api.socket() as fourth:
            await read(fourth, "welcome")


async def test_a_foreign_page_is_refused(live_settings: ApiSettings) -> None:
    listed = live_settings.model_copy(update={"api_cors_origins": "https://board.example"})
    async with running(listed) as api:
        for origin in ("https://board.example", api.url):
            async with api.socket(headers={"Origin": origin}) as ws:
                await read(ws, "welcome")
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await api.socket(headers={"Origin": "https://evil.example"})
        assert refused.value.status == 403


async def test_heartbeats_tell_of_the_feed(live_settings: ApiSettings) -> None:
    quick = live_settings.model_copy(update={"api_ws_heartbeat_seconds": 0.05})
    async with running(quick) as api:
        await following(api)
        async with api.socket() as ws:
            await read(ws, "welcome")
            assert (await read(ws, "heartbeat"))["feed"] == "ok"
            assert (await read(ws, "heartbeat"))["seq"] == 3
