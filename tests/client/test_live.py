"""Live of the Python client: through lost connections without a hole or a repeat."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from api.settings import ApiSettings
from echoarb.client import ApiError, GapTold, Live, Reached, Snapshot, TickTold
from tests.agents.proxy import Proxy
from tests.api.support import (
    TOPIC,
    Broker,
    Tables,
    following,
    make_gap,
    make_tick,
    running,
)

SECONDS = 60


async def take(live: Live, count: int, found: list[int]) -> None:
    """Go through the messages until ``count`` ticks have come."""
    async for told in live:
        if isinstance(told, TickTold):
            assert told.data.sequence is not None
            found.append(told.data.sequence)
            if len(found) == count:
                return


async def test_lost_connections_cost_nothing(
    live_settings: ApiSettings, own_broker: Broker
) -> None:
    count = 1500
    async with running(live_settings) as api:
        await following(api)
        proxy = Proxy(api.url)
        proxy._thread.start()
        proxy._ready.wait()
        try:
            live = Live(proxy.url, platform="kalshi")
            found: list[int] = []
            reading = asyncio.create_task(take(live, count, found))
            await api.live(subscriptions=1)
            for first in range(0, count, 100):
                batch = [make_tick(at) for at in range(first, first + 100)]
                await asyncio.to_thread(own_broker.publish, *batch)
                if first % 300 == 0:
                    proxy.go_away()
                    await asyncio.sleep(0.1)
                    proxy.away = False
            async with asyncio.timeout(SECONDS):
                await reading
        finally:
            await asyncio.to_thread(stop, proxy)
    assert found == list(range(count))
    assert live.connections > 3


def stop(proxy: Proxy) -> None:
    proxy._loop.call_soon_threadsafe(proxy._loop.stop)
    proxy._thread.join()


async def test_another_process_goes_on_from_the_cursor(
    live_settings: ApiSettings, own_broker: Broker
) -> None:
    async with running(live_settings) as api:
        await following(api)
        first, found = Live(api.url, market="KXA-26"), list[int]()
        reading = asyncio.create_task(take(first, 3, found))
        await api.live(subscriptions=1)
        await asyncio.to_thread(own_broker.publish, *[make_tick(at) for at in range(6)])
        await asyncio.wait_for(reading, SECONDS)
        second = Live(api.url, market="KXA-26", resume=first.cursor)
        await asyncio.wait_for(take(second, 6, found), SECONDS)
    assert found == list(range(6))


async def test_snapshot_gaps_and_history(
    live_settings: ApiSettings, own_broker: Broker, tables: Tables
) -> None:
    tables.insert("ticks", [make_tick(1), make_tick(2, outcome_id="no")], TOPIC)
    no_sink = live_settings.model_copy(update={"api_ws_stored_seconds": 0.3})  # to wait for
    async with running(no_sink) as api:
        await following(api)
        live = Live(api.url, platform="kalshi", snapshot=True)
        told: list[Any] = []

        async def read(live: Live, enough: int) -> None:
            async for message in live:
                told.append(message)
                if len(told) == enough:
                    return

        reading = asyncio.create_task(read(live, 4))
        await api.live(subscriptions=1)
        await asyncio.to_thread(own_broker.publish, make_gap())
        await asyncio.wait_for(reading, SECONDS)
        assert [type(each) for each in told[:2]] == [Snapshot, Snapshot]
        assert {type(each) for each in told[2:]} == {Reached, GapTold}
        told.clear()
        history = Live(api.url, platform="kalshi", since="2026-01-01T00:00:00Z", speed="max")
        await asyncio.wait_for(read(history, 2), SECONDS)
        assert [each.data.outcome_id for each in told] == ["KXA-26", "no"]


async def test_what_would_be_refused_again_is_raised(
    live_settings: ApiSettings, own_broker: Broker
) -> None:
    async with running(live_settings) as api:
        await following(api)
        with pytest.raises(ApiError, match="cursor"):
            await asyncio.wait_for(take(Live(api.url, resume="nonsense"), 1, []), SECONDS)
        with pytest.raises(ApiError, match="platform"):
            await asyncio.wait_for(take(Live(api.url, platform="nyse"), 1, []), SECONDS)
