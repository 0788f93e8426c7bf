"""Gathering: everything comes out once, in order, by size, by time and at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

from agents.gather import gather
from agents.transport import Batch


def event(size: int) -> Any:
    return SimpleNamespace(value=Batch("t", 0, [None] * size))


async def coming(*sizes: int, then: asyncio.Event | None = None) -> AsyncIterator[Any]:
    for size in sizes:
        yield event(size)
    if then is not None:
        await then.wait()
        yield event(1)


def sizes(held: list[Any]) -> list[int]:
    return [len(item.value.records) for item in held]


async def test_by_size_and_at_the_end() -> None:
    held = [sizes(h) async for h in gather(coming(3, 3, 3, 5), 6, 60, asyncio.Event())]
    assert held == [[3, 3], [3, 5]]


async def test_by_time_without_losing_the_event_that_is_awaited() -> None:
    more, found = asyncio.Event(), []
    async for held in gather(coming(1, 2, then=more), 100, 0.05, asyncio.Event()):
        found.append(sizes(held))
        more.set()
    assert found == [[1, 2], [1]]


async def test_what_is_in_hand_comes_out_when_stopping() -> None:
    stopping, never = asyncio.Event(), asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, stopping.set)
    found = [sizes(held) async for held in gather(coming(1, 2, then=never), 100, 60, stopping)]
    assert found == [[1, 2]]
