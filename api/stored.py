"""What ClickHouse has of the followed topics, read for WebSocket clients: pages, and how far."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import pyarrow as pa
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay
from tenacity.wait import wait_random_exponential

from api import past_queries
from api.past_queries import Stretch
from api.sql import Query
from api.store import Store
from schemas.errors import Transient

LOOK_SECONDS = 0.25
PASSED_SECONDS = 1.0
"""How long records are waited for that later ones overtook: the sink stores a batch in parts."""
_T = TypeVar("_T")


@dataclass(slots=True)
class Found:
    """How a stretch is stored: records that are missing, the first offset that is there, and the
    first one stored at its end or beyond, None if there is none."""

    missing: int
    first: int
    beyond: int | None = None


class Stored:
    """Reads, and waits for what the sink has not stored yet, at most ``patience`` seconds."""

    def __init__(self, store: Store, readers: asyncio.Semaphore, patience: float) -> None:
        """``readers``: pages that are read at once, for all clients."""
        self._store = store
        self._readers = readers
        self.patience = patience

    async def table(self, query: Query) -> pa.Table:
        """Return a query's rows. Raises Transient, TooExpensive.

        A ClickHouse that is away is waited for.
        """
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(Transient),
            stop=stop_after_delay(self.patience),
            wait=wait_random_exponential(multiplier=0.2, max=2),
            reraise=True,
        ):
            with attempt:
                return await self._store.table(query)
        raise AssertionError("retries end by raising")

    async def page(self, query: Query, made: Callable[[pa.Table], _T]) -> _T:
        """Return what is made of a query's rows. Only so many pages are made at once: not for as
        long as they take to send, which a replay may draw out for days."""
        async with self._readers:
            return await asyncio.to_thread(made, await self.table(query))

    async def settled(self, stretch: Stretch, end: Callable[[], int]) -> Found:
        """Return how a stretch is stored, once it is whole or was waited for long enough.

        The sink is about a second behind, or more after it was away. ``end`` tells where the
        partition ends by now.
        """
        started = time.monotonic()
        while True:
            (row,) = (await self.table(past_queries.stored(stretch))).to_pylist()
            found = Found(stretch.high - stretch.low - row["stored"], row["first"])
            if found.missing <= 0:
                return found
            if row["stored"] and row["last"] == stretch.high - 1:
                found.beyond = stretch.high
            else:
                found.beyond = await self.first(replace(stretch, low=stretch.high, high=end()))
            longest = self.patience if found.beyond is None else min(self.patience, PASSED_SECONDS)
            if time.monotonic() - started > longest:
                return found
            await asyncio.sleep(LOOK_SECONDS)

    async def first(self, stretch: Stretch) -> int | None:
        """Return the first offset of a stretch that is stored."""
        (row,) = (await self.table(past_queries.stored(stretch, exact=False))).to_pylist()
        return row["first"] if row["stored"] else None

    async def end(self, stretch: Stretch, deadline: float) -> int | None:
        """Return where the stored part of a stretch ends: it is waited for until the deadline, by
        the monotonic clock. None if nothing of it is stored then."""
        newest = replace(stretch, low=stretch.high - 1)
        while await self.first(newest) is None:
            if time.monotonic() > deadline:
                (row,) = (await self.table(past_queries.stored(stretch, exact=False))).to_pylist()
                return row["last"] + 1 if row["stored"] else None
            await asyncio.sleep(LOOK_SECONDS)
        return stretch.high
