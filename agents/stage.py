"""A stage of the analytics: processors that read the same topics, as one step of the worker.

A batch goes through all of them before it is acknowledged, and what they give is published before
that, so nothing is missed; after a crash a batch comes again, which processors must bear.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import Any, TypeVar

from faust.types import EventT
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type
from tenacity.wait import wait_random_exponential

from agents.analytics_metrics import RECORDS, RETRIES, SECONDS
from agents.gather import gather
from agents.processor import Outgoing, Place, Processor
from agents.transport import Batch, BatchingConsumer, acknowledge, batch_of
from schemas.clock import now_us
from schemas.errors import Transient
from schemas.logs import get_logger

LONGEST_PAUSE = 10
Publish = Callable[[Sequence[Outgoing]], None]
"""Publishes records; blocks; raises Transient."""
Restore = Callable[[Batch], Awaitable[None]]
"""Makes the processors ready for a partition, of which the batch is the first; raises Transient."""
log = get_logger("echoarb.analytics")
_T = TypeVar("_T")


def newest(items: Sequence[Outgoing]) -> list[Outgoing]:
    """Return the items without those that a later one of the same identity replaces."""
    last = {item.identity: at for at, item in enumerate(items) if item.identity is not None}
    return [item for at, item in enumerate(items) if last.get(item.identity, at) == at]


class Stage:
    """One step of the worker (agents/worker.py)."""

    def __init__(
        self,
        name: str,
        processors: Sequence[Processor],
        publish: Publish,
        restore: Restore | None = None,
        rows: int = 1,
        seconds: float = 1,
    ) -> None:
        """``restore`` is awaited before the first batch of each partition that is assigned or read
        anew. The processors read the same topics and are all ``rebuilt`` or none is. What comes
        within ``seconds``, up to about ``rows`` records, is published together; by default each
        batch is taken as it comes."""
        self.name = name
        self.topics = processors[0].topics
        self.rebuilt = processors[0].rebuilt
        assert all(each.topics == self.topics for each in processors)
        assert all(each.rebuilt == self.rebuilt for each in processors)
        self.idle = asyncio.Event()
        self.idle.set()
        self.waiting = False
        self._processors = processors
        for metric in (RECORDS, RETRIES, SECONDS):
            metric.labels(name)  # visible before there is trouble: see agents/metrics.py
        self._publish = publish
        self._restore = restore
        self._rows, self._seconds = rows, seconds
        self._working = asyncio.Lock()  # processors are not made for two threads
        self._epochs: dict[Place, tuple[int, int]] = {}
        """When each partition that is ready was last read anew."""
        self._ends: dict[Place, int] = {}
        """Where each partition that is being rebuilt ended when that began."""

    async def run(
        self,
        events: AsyncIterator[EventT[Any]],
        consumer: BatchingConsumer,
        stopping: asyncio.Event,
    ) -> None:
        """Take batches until ``stopping`` is set. Raises Fatal, or what is no error of ours."""
        coming = gather(events, rows=self._rows, seconds=self._seconds, stopping=stopping)
        async for held in coming:
            owned = [event for event in held if consumer.owns(event)]
            if owned:
                await self._take(owned, consumer)

    async def _take(self, events: Sequence[EventT[Any]], consumer: BatchingConsumer) -> None:
        self.idle.clear()
        try:
            with SECONDS.labels(self.name).time():
                async with self._working:
                    found: list[Outgoing] = []
                    for event in events:
                        found += await self._process(batch_of(event), consumer)
                    await self._retried(partial(self._publish, newest(found)))
            for event in events:
                RECORDS.labels(self.name).inc(len(batch_of(event).records))
                acknowledge(event)
        finally:
            self.idle.set()

    async def _process(self, batch: Batch, consumer: BatchingConsumer) -> list[Outgoing]:
        await self._prepare(batch, consumer)
        live = self._is_live(batch)
        found: list[Outgoing] = []
        for each in self._processors:  # each by itself: one may not bear a repetition
            found += await self._retried(partial(each.process, batch, live=live))
        return found

    async def _prepare(self, batch: Batch, consumer: BatchingConsumer) -> None:
        """Make the partition ready, if it is new or its read position was put elsewhere."""
        place = (batch.topic, batch.partition)
        epoch = consumer.epoch_of(*place)
        if self._epochs.get(place) == epoch:
            return
        self._forget({place} & self._epochs.keys())
        if self._restore is not None:
            restore = self._restore
            async for attempt in self._retrying():
                with attempt:
                    await restore(batch)
        if self.rebuilt:
            self._ends[place] = consumer.end_of(*place)
        self._epochs[place] = epoch

    def _is_live(self, batch: Batch) -> bool:
        """Return whether the batch is behind the end that is to be reached first."""
        place = (batch.topic, batch.partition)
        end = self._ends.get(place)
        if end is None:
            return True
        if batch.records[-1].offset + 1 >= end:
            del self._ends[place]
        return False

    async def pass_time(self) -> None:
        """Publish what time alone brings. Raises Transient."""
        async with self._working:
            now = now_us()
            found = [item for each in self._processors for item in each.pass_time(now)]
            if found:
                self.idle.clear()
                try:
                    await self._retried(partial(self._publish, found))
                finally:
                    self.idle.set()

    def revoked(self, places: Collection[Place]) -> None:
        """Forget partitions that others have now."""
        self._forget(self._epochs.keys() & set(places))

    def _forget(self, places: Collection[Place]) -> None:
        for place in places:
            self._epochs.pop(place, None)
            self._ends.pop(place, None)
        if places:
            for each in self._processors:
                each.revoked(places)

    async def _retried(self, work: Callable[[], _T]) -> _T:
        async for attempt in self._retrying():
            with attempt:
                return await asyncio.to_thread(work)
        raise AssertionError("retries don't end")

    def _retrying(self) -> AsyncRetrying:
        return AsyncRetrying(
            retry=retry_if_exception_type(Transient),
            wait=wait_random_exponential(multiplier=0.2, max=LONGEST_PAUSE),
            before_sleep=self._say_waiting,
            sleep=self._pause,
        )

    def _say_waiting(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        RETRIES.labels(self.name).inc()
        log.warning("trying again", step=self.name, error=str(error))

    async def _pause(self, seconds: float) -> None:
        self.waiting = True
        try:
            await asyncio.sleep(seconds)
        finally:
            self.waiting = False
