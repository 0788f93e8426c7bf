"""Running steps on Faust: wait for the topics, start it, watch it, stop cleanly."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import suppress
from typing import Any, Protocol, cast

import faust
from faust.types import TP, EventT
from prometheus_client import Gauge
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from agents.app import GroupOptions
from agents.health import Progress, Standing
from agents.topic_ids import TopicIds
from agents.transport import BatchingConsumer
from schemas.errors import Fatal, Transient
from schemas.logs import get_logger

SETTLE_SECONDS = 15
"""How long giving up partitions waits for what is being done."""
CLOSE_SECONDS = 15
"""How long Faust may take to leave the group and end its threads."""
TOPIC_CHECK_SECONDS = 10
"""How often topic ids are asked for."""
log = get_logger("echoarb.worker")


class Step(Protocol):
    """Something that reads batches of some topics: one Faust agent."""

    name: str
    topics: tuple[str, ...]
    idle: asyncio.Event
    """Set while nothing is being done: between batches and while waiting to try again."""
    waiting: bool
    """Whether something unreachable is being retried."""

    async def run(
        self,
        events: AsyncIterator[EventT[Any]],
        consumer: BatchingConsumer,
        stopping: asyncio.Event,
    ) -> None:
        """Deal with events, and acknowledge them, until ``stopping`` is set."""
        ...


class Worker:
    """One Faust application and the steps that it feeds."""

    def __init__(
        self,
        app: faust.App,
        options: GroupOptions,
        steps: Sequence[Step],
        topic_ids: TopicIds,
        stopping: asyncio.Event,
        lag: Gauge,
    ) -> None:
        """``lag`` is set to the records that are not committed yet, once a second."""
        self._options = options
        self._app = app
        self._topic_ids = topic_ids
        self._stopping = stopping
        self._running: set[asyncio.Future[None]] = set()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lag = lag
        self._steps = steps
        self._all_topics = [topic for step in steps for topic in step.topics]
        self._topics = tuple(dict.fromkeys(self._all_topics))
        for step in steps:
            topic = app.topic(*step.topics, key_serializer="raw", value_serializer="raw")
            app.agent(topic, name=f"step-{step.name}")(self._agent(step))

    @property
    def consumer(self) -> BatchingConsumer:
        """The consumer of the application."""
        return cast(BatchingConsumer, self._app.consumer)

    async def run(self, companions: Sequence[asyncio.Task[None]] = ()) -> None:
        """Run until told to stop, and as long as the companions do.

        Raises Fatal, or whatever ended an agent or a companion.
        """
        self.consumer.before_revoke = self._settle
        self.consumer.handlers = Counter(self._all_topics)
        starting = asyncio.create_task(self._start())
        watching = asyncio.create_task(self._watch())
        try:
            await first(self._stopping, self._failure, watching, starting, *companions)
            await self._drain()
        finally:
            for task in (starting, watching, self._failure):
                task.cancel()
            await asyncio.gather(starting, watching, return_exceptions=True)
            await within(CLOSE_SECONDS, self._app.stop())

    def _agent(self, step: Step) -> Any:
        async def work(stream: Any) -> None:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._running.add(done)
            try:
                await step.run(stream.noack().events(), self.consumer, self._stopping)
                if not self._stopping.is_set():
                    raise Fatal(f"the stream of {step.name} ended by itself")
            except Exception as error:
                if not self._failure.done():
                    self._failure.set_exception(error)
            finally:
                self._running.discard(done)
                done.cancel()
            await asyncio.Event().wait()  # Faust would start an agent that returns anew

        return work

    async def _start(self) -> None:
        self._app.in_worker = True
        await self._app.start()
        log.info("working", group=self._options.group)
        await asyncio.Event().wait()

    async def _watch(self) -> None:
        """Raise Fatal when Faust crashed, or when records wait and none are committed."""
        progress, beyond = Progress(time.monotonic()), dict[TP, Standing]()
        for second in itertools.count():
            await asyncio.sleep(1)
            if second % TOPIC_CHECK_SECONDS == 0:
                await self._check_topics()
            if self._app.crashed:
                raise Fatal(f"Faust ended: {self._app.crash_reason!r}")
            if not self._app.started or self.consumer._thread._consumer is None:
                continue
            standings = self.consumer.standings()
            for tp, standing in standings.items():
                if standing.past_end and beyond.get(tp) == standing:
                    log.warning(
                        "reading from the beginning", partition=f"{tp.topic}-{tp.partition}"
                    )
                    await self.consumer.start_over(tp.topic, tp.partition)
            beyond = standings
            self._lag.set(sum(standing.lag for standing in standings.values()))
            waiting = any(step.waiting for step in self._steps)
            stuck = progress.stuck_seconds(time.monotonic(), standings, waiting=waiting)
            if stuck > self._options.stall_seconds:
                raise Fatal(f"records are waiting and none were committed for {stuck:.0f} seconds")

    async def _check_topics(self) -> None:
        """Raise Fatal when a topic was made anew: its first records may lie below our position."""
        with suppress(Transient):
            await self._topic_ids.confirm(self._topics)

    async def _settle(self) -> None:
        """Let what is being done end: the records are about to be someone else's."""
        await within(SETTLE_SECONDS, asyncio.gather(*(step.idle.wait() for step in self._steps)))

    async def _drain(self) -> None:
        """Finish and commit what is in hand."""
        if self._running:
            await asyncio.wait(self._running, timeout=self._options.stop_seconds)
            left = len(self._running)
            log.info("stopping", unfinished=left)
        await within(CLOSE_SECONDS, self.consumer.commit())


async def topics_exist(topic_ids: TopicIds, topics: Sequence[str]) -> None:
    """Return when the broker has every topic."""
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(Transient),
        wait=wait_random_exponential(multiplier=0.2, max=5),
        before_sleep=_say_waiting,
    ):
        with attempt:
            await topic_ids.confirm(topics)


def _say_waiting(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("waiting for Kafka", error=str(error))


async def first(stopping: asyncio.Event, *others: asyncio.Future[Any]) -> bool:
    """Wait for the signal or one of ``others``; raise its error. Return whether told to stop."""
    stopper = asyncio.create_task(stopping.wait())
    done, _ = await asyncio.wait({stopper, *others}, return_when=asyncio.FIRST_COMPLETED)
    stopper.cancel()
    for other in done - {stopper}:
        other.result()
    return stopping.is_set()


async def within(seconds: float, work: Awaitable[Any]) -> None:
    try:
        await asyncio.wait_for(work, seconds)
    except TimeoutError:
        log.warning("gave up waiting", seconds=seconds)
