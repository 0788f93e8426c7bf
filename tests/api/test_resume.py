"""Coming back to /ws/ticks: resume, snapshot, history, on a real broker, sink and engine."""

from __future__ import annotations

import asyncio
import contextlib
import random
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from api import position
from api.settings import ApiSettings
from schemas.clock import isoformat, now_us, parse_rfc3339
from tests.agents.lab import Lab
from tests.api.support import Broker, following, make_gap, make_tick, publish, read, running
from tests.api.whole import (
    MARKETS,
    SECONDS,
    Reader,
    Whole,
    flow,
    in_order_per_market,
    numbered,
    until_live,
)


@pytest.mark.slow
async def test_ten_thousand_ticks_through_fifty_disconnects_come_once_each(whole: Whole) -> None:
    count, cuts = 10_000, 50
    reader = Reader(whole.api)
    opened = asyncio.create_task(reader.read(1))
    await whole.api.live(subscriptions=1)
    flowing = asyncio.create_task(flow(whole, range(count), 0.02))
    await opened
    chance = random.Random(3)
    for cut in range(1, cuts):
        left = count - len(reader.numbers)
        await reader.read(max(1, min(left - (cuts - cut), chance.randint(1, 400))))
        if cut % 10 == 0:
            await asyncio.sleep(1)  # long enough for ClickHouse to have what is missed
    await reader.read(count - len(reader.numbers))
    await flowing
    assert reader.told == []
    assert sorted(reader.numbers) == list(range(count))
    assert in_order_per_market(reader.numbers)


async def test_what_the_tail_no_longer_holds_comes_from_clickhouse(
    live_settings: ApiSettings, own_broker: Broker, lab: Lab
) -> None:
    """The API that is resumed at never saw the ticks: another process, or one that restarted."""
    await asyncio.to_thread(lab.start)
    async with running(live_settings) as first:
        await following(first)
        whole = Whole(first, lab, own_broker)
        reader = Reader(first)
        reading = asyncio.create_task(reader.read(50))
        await first.live(subscriptions=1)
        await flow(whole, range(50), 0)
        await reading
    await flow(whole, range(50, 4000), 0)
    await asyncio.to_thread(own_broker.publish, make_gap(market_id=None))
    await asyncio.to_thread(lab.wait_for_rows, 4000)
    await asyncio.to_thread(lab.wait_for_rows, 1, "gaps")
    async with running(live_settings) as second:
        await following(second)
        reader.api = second
        reading = asyncio.create_task(reader.read(4000))
        await flow(Whole(second, lab, own_broker), range(4000, 4050), 0)
        await reading
        await flow(Whole(second, lab, own_broker), range(4050, 4051), 0)
        await reader.read(1, told=1)  # the gap may come last: topics are read one after the other
    assert sorted(reader.numbers) == list(range(4051))
    assert in_order_per_market(reader.numbers)
    assert [message["type"] for message in reader.told] == ["gap"]


async def test_filters_hold_for_what_was_missed(whole: Whole) -> None:
    async with whole.api.socket() as ws:
        cursor = (await read(ws, "welcome"))["cursor"]
    await flow(whole, range(400), 0)
    trade = numbered(400, market_id="M7", outcome_id="M7", kind="trade", price=Decimal("0.5"))
    await asyncio.to_thread(whole.broker.publish, trade, make_gap(market_id="M9"))
    async with whole.api.socket(f"?market=M7&market=M8&kind=quote&resume={cursor}") as ws:
        wanted = [number for number in range(400) if number % MARKETS in (7, 8)]
        found = []
        while len(found) < len(wanted):
            message = await read(ws, "welcome", "subscribed", "tick", "live")
            if message["type"] == "tick":
                found.append(message["data"]["sequence"])
    assert sorted(found) == wanted


async def test_history_then_live_without_a_hole_or_a_repeat(whole: Whole) -> None:
    begin = isoformat(now_us())
    await flow(whole, range(1500), 0)
    published, live = 1500, asyncio.Event()

    async def keep_flowing() -> None:
        nonlocal published
        after = 0
        while after < 5:  # some batches come when the client is live
            await flow(whole, range(published, published + 100), 0.03)
            published += 100
            after += live.is_set()

    flowing = asyncio.create_task(keep_flowing())
    async with whole.api.socket() as ws:
        await read(ws, "welcome")
        await ws.send_json({"type": "subscribe", "platform": "kalshi", "from": begin})
        await read(ws, "subscribed")
        found: list[int] = []
        with contextlib.suppress(TimeoutError):  # what is missing then is told below
            async with asyncio.timeout(2 * SECONDS):
                while not flowing.done() or len(found) < published:
                    # The flow may end after its last tick was read: a heartbeat ends the wait.
                    message = await read(ws, "tick", "live", "heartbeat")
                    if message["type"] == "live":
                        assert not live.is_set()
                        live.set()
                    elif message["type"] == "tick":
                        found.append(message["data"]["sequence"])
    await flowing
    assert live.is_set()
    assert sorted(found) == list(range(published))
    assert in_order_per_market(found)


async def test_a_replay_that_was_cut_off_goes_on(whole: Whole) -> None:
    begin = isoformat(now_us())
    await flow(whole, range(600), 0)
    reader = Reader(whole.api, **{"from": begin})
    await reader.read(250)
    await reader.read(300)
    await reader.read(50)
    assert sorted(reader.numbers) == list(range(600))


async def test_a_replay_keeps_time_and_tells_gaps(whole: Whole) -> None:
    begin = now_us()
    times = [begin + at * 1_000_000 for at in range(4)]  # three seconds, told in 0.3
    ticks = [
        numbered(0, market_id="M0", outcome_id="M0", sequence=at, ingest_ts=time)
        for at, time in enumerate(times)
    ]
    gap = make_gap(market_id="M0", from_ts=times[1] + 500_000, to_ts=times[1] + 600_000)
    await asyncio.to_thread(whole.broker.publish, *ticks, gap)
    await asyncio.to_thread(whole.lab.wait_for_rows, 1, "gaps")
    loop = asyncio.get_running_loop()
    async with whole.api.socket() as ws:
        await read(ws, "welcome")
        asked = {"from": isoformat(begin), "speed": 10}
        started = loop.time()
        await ws.send_json({"type": "subscribe", "market": "M0", **asked})
        await read(ws, "subscribed")
        kinds = [(await read(ws, "tick", "gap"))["type"] for _ in range(5)]
        assert loop.time() - started >= 0.3  # it never hurries
    assert kinds == ["tick", "tick", "gap", "tick", "tick"]


async def test_a_snapshot_and_then_what_comes_after_it(whole: Whole) -> None:
    await flow(whole, range(200), 0)
    await asyncio.to_thread(whole.lab.wait_for_rows, 200)
    async with whole.api.socket() as ws:
        await read(ws, "welcome")
        await ws.send_json({"type": "subscribe", "market": ["M3", "M4"], "snapshot": True})
        await read(ws, "subscribed")
        rows = [(await read(ws, "snapshot"))["data"] for _ in range(2)]
        assert [row["market_id"] for row in rows] == ["M3", "M4"]
        assert [row["bid"] for row in rows] == ["0.42", "0.42"]
        end = await read(ws, "snapshot_end")
        assert (end["outcomes"], end["truncated"], end["complete"]) == (2, False, True)
        await read(ws, "live")
        await flow(whole, range(200, 280), 0)
        found = [(await read(ws, "tick"))["data"]["sequence"] for _ in range(4)]
    assert sorted(found) == [203, 204, 243, 244]


async def test_what_cannot_be_brought_is_told(whole: Whole) -> None:
    """Offsets that nobody stored, a topic of another life, a place that is not reached yet."""
    async with whole.api.socket() as ws:
        here = position.decode((await read(ws, "welcome"))["cursor"])
    await flow(whole, range(100), 0)
    await asyncio.to_thread(whole.lab.wait_for_rows, 100)
    whole.lab.client.command(
        "ALTER TABLE ticks DELETE WHERE sequence < 50 SETTINGS mutations_sync = 2"
    )
    other = here.copy()
    for topic in other.topics:
        topic.topic_id = UUID(int=1).bytes
    beyond = here.copy()
    for topic in beyond.topics:
        topic.offsets = [offset + 10**12 for offset in topic.offsets]
    for cursor, reason in ((other, "made_anew"), (beyond, "ahead")):
        async with whole.api.socket(f"?platform=kalshi&resume={cursor.cursor()}") as ws:
            await read(ws, "welcome")
            await read(ws, "subscribed")
            message = await read(ws, "resume_gap")
            assert message["reason"] == reason


async def test_rows_that_are_gone_are_counted(
    live_settings: ApiSettings, own_broker: Broker, lab: Lab
) -> None:
    quick = live_settings.model_copy(update={"api_ws_stored_seconds": 0.3})
    await asyncio.to_thread(lab.start)
    async with running(quick) as api:
        await following(api)
        async with api.socket() as ws:
            cursor = (await read(ws, "welcome"))["cursor"]
    ticks = [numbered(number, market_id="M", outcome_id="M") for number in range(100)]
    await asyncio.to_thread(own_broker.publish, *ticks)
    await asyncio.to_thread(lab.wait_for_rows, 100)
    lab.client.command("ALTER TABLE ticks DELETE WHERE sequence < 30 SETTINGS mutations_sync = 2")
    async with running(quick) as api:
        await following(api)
        async with api.socket(f"?platform=kalshi&resume={cursor}") as ws:
            await read(ws, "welcome")
            await read(ws, "subscribed")
            gap = await read(ws, "resume_gap")
            assert (gap["reason"], gap["missed"], gap["topic"]) == ("expired", 30, "ticks.kalshi")
            assert await until_live(ws) == list(range(30, 100))


BAD_SUBSCRIPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"resume": "x"}, "cursor"),
    ({"resume": "A" * 5000}, "4096"),
    ({"resume": "gA"}, "cursor"),
    ({"from": "yesterday"}, "RFC 3339"),
    ({"from": "1950-01-01T00:00:00Z"}, "between 1970"),
    ({"speed": 3}, "needs from"),
    ({"from": "2026-01-01T00:00:00Z", "speed": 0}, "speed"),
    ({"from": "2026-01-01T00:00:00Z", "speed": "fast"}, "speed"),
    ({"from": "2026-01-01T00:00:00Z", "snapshot": True}, "at most one"),
    ({"mode": "loose"}, "mode"),
]


async def test_bad_wishes_are_answered(live_settings: ApiSettings, own_broker: Broker) -> None:
    async with running(live_settings) as api:
        await following(api)
        async with api.socket() as ws:
            await read(ws, "welcome")
            for wish, said in BAD_SUBSCRIPTIONS:
                await ws.send_json({"type": "subscribe", **wish})
                assert said in (await read(ws, "error"))["detail"], wish
        async with api.socket() as ws:
            await read(ws, "welcome")
            await ws.send_json({"type": "subscribe"})
            await read(ws, "subscribed")
            await ws.send_json({"type": "subscribe", "snapshot": True})
            assert "first subscription" in (await read(ws, "error"))["detail"]


async def test_without_clickhouse_a_client_is_sent_away_and_may_come_back(
    live_settings: ApiSettings, own_broker: Broker
) -> None:
    away = {"clickhouse_url": "http://127.0.0.1:1", "api_ws_stored_seconds": 0.2}
    async with running(live_settings.model_copy(update=away)) as api:
        await asyncio.sleep(0)
        async with api.socket() as ws:
            await read(ws, "welcome")
            await ws.send_json({"type": "subscribe", "snapshot": True})
            await read(ws, "subscribed")
            assert (await read(ws, "error"))["code"] == "unavailable"
            assert (await ws.receive(timeout=SECONDS)).data == 1013


async def test_a_client_of_the_older_system_gets_everything_in_its_form(
    live_settings: ApiSettings, own_broker: Broker
) -> None:
    async with running(live_settings) as api:
        await following(api)
        async with api.socket() as ws:
            await read(ws, "welcome")
            tick = make_tick(1, source_ts=make_tick(1).ingest_ts - 2000)
            await asyncio.to_thread(own_broker.publish, tick, make_gap())  # within the second
            first = await read(ws, "tick", "live")
            message = first if first["type"] == "tick" else await read(ws, "tick")
            assert message["tick"] == {
                "source": "KALSHI",
                "contract_id": "KXA-26",
                "price": 0.43,
                "ts_source": (tick.ingest_ts - 2000) // 1000,
                "ts_ingest": tick.ingest_ts // 1000,
                "ts_emit": (tick.emit_ts or 0) // 1000,
                "timestamp": isoformat(tick.ingest_ts - 2000),
                "latency_ms": 2,
                "yes_bid": 0.42,
                "yes_ask": 0.44,
                "no_bid": 0.56,
                "no_ask": 0.58,
                "spread": 0.02,
                "last_price": None,
                "bid_size": 100,
                "ask_size": 12.5,
                "trade_size": None,
                "trade_side": None,
                "volume": None,
                "open_interest": None,
                "market_id": "KXA-26",
                "outcome_id": "KXA-26",
                "event_type": "quote",
                "market_name": None,
                "dollar_volume": None,
                "dollar_open_interest": None,
                "fee_rate_bps": None,
            }
            assert parse_rfc3339(message["timestamp"]) > 0
            await ws.send_json({"type": "subscribe", "market": "other"})  # it does speak
            while (await read(ws, "live", "subscribed"))["type"] != "subscribed":
                pass
            await asyncio.to_thread(
                publish, own_broker.address, own_broker.registry_url, make_tick(2),
                make_tick(3, market_id="other", outcome_id="other"),
            )  # fmt: skip
            assert (await read(ws, "tick"))["data"]["sequence"] == 3


async def test_a_conflating_client_gets_the_last_quote(
    live_settings: ApiSettings, own_broker: Broker
) -> None:
    quick = live_settings.model_copy(update={"api_ws_queue": 50, "api_ws_heartbeat_seconds": 0.2})
    async with running(quick) as api:
        await following(api)
        async with api.socket("?platform=kalshi&mode=conflate") as ws:
            await read(ws, "welcome")
            assert (await read(ws, "subscribed"))["mode"] == "conflate"
            ws._response.connection.transport.pause_reading()
            wide = "x" * 20_000
            for first in range(0, 3000, 300):
                await asyncio.to_thread(
                    own_broker.publish,
                    *[make_tick(first + at, market_id="M", outcome=wide) for at in range(300)],
                )
            ws._response.connection.transport.resume_reading()
            seen, conflated = [], 0
            while not seen or seen[-1] < 2999 or conflated != 3000 - len(seen):
                message = await read(ws, "tick", "heartbeat")
                if message["type"] == "tick":
                    seen.append(message["data"]["sequence"])
                else:
                    conflated = message["conflated"]
    assert seen == sorted(seen)
    assert conflated > 0
