"""The transport's bookkeeping against a small model of a partitioned log.

The consumer under test is the real one; the thread behind it, which speaks to the broker, is
replaced by a log in memory with holes in its offsets, as compaction and transactions leave them.
Whatever happens, in any order: nothing is committed that was not acknowledged, and once everything
is acknowledged, everything is committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
from faust.events import Event
from faust.types import TP
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from mode import Service

from agents.app import faust_app
from agents.settings import SinkSettings
from agents.transport import BatchingConsumer, acknowledge, batch_of

PLACES = (TP("ticks.kalshi", 0), TP("ticks.kalshi", 1))
place = st.sampled_from(PLACES)


@dataclass(frozen=True)
class Record:
    offset: int
    timestamp: int = 1000
    timestamp_type: int = 0
    serialized_value_size: int = 1


@dataclass
class Partition:
    offsets: list[int] = field(default_factory=list)
    end: int = 0
    position: int = 0
    committed: int | None = None


class Log(Service):
    """Stands for the consumer thread: a log, the group's commits, read positions."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.partitions = {tp: Partition() for tp in PLACES}
        self.assigned: set[TP] = set()
        self.during_fetch: Coroutine[Any, Any, None] | None = None
        self.fetch_first = False

    async def call_thread(self, function: Any, *args: Any) -> Any:
        return await function(*args)

    async def getmany(self, active: set[TP] | None, wait: float) -> dict[TP, list[Record]]:
        found: dict[TP, list[Record]] = {}
        if self.fetch_first:
            found = self._take(active)
        if self.during_fetch is not None:
            work, self.during_fetch = self.during_fetch, None
            await work
        return found or self._take(active)

    def _take(self, active: set[TP] | None) -> dict[TP, list[Record]]:
        found: dict[TP, list[Record]] = {}
        for tp in self.assigned & (active or set()):
            partition = self.partitions[tp]
            offsets = [offset for offset in partition.offsets if offset >= partition.position][:3]
            if offsets:
                found[tp] = [Record(offset) for offset in offsets]
                partition.position = offsets[-1] + 1
        return found

    def seek(self, tp: TP, offset: int) -> None:
        self.partitions[tp].position = offset

    async def seek_to_committed(self) -> dict[TP, int | None]:
        for tp in self.assigned:
            # As aiokafka: a partition without a commit, or with one at 0, is left where it is.
            if self.partitions[tp].committed:
                self.partitions[tp].position = self.partitions[tp].committed or 0
        await asyncio.sleep(0)
        return {tp: self.partitions[tp].committed for tp in self.assigned}

    async def commit(self, offsets: dict[TP, int]) -> bool:
        for tp, offset in offsets.items():
            assert tp in self.assigned
            self.partitions[tp].committed = offset
        return True

    def assignment(self) -> set[TP]:
        return set(self.assigned)

    def highwater(self, tp: TP) -> int:
        return self.partitions[tp].end


class LoggedConsumer(BatchingConsumer):
    def _new_consumer_thread(self) -> Any:
        return Log(loop=self.loop, beacon=self.beacon)


class Transport(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.runner.run(self._build())
        self.handled: dict[TP, set[int]] = {tp: set() for tp in PLACES}
        self.pending: list[Event] = []
        self.late: list[Event] = []

    async def _build(self) -> None:
        async def nothing(*_: Any, **__: Any) -> None: ...

        settings = SinkSettings(_env_file=None)
        self.app = faust_app(settings, settings.group_options(), "unused")
        self.app.loop = asyncio.get_running_loop()
        self.consumer = LoggedConsumer(
            self.app.transport, nothing, nothing, nothing, loop=asyncio.get_running_loop()
        )
        self.app._consumer = self.consumer
        self.log: Any = self.consumer._thread

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    @initialize()
    def join(self) -> None:
        self.run(self._rebalance(set(PLACES)))

    @rule(tp=place, count=st.integers(1, 5), hole=st.integers(0, 3))
    def append(self, tp: TP, count: int, hole: int) -> None:
        partition = self.log.partitions[tp]
        first = partition.end + hole
        partition.offsets += range(first, first + count)
        partition.end = first + count + hole % 2  # a transaction marker may follow

    def can_fetch(self) -> bool:
        return bool(self.consumer._active_partitions) and self.consumer.flow_active

    @precondition(can_fetch)
    @rule(
        stop_after=st.integers(0, 1),
        interruption=st.sampled_from(["", "pause", "move", "seek", "stop"]),
    )
    def fetch(self, stop_after: int, interruption: str) -> None:
        """Fetch; between two batches something happens, as while a full queue is waited for."""

        async def go() -> None:
            count = 0
            async for tp, message in self.consumer.getmany(timeout=0):
                read = self.consumer._read_offset[tp]
                if read is not None and message.offset < read:
                    raise AssertionError("Faust would drop this batch and never commit again")
                message.incref(1)
                self.pending.append(Event(self.app, None, message.value, {}, message))
                self.consumer._read_offset[tp] = message.offset
                if count == stop_after:
                    await self._interrupt(interruption, PLACES[1 - tp.partition])
                    if interruption == "stop":
                        self.pending.pop()  # Faust lets go of the event that it was handing on
                count += 1

        self.run(go())

    @precondition(can_fetch)
    @rule(
        interruption=st.sampled_from(["move", "seek", "pause", "stop"]), fetch_first=st.booleans()
    )
    def fetch_while(self, interruption: str, fetch_first: bool) -> None:
        """Something happens while a fetch is under way and an earlier batch is not done yet."""
        self.append(PLACES[1], 2, 0)
        self.fetch(9, "")
        self.append(PLACES[1], 2, 0)
        before = list(self.pending)
        self.log.during_fetch = self._interrupt(interruption)
        self.log.fetch_first = fetch_first
        self.fetch(9, "")
        self.log.fetch_first = False
        for event in [event for event in self.pending if event not in before]:
            self.pending.remove(event)
            self._finish(event)
        self.commit()

    async def _interrupt(self, what: str, tp: TP = PLACES[1]) -> None:
        if what == "pause":
            self.consumer.pause_partitions({tp} & self.log.assigned)
        elif what == "move":
            await self._rebalance(set(self.log.assigned))
        elif what == "stop":
            self.consumer.stop_flow()
        elif what == "seek" and tp in self.log.assigned:
            await self._seek(tp, self.log.partitions[tp].committed or 0)

    @precondition(lambda self: self.pending)
    @rule(which=st.integers(0, 9))
    def handle(self, which: int) -> None:
        """Finish the oldest batch of a partition, as agents do."""
        chosen = self.pending[which % len(self.pending)]
        oldest = next(e for e in self.pending if e.message.tp == chosen.message.tp)
        self.pending.remove(oldest)
        self._finish(oldest)

    @precondition(lambda self: self.pending)
    @rule()
    def handle_out_of_order(self) -> None:
        self._finish(self.pending.pop())

    @precondition(lambda self: self.late)
    @rule()
    def handle_late(self) -> None:
        """Finish a batch whose partition was revoked or sought meanwhile."""
        self._finish(self.late.pop())

    def _finish(self, event: Event) -> None:
        tp = event.message.tp
        self.handled[tp] |= {record.offset for record in batch_of(event).records}
        counts = self.consumer.owns(event)
        assert acknowledge(event) == counts

    @precondition(lambda self: self.pending)
    @rule()
    def faust_acks_by_itself(self) -> None:
        """An agent that raised, an event that Faust skipped: not the handler's word."""
        event = self.pending[0]
        assert not event.message.ack(self.consumer)
        event.message.refcount = 1

    @rule(tp=place)
    def pause(self, tp: TP) -> None:
        if tp in self.log.assigned:
            self.consumer.pause_partitions({tp})

    @rule(tp=place)
    def resume(self, tp: TP) -> None:
        if tp in self.log.assigned:
            self.consumer.resume_partitions({tp})

    @rule()
    def commit(self) -> None:
        self.run(self.consumer.commit())

    @rule(tp=place, back=st.integers(0, 5))
    def seek_back(self, tp: TP, back: int) -> None:
        if tp in self.log.assigned:
            self.run(self._seek(tp, max(0, self.log.partitions[tp].position - back)))

    async def _seek(self, tp: TP, offset: int) -> None:
        # Backwards only: what a seek skips is the caller's business, not the transport's.
        first_open = min(self._open(tp), default=offset)
        await self.consumer.seek(tp, min(offset, first_open))
        self._abandon({tp})

    @rule(first=st.integers(1, 3), second=st.integers(1, 3))
    def go_on_as_usual(self, first: int, second: int) -> None:
        """Records come; all that is assigned is resumed, read, handled and then committed."""
        self.append(PLACES[0], first, 1)
        self.append(PLACES[1], second, 0)
        self.consumer.resume_partitions(self.log.assigned)
        self.consumer.resume_flow()
        self._finish_everything()

    def _finish_everything(self) -> None:
        for _ in range(3):  # a fetch may only find out that the place was lost
            while True:
                before = {tp: p.position for tp, p in self.log.partitions.items()}
                self.fetch(9, "")
                while self.pending:
                    self._finish(self.pending.pop(0))
                if before == {tp: p.position for tp, p in self.log.partitions.items()}:
                    break
        self.commit()
        for tp in self.log.assigned:
            offsets = self.log.partitions[tp].offsets
            assert not offsets or self.log.partitions[tp].committed == offsets[-1] + 1

    @rule(assigned=st.sampled_from([set(PLACES), set(PLACES), {PLACES[0]}, {PLACES[1]}]))
    def rebalance(self, assigned: set[TP]) -> None:
        self.run(self._rebalance(assigned))

    async def _rebalance(self, assigned: set[TP]) -> None:
        consumer, revoked = self.consumer, set(self.log.assigned)
        await consumer.on_partitions_revoked(revoked)
        consumer.stop_flow()
        self._abandon(revoked)
        self.app.consumer_generation_id += 1
        self.log.assigned = set(assigned)
        for tp in assigned:
            self.log.partitions[tp].position = self.log.partitions[tp].committed or 0
        consumer._set_active_tps(set(assigned))
        consumer._paused_partitions.clear()
        await consumer.perform_seek()
        consumer.resume_flow()

    def _abandon(self, tps: set[TP]) -> None:
        self.late += [event for event in self.pending if event.message.tp in tps]
        self.pending = [event for event in self.pending if event.message.tp not in tps]

    def _open(self, tp: TP) -> list[int]:
        return [o for o in self.log.partitions[tp].offsets if o not in self.handled[tp]]

    @invariant()
    def nothing_is_committed_unhandled(self) -> None:
        for tp in PLACES:
            committed = self.log.partitions[tp].committed or 0
            assert all(offset >= committed for offset in self._open(tp)), (tp, committed)

    def teardown(self) -> None:
        """Whatever happened before: with everything handled, everything gets committed."""
        try:
            self.run(self._rebalance(set(PLACES)))
            self._finish_everything()
        finally:
            self.runner.close()


TestTransport = Transport.TestCase
TestTransport.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
