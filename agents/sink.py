"""The sink: records of one table's topics, from Kafka to ClickHouse, exactly once in effect.

Top to bottom: events are gathered, told apart by topic id, freed of what is stored already, sorted
by schema, joined into one container file and inserted. Only then are they acknowledged. Something
unreachable is retried in place, however long it takes; a record that can't be used becomes a dead
letter; anything else ends the process.

Two tasks share this. One inserts, a batch after the other. The other meanwhile gathers the next
batch and makes it ready, as far as that is possible before the batch in hand is stored.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from faust.types import EventT
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from agents import metrics
from agents.batch import by_schema, examine, halves, reject_all, token
from agents.container import Layout, build, layout
from agents.deadletters import DeadLetters
from agents.gather import gather
from agents.records import Record, Rejected, Run, count
from agents.settings import SinkSettings
from agents.stored import NeverRead, Stored
from agents.tables import Table
from agents.topic_ids import TopicIds
from agents.transport import Batch, BatchingConsumer, acknowledge, batch_of
from agents.writer import Writer
from schemas.errors import Poison, Transient
from schemas.logs import get_logger
from schemas.registry import Registry

log = get_logger("echoarb.sink")


def joined(batches: Sequence[Batch], ids: Mapping[str, UUID]) -> list[Run]:
    """Return one run per partition, of the records that came in one or several fetches."""
    records: dict[tuple[str, int], list[Record]] = defaultdict(list)
    for batch in batches:
        records[batch.topic, batch.partition] += batch.records
    return [
        Run(topic, ids[topic], partition, found) for (topic, partition), found in records.items()
    ]


@dataclass(frozen=True, slots=True)
class Block:
    """Records of one schema; ``body`` is their container file, None if it is to be built yet."""

    schema_id: int
    runs: Sequence[Run]
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """What a batch comes to: blocks to be inserted, records to be buried, how many were read."""

    blocks: Sequence[Block]
    rejected: Sequence[Rejected]
    read: int
    new: int


@dataclass(frozen=True, slots=True)
class Held:
    """Gathered events. ``ready`` is what they come to if the read position has not ``moved``."""

    events: Sequence[EventT[Any]]
    moved: int
    ready: Ready | None


def _ready(read: Sequence[Run], left: Sequence[Run]) -> Ready:
    new = [run for run in left if run.records]
    groups, rejected = by_schema(new)
    blocks = [Block(schema_id, runs) for schema_id, runs in groups.items()]
    return Ready(blocks, rejected, count(read), count(new))


class Sink:
    """Stores the topics of one table."""

    def __init__(
        self,
        table: Table,
        settings: SinkSettings,
        writer: Writer,
        topic_ids: TopicIds,
        registry: Registry,
        dead_letters: DeadLetters,
    ) -> None:
        self.table = table
        self.name = table.name
        self.topics = table.topics
        self._settings = settings
        self._writer = writer
        self._topic_ids = topic_ids
        self._registry = registry
        self._dead_letters = dead_letters
        self._stored = Stored(table.name, writer.query)
        self._moved = -1
        self._layouts: dict[int, Layout] = {}
        self._buried: set[tuple[Any, int, int]] = set()  # of the batch in hand
        self.idle = asyncio.Event()
        """Set while nothing is being stored: between batches and while waiting to try again."""
        self.idle.set()
        self.waiting = False
        """Whether something unreachable is being retried."""
        metrics.show(table.name)

    async def run(
        self,
        events: AsyncIterator[EventT[Any]],
        consumer: BatchingConsumer,
        stopping: asyncio.Event,
    ) -> None:
        """Store events until ``stopping`` is set. Raises Fatal, or what is no error of ours."""
        waiting: asyncio.Queue[Held | None] = asyncio.Queue(maxsize=1)
        tasks = [
            asyncio.create_task(self._read(events, consumer, stopping, waiting)),
            asyncio.create_task(self._write(consumer, waiting)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(
        self,
        events: AsyncIterator[EventT[Any]],
        consumer: BatchingConsumer,
        stopping: asyncio.Event,
        waiting: asyncio.Queue[Held | None],
    ) -> None:
        settings = self._settings
        async for gathered in gather(
            events, settings.sink_flush_rows, settings.sink_flush_seconds, stopping
        ):
            moved = consumer.moved
            await waiting.put(Held(gathered, moved, await self._ahead(gathered, consumer)))
        await waiting.put(None)

    async def _ahead(
        self, gathered: Sequence[EventT[Any]], consumer: BatchingConsumer
    ) -> Ready | None:
        """Make a batch ready while the one before is being stored; None if that has to wait.

        It has to if what is stored must be asked for: the answer would lack what is being stored.
        Whatever fails here is done, and told, again in its turn.
        """
        batches = [batch_of(event) for event in gathered]
        try:
            ids = await self._topic_ids.confirm({batch.topic for batch in batches})
            if consumer.moved != self._moved:
                return None
            read = joined(batches, ids)
            left = [run for each in read if (run := self._stored.missing_as_known(each))]
            if len(left) < len(read):
                return None
            ready = _ready(read, left)
            blocks = []
            for block in ready.blocks:
                form = await self._layout(block.schema_id)
                body = await asyncio.to_thread(build, form, block.runs)
                blocks.append(replace(block, body=body))
        except (Transient, Poison):
            return None
        metrics.AHEAD.labels(self.table.name).inc()
        return replace(ready, blocks=blocks)

    async def _write(self, consumer: BatchingConsumer, waiting: asyncio.Queue[Held | None]) -> None:
        while (held := await waiting.get()) is not None:
            async for attempt in self._retrying():
                with attempt:
                    owned = [event for event in held.events if consumer.owns(event)]
                    if owned:
                        await self._store(consumer, held, owned)
                    for event in owned:
                        acknowledge(event)
            metrics.ABANDONED.labels(self.table.name).inc(len(held.events) - len(owned))
            self._buried.clear()
            self.idle.set()

    async def _store(
        self, consumer: BatchingConsumer, held: Held, owned: Sequence[EventT[Any]]
    ) -> None:
        self.idle.clear()
        ready = held.ready
        if ready is None or held.moved != consumer.moved or len(owned) < len(held.events):
            if consumer.moved != self._moved:
                self._stored.forget()
                self._moved = consumer.moved
            try:
                ready = await self._in_turn([batch_of(event) for event in owned])
            except NeverRead as place:
                log.warning("reading from the beginning", partition=str(place))
                await consumer.start_over(place.topic, place.partition)
                raise Transient(f"{place} is read from its beginning now") from place
        metrics.SKIPPED.labels(self.table.name).inc(ready.read - ready.new)
        await self._bury(ready.rejected)
        for block in ready.blocks:
            await self._insert(block)

    async def _in_turn(self, batches: Sequence[Batch]) -> Ready:
        """Return what the batches come to. Raises Transient, Fatal, NeverRead."""
        ids = await self._topic_ids.confirm({batch.topic for batch in batches})
        read = joined(batches, ids)
        return _ready(read, await asyncio.gather(*(self._stored.missing(run) for run in read)))

    async def _insert(self, block: Block, *, examined: bool = False) -> None:
        """Insert records of one schema; bury those that turn out to be unusable."""
        name, runs, rows = self.table.name, block.runs, count(block.runs)
        try:
            form = await self._layout(block.schema_id)
            body = block.body if block.body is not None else build(form, runs)
            with metrics.INSERT_SECONDS.labels(name).time():
                await self._writer.insert(name, form.columns, body, token(runs))
        except Poison as error:
            if error.reason != "insert":
                return await self._bury(reject_all(runs, error))
            return await self._salvage(block.schema_id, runs, error, examined=examined)
        self._dead_letters.good()
        metrics.BATCH_ROWS.labels(name).observe(rows)
        metrics.ROWS.labels(name).inc(rows)

    async def _salvage(
        self, schema_id: int, runs: Sequence[Run], error: Poison, *, examined: bool
    ) -> None:
        """Store what is sound in a batch that ClickHouse refused: decode it all, then halve it."""
        if not examined:
            schema = await asyncio.to_thread(self._registry.schema, schema_id)
            good, rejected = await asyncio.to_thread(examine, runs, self.table.schema, schema)
            await self._bury(rejected)
            if good:
                await self._insert(Block(schema_id, good), examined=True)
        elif count(runs) == 1:
            await self._bury(reject_all(runs, error))
        else:
            for half in halves(runs):
                await self._insert(Block(schema_id, half), examined=True)

    async def _layout(self, schema_id: int) -> Layout:
        """Return how rows of this schema are laid out. Raises Poison("unknown_schema")."""
        if schema_id not in self._layouts:
            schema = await asyncio.to_thread(self._registry.schema, schema_id)
            self.table.check(schema_id, schema)
            self._layouts[schema_id] = layout(schema, self.table.columns)
        return self._layouts[schema_id]

    async def _bury(self, rejected: Sequence[Rejected]) -> None:
        places = {
            (item.run.topic_id, item.run.partition, item.record.offset): item for item in rejected
        }
        fresh = {place: item for place, item in places.items() if place not in self._buried}
        await self._dead_letters.bury(list(fresh.values()))
        self._buried.update(fresh)

    def _retrying(self) -> AsyncRetrying:
        return AsyncRetrying(
            retry=retry_if_exception_type(Transient),
            wait=wait_random_exponential(
                multiplier=0.2, max=self._settings.sink_backoff_cap_seconds
            ),
            before_sleep=self._say_waiting,
            sleep=self._pause,
        )

    def _say_waiting(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        metrics.RETRIES.labels(self.table.name).inc()
        log.warning("trying again", table=self.table.name, error=str(error))

    async def _pause(self, seconds: float) -> None:
        self.waiting = True
        metrics.WAITING.labels(self.table.name).set(1)
        self.idle.set()
        try:
            await asyncio.sleep(seconds)
        finally:
            self.waiting = False
            metrics.WAITING.labels(self.table.name).set(0)
