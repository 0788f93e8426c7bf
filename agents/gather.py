"""Joining what arrives within a short time, so that ClickHouse gets few inserts, not many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from faust.types import EventT

from agents.transport import batch_of


async def gather(
    events: AsyncIterator[EventT[Any]], rows: int, seconds: float, stopping: asyncio.Event
) -> AsyncIterator[list[EventT[Any]]]:
    """Yield lists of events with about ``rows`` records, or what came within ``seconds``.

    Ends when ``stopping`` is set or ``events`` ends, after yielding what is in hand.
    """
    loop = asyncio.get_running_loop()
    held: list[EventT[Any]] = []
    count = 0
    deadline = 0.0
    ended = False
    stop = asyncio.ensure_future(stopping.wait())
    # The next event is awaited by a task that outlives each wait: cancelling would lose an event.
    coming = asyncio.ensure_future(_next(events))
    try:
        while not stop.done() and not ended:
            wait = deadline - loop.time() if held else None
            if wait is None or wait > 0:
                await asyncio.wait(
                    {coming, stop}, timeout=wait, return_when=asyncio.FIRST_COMPLETED
                )
            if coming.done():
                event = coming.result()
                ended = event is None
                if event is not None:
                    coming = asyncio.ensure_future(_next(events))
                    deadline = deadline if held else loop.time() + seconds
                    held.append(event)
                    count += len(batch_of(event).records)
            if held and (count >= rows or loop.time() >= deadline or stop.done() or ended):
                yield held
                held, count = [], 0
    finally:
        coming.cancel()
        stop.cancel()


async def _next(events: AsyncIterator[EventT[Any]]) -> EventT[Any] | None:
    return await anext(events, None)
