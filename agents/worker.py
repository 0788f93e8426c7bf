"""Running the sink: wait for the topics, start Faust, watch it, stop cleanly."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import time
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, cast

import faust
from faust.types import TP
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from agents import metrics
from agents.app import faust_app, quiet_logs
from agents.deadletters import DeadLetters, producer
from agents.health import Progress, Standing
from agents.settings import SinkSettings
from agents.sink import Sink
from agents.tables import TABLES
from agents.topic_ids import TopicIds
from agents.transport import BatchingConsumer
from agents.writer import Writer
from schemas.errors import Fatal, Transient
from schemas.logs import get_logger
from schemas.process import on_stop_signal, serve_metrics
from schemas.registry import Registry

SETTLE_SECONDS = 15
"""How long giving up partitions waits for the inserts that are running."""
CLOSE_SECONDS = 15
"""How long Faust may take to leave the group and end its threads."""
TOPIC_CHECK_SECONDS = 10
"""How often topic ids are asked for, beyond once per insert."""
ALL_TOPICS = tuple(topic for table in TABLES for topic in table.topics)
log = get_logger("echoarb.sink")


async def serve(settings: SinkSettings) -> None:
    """Store every topic until SIGTERM or SIGINT; then store what is in hand, commit and return.

    Raises Fatal when it can't go on.
    """
    quiet_logs()
    stopping = asyncio.Event()
    on_stop_signal(stopping.set)
    serve_metrics(settings.metrics_host, settings.metrics_port)
    topic_ids = TopicIds(settings)
    waiting = asyncio.create_task(_topics_exist(topic_ids))
    if await _first(stopping, waiting):
        return
    writer = Writer(settings, timeout_seconds=settings.sink_insert_timeout_seconds)
    with tempfile.TemporaryDirectory(prefix="echoarb-sink-") as folder:
        worker = Worker(settings, faust_app(settings, folder), topic_ids, writer, stopping)
        try:
            await worker.run()
        finally:
            await writer.close()


class Worker:
    """One Faust application and the sinks that it feeds."""

    def __init__(
        self,
        settings: SinkSettings,
        app: faust.App,
        topic_ids: TopicIds,
        writer: Writer,
        stopping: asyncio.Event,
    ) -> None:
        self._settings = settings
        self._app = app
        self._topic_ids = topic_ids
        self._stopping = stopping
        self._running: set[asyncio.Future[None]] = set()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        registry, publisher = Registry(settings), producer(settings)
        self._sinks = [
            Sink(
                table,
                settings,
                writer,
                topic_ids,
                registry,
                DeadLetters(publisher, registry, settings.sink_poison_limit),
            )
            for table in TABLES
        ]
        for sink in self._sinks:
            topic = app.topic(*sink.table.topics, key_serializer="raw", value_serializer="raw")
            app.agent(topic, name=f"store-{sink.table.name}")(self._agent(sink))

    @property
    def _consumer(self) -> BatchingConsumer:
        return cast(BatchingConsumer, self._app.consumer)

    async def run(self) -> None:
        """Run until told to stop. Raises Fatal, or whatever ended an agent."""
        self._consumer.before_revoke = self._settle
        starting = asyncio.create_task(self._start())
        watching = asyncio.create_task(self._watch())
        try:
            await _first(self._stopping, self._failure, watching, starting)
            await self._drain()
        finally:
            for task in (starting, watching, self._failure):
                task.cancel()
            await asyncio.gather(starting, watching, return_exceptions=True)
            await _within(CLOSE_SECONDS, self._app.stop())

    def _agent(self, sink: Sink) -> Any:
        async def store(stream: Any) -> None:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._running.add(done)
            try:
                await sink.run(stream.noack().events(), self._consumer, self._stopping)
                if not self._stopping.is_set():
                    raise Fatal(f"the stream of {sink.table.name} ended by itself")
            except Exception as error:
                if not self._failure.done():
                    self._failure.set_exception(error)
            finally:
                self._running.discard(done)
                done.cancel()
            await asyncio.Event().wait()  # Faust would start an agent that returns anew

        return store

    async def _start(self) -> None:
        self._app.in_worker = True
        await self._app.start()
        log.info("storing", group=self._settings.sink_group)
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
            if not self._app.started or self._consumer._thread._consumer is None:
                continue
            standings = self._consumer.standings()
            for tp, standing in standings.items():
                if standing.past_end and beyond.get(tp) == standing:
                    log.warning(
                        "reading from the beginning", partition=f"{tp.topic}-{tp.partition}"
                    )
                    await self._consumer.start_over(tp.topic, tp.partition)
            beyond = standings
            metrics.LAG.set(sum(standing.lag for standing in standings.values()))
            waiting = any(sink.waiting for sink in self._sinks)
            stuck = progress.stuck_seconds(time.monotonic(), standings, waiting=waiting)
            if stuck > self._settings.sink_stall_seconds:
                raise Fatal(f"records are waiting and none were committed for {stuck:.0f} seconds")

    async def _check_topics(self) -> None:
        """Raise Fatal when a topic was made anew: its first records may lie below our position."""
        with suppress(Transient):
            await self._topic_ids.confirm(ALL_TOPICS)

    async def _settle(self) -> None:
        """Let the inserts that are running end: their records are about to be someone else's."""
        await _within(SETTLE_SECONDS, asyncio.gather(*(sink.idle.wait() for sink in self._sinks)))

    async def _drain(self) -> None:
        """Store and commit what is in hand."""
        if self._running:
            await asyncio.wait(self._running, timeout=self._settings.sink_stop_seconds)
            left = len(self._running)
            log.info("stopping", unfinished=left)
        await _within(CLOSE_SECONDS, self._consumer.commit())


async def _topics_exist(topic_ids: TopicIds) -> None:
    """Return when the broker has every topic."""
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(Transient),
        wait=wait_random_exponential(multiplier=0.2, max=5),
        before_sleep=_say_waiting,
    ):
        with attempt:
            await topic_ids.confirm(ALL_TOPICS)


def _say_waiting(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("waiting for Kafka", error=str(error))


async def _first(stopping: asyncio.Event, *others: asyncio.Future[Any]) -> bool:
    """Wait for the signal or one of ``others``; raise its error. Return whether told to stop."""
    stopper = asyncio.create_task(stopping.wait())
    done, _ = await asyncio.wait({stopper, *others}, return_when=asyncio.FIRST_COMPLETED)
    stopper.cancel()
    for other in done - {stopper}:
        other.result()
    return stopping.is_set()


async def _within(seconds: float, work: Awaitable[Any]) -> None:
    try:
        await asyncio.wait_for(work, seconds)
    except TimeoutError:
        log.warning("gave up waiting", seconds=seconds)
