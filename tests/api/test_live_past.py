"""Coming back to /ws/ticks when something went wrong meanwhile, or while ticks flow."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from api import position
from api.position import Position
from api.settings import ApiSettings
from schemas.clock import isoformat, now_us
from tests.agents.lab import Lab
from tests.api.support import Api, Broker, following, make_gap, read, running
from tests.api.whole import MARKETS, SECONDS, Reader, Whole, flow, numbered, until_live


async def cursor_of(api: Api) -> str:
    """Return the cursor of where the feed stands."""
    async with api.socket() as ws:
        found: str = (await read(ws, "welcome"))["cursor"]
        return found


async def until(api: Api, holds: Callable[[Position], bool]) -> None:
    """Wait until something holds for where the feed stands."""
    async with asyncio.timeout(SECONDS):
        while True:
            if holds(position.decode(await cursor_of(api))):
                return
            await asyncio.sleep(0.05)


def topic_ids(place: Position) -> set[bytes]:
    return {topic.topic_id for topic in place.topics}


def records(place: Position) -> int:
    return sum(sum(topic.offsets) for topic in place.topics)


async def sequences(ws: Any, count: int) -> list[int]:
    return [(await read(ws, "tick"))["data"]["sequence"] for _ in range(count)]


def without_waiting(settings: ApiSettings, **more: Any) -> ApiSettings:
    """Return settings of an API that doesn't wait long for a sink that isn't there."""
    return settings.model_copy(update={"api_ws_stored_seconds": 0.3, **more})


async def test_a_topic_made_anew_is_told_and_comes_from_its_beginning(
    live_settings: ApiSettings, own_broker: Broker, lab: Lab
) -> None:
    """What the old one had after the cursor comes too, as far as it is stored."""
    await asyncio.to_thread(lab.start)
    async with running(live_settings) as api:
        await following(api)
        reader = Reader(api)
        reading = asyncio.create_task(reader.read(50))
        await api.live(subscriptions=1)
        await asyncio.to_thread(own_broker.publish, *map(numbered, range(50)))
        await reading
        await asyncio.to_thread(own_broker.publish, *map(numbered, range(50, 100)))
        await asyncio.to_thread(lab.wait_for_rows, 100)
        before = topic_ids(position.decode(await cursor_of(api)))
        await asyncio.to_thread(lab.make_topics)
        # The feed asks for the topics' ids every three seconds.
        await until(api, lambda now: not topic_ids(now) & before)
        await asyncio.to_thread(own_broker.publish, *map(numbered, range(100, 150)))
        await reader.read(70)
        await reader.read(30)
    assert sorted(reader.numbers) == list(range(150))
    assert {message["reason"] for message in reader.told} == {"made_anew"}
    assert "ticks.kalshi" in [message["topic"] for message in reader.told]


async def test_a_sink_that_is_away_hides_nothing(
    live_settings: ApiSettings, own_broker: Broker
) -> None:
    """What the memory of the API has comes; what only Kafka has is counted."""
    async with running(without_waiting(live_settings)) as first:
        await following(first)
        cursor, begin = await cursor_of(first), isoformat(now_us())
        ticks = [numbered(number, market_id="M", outcome_id="M") for number in range(60)]
        await asyncio.to_thread(own_broker.publish, *ticks, make_gap(market_id=None))
        await until(first, lambda now: records(now) == 61)
        for asked in (f"?resume={cursor}", f"?from={begin}", "?snapshot=true"):
            async with first.socket(f"{asked}&platform=kalshi&market=M&kind=quote") as ws:
                await read(ws, "welcome")
                await read(ws, "subscribed")
                if "snapshot" in asked:
                    end = await read(ws, "snapshot_end")
                    assert (end["outcomes"], end["complete"]) == (0, True)
                found = [await read(ws, "tick", "gap", "live") for _ in range(62)]
                assert found[-1]["type"] == "live"
                numbers = [each["data"]["sequence"] for each in found if each["type"] == "tick"]
                assert numbers == list(range(60)), asked
    async with running(without_waiting(live_settings)) as second:
        await following(second)
        async with second.socket(f"?platform=kalshi&market=M&resume={cursor}") as ws:
            await read(ws, "welcome")
            await read(ws, "subscribed")
            told = [await read(ws, "resume_gap") for _ in range(2)]
            await read(ws, "live")
            lost = {each["topic"]: (each["reason"], each["missed"]) for each in told}
            assert lost == {"ticks.kalshi": ("not_stored", 60), "gaps": ("not_stored", 1)}
            more = numbered(60, market_id="M", outcome_id="M")
            await asyncio.to_thread(own_broker.publish, more)
            assert await sequences(ws, 1) == [60]


async def test_a_snapshot_while_ticks_flow_leaves_no_hole(whole: Whole) -> None:
    count, stop = 0, asyncio.Event()

    async def keep_flowing() -> None:
        nonlocal count
        while not stop.is_set():
            batch = [
                numbered(number, bid=Decimal(number) / 100_000)
                for number in range(count, count + 2 * MARKETS)
            ]
            await asyncio.to_thread(whole.broker.publish, *batch)
            count += len(batch)
            await asyncio.sleep(0.03)

    flowing = asyncio.create_task(keep_flowing())
    await asyncio.to_thread(whole.lab.wait_for_rows, 10 * MARKETS)
    newest: dict[str, int] = {}
    followed: dict[str, list[int]] = defaultdict(list)
    async with whole.api.socket("?platform=kalshi&snapshot=true") as ws:
        await read(ws, "welcome")
        await read(ws, "subscribed")
        while not stop.is_set() or any(
            (followed[market] or [number])[-1] + MARKETS < count
            for market, number in newest.items()
        ):
            message = await read(ws, "snapshot", "snapshot_end", "tick", "live")
            data = message.get("data", {})
            if message["type"] == "snapshot":
                newest[data["market_id"]] = int(Decimal(data["bid"]) * 100_000)
            elif message["type"] == "tick":
                followed[data["market_id"]].append(data["sequence"])
                if data["sequence"] > max(newest.values()) + 20 * MARKETS:
                    stop.set()
                    await flowing
    assert len(newest) == MARKETS
    for market, number in newest.items():
        # Its own tick may come once more, never an earlier one.
        found = [each for each in followed[market] if each != number]
        assert found == list(range(number + MARKETS, count, MARKETS))
        assert len(followed[market]) <= len(found) + 1


async def test_a_slow_replay_keeps_nobody_from_resuming(
    live_settings: ApiSettings, own_broker: Broker, lab: Lab
) -> None:
    await asyncio.to_thread(lab.start)
    async with running(live_settings.model_copy(update={"api_ws_readers": 1})) as api:
        await following(api)
        whole, cursor = Whole(api, lab, own_broker), await cursor_of(api)
        begin = now_us()
        ticks = [
            numbered(at, market_id="M", outcome_id="M", ingest_ts=begin + at * 60_000_000)
            for at in range(3)
        ]
        await asyncio.to_thread(own_broker.publish, *ticks)
        await asyncio.to_thread(lab.wait_for_rows, 3)
        await until(api, lambda now: records(now) == 3)
        asked = f"?platform=kalshi&from={isoformat(begin)}&speed=0.001"
        async with api.socket(asked) as replay:
            await read(replay, "welcome")
            await read(replay, "subscribed")
            assert await sequences(replay, 1) == [0]  # the next one is due in ten seconds
            async with api.socket(f"?platform=kalshi&resume={cursor}") as ws:
                assert await until_live(ws) == [0, 1, 2]
                await flow(whole, range(3, 4), 0)
                assert await sequences(ws, 1) == [3]


async def test_no_message_has_a_cursor_that_skips_what_is_still_to_come(
    live_settings: ApiSettings, own_broker: Broker
) -> None:
    async with running(live_settings) as api:
        await following(api)
        cursor = await cursor_of(api)
        await asyncio.to_thread(own_broker.publish, *map(numbered, range(10)))
        await until(api, lambda now: records(now) == 10)
        for asked, expected in (
            ({"resume": cursor}, cursor),
            ({"from": isoformat(0)}, None),
            ({"snapshot": True}, None),
        ):
            async with api.socket() as ws:
                await read(ws, "welcome")
                await ws.send_json({"type": "subscribe", "platform": "kalshi", **asked})
                assert (await read(ws, "subscribed"))["cursor"] == expected
