"""A Kafka transport for Faust that delivers batches: one event per partition and fetch.

Faust hands on records one at a time, which costs it some 80 microseconds each. Here an event's
value is a Batch, all the records that one fetch brought of one partition, and the agent pays for
the event once per thousands of records::

    app.transport = Transport(app.conf.broker_consumer, app)

    @app.agent(app.topic("ticks.kalshi", value_serializer="raw", key_serializer="raw"))
    async def store(stream):
        async for event in stream.noack().events():
            await insert(event.value.records)
            acknowledge(event)

What is committed. Per partition the consumer keeps the batches that it handed on and that are not
done yet, in order. A batch counts as done when its handler calls ``acknowledge``; the committed
offset follows the last batch before which everything is done. That one rule covers the rest:

- Offsets that don't exist (compaction, transaction markers) lie within or between batches and need
  no bookkeeping. Faust's own keeps intervals of them, and never commits again when the first read
  of a partition is at offset 0 and has such a hole.
- Several agents may read one topic (``handlers``): a batch is done when each has acknowledged it.
- Faust acknowledges events by itself in places: when an agent raises, in ``take()``, for events
  it skips around a rebalance. Those acks are not the handler's word and change nothing.
- A seek, a revocation and a new assignment forget the batches handed on before, and so late acks
  of them: they are read again. Nothing is committed unhandled; some is handled twice.
- Faust drops fetched records when a partition is paused or the flow stops meanwhile, though the
  read position is already behind them. Here the position is put back.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from aiokafka.errors import KafkaError
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, EventT, Message
from mode.utils.futures import notify

from agents.health import Standing


@dataclass(slots=True)
class Batch:
    """Records of one partition as one fetch brought them: at least one, offsets ascending.

    ``records`` are aiokafka ConsumerRecords (offset, timestamp in milliseconds, key, value).
    """

    topic: str
    partition: int
    records: Sequence[Any]
    awaited: int = 1
    """How many handlers have not acknowledged it yet."""


def batch_of(event: EventT[Any]) -> Batch:
    """Return the event's value, which this transport makes a Batch."""
    batch: Any = event.value
    assert isinstance(batch, Batch)
    return batch


def acknowledge(event: EventT[Any]) -> bool:
    """Say that one handler has dealt with every record of the event's batch.

    Returns False if the batch is not done by that: other handlers have not acknowledged it yet, or
    its partition was revoked or sought since.
    """
    batch_of(event).awaited -= 1
    return event.ack()


def _is_done(message: Message) -> bool:
    batch: Any = message.value
    return bool(batch.awaited <= 0)


class BatchingConsumer(driver.Consumer):
    """Faust's aiokafka consumer, with a batch for an event."""

    handlers: Mapping[str, int] = MappingProxyType({})
    """How many agents read a topic, where it is not one."""
    from_start: frozenset[str] = frozenset()
    """Topics that are read from their beginning at each assignment, whatever was committed."""
    after_revoke: Callable[[set[TP]], None] | None = None
    """Called with partitions that were given up."""
    before_revoke: Callable[[], Awaitable[None]] | None = None
    """Awaited before partitions are given up: the time to finish and acknowledge what is in hand.
    The group waits for it, so it has to end well within the rebalance timeout."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._handed_on: dict[TP, deque[Message]] = defaultdict(deque)
        self._sought: dict[TP, int] = {}  # partitions sought since the last fetch began
        self._seeks = 0  # how often everything was sought, twice each
        self.moved = 0
        """How often the read position was put elsewhere: what was read may come again."""
        self._seeks_of: Counter[TP] = Counter()
        self._giving_up = False  # partitions are being revoked: no new work
        self._lost_place = False  # fetched records were dropped, the position is behind them

    # Handing on

    async def getmany(
        self,
        timeout: float,  # noqa: ASYNC109 (Faust passes it by name)
    ) -> AsyncIterator[tuple[TP, Message]]:
        """Fetch once and yield a message per partition, whose value is a Batch."""
        if self._lost_place:
            await self._return_to_committed()
        self._sought.clear()
        seeks = self._seeks
        records, active = await self._wait_next_records(timeout)
        if not records or self.should_stop:
            return
        self._lost_place = True  # until all of it is handed on, however this ends
        for partition, fetched in records.items():
            tp = ensure_TP(partition)
            if seeks != self._seeks or not self.flow_active:
                return
            if tp in self._sought:  # fetched before or after? unknown, so seek again
                await self._try_put_back(tp, self._sought[tp])
            elif active is None or tp in active or tp in self._buffered_partitions:
                self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
                yield tp, self._hand_on(tp, fetched)
            else:  # paused meanwhile
                await self._try_put_back(tp, fetched[0].offset)
        if seeks == self._seeks and self.flow_active:
            self._lost_place = False

    def _hand_on(self, tp: TP, fetched: Sequence[Any]) -> Message:
        last = fetched[-1]
        message = ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000,
            last.timestamp_type,
            None,
            None,
            Batch(  # type: ignore[arg-type]
                tp.topic, tp.partition, fetched, awaited=self.handlers.get(tp.topic, 1)
            ),
            None,
            0,
            sum(record.serialized_value_size for record in fetched),
            tp,
            generation_id=self.app.consumer_generation_id,
        )
        self._handed_on[tp].append(message)
        return message

    def on_buffer_full(self, tp: TP) -> None:
        """Do nothing: a full buffer makes the fetch loop wait, which holds back one fetch.

        Faust stops fetching the partition instead, and then sleeps a second when none is left.
        """

    # Acknowledging and committing

    def owns(self, event: EventT[Any]) -> bool:
        """Return whether the event's batch is ours to work on: acknowledging it will count."""
        waiting = self._handed_on.get(event.message.tp, ())
        return not self._giving_up and event.message in waiting

    def ack(self, message: Message) -> bool:
        """Take the handler's word that a batch is done. Other acks change nothing."""
        waiting = self._handed_on.get(message.tp)
        if not _is_done(message) or not waiting or message not in waiting:
            return False
        message.acked = True
        while waiting and _is_done(waiting[0]):
            self._acked[message.tp] = [waiting.popleft().offset]
        self._unacked_messages.discard(message)
        self._n_acked += 1
        notify(self._waiting_for_ack)
        return True

    def _new_offset(self, tp: TP) -> int | None:
        acked = self._acked.get(tp)
        return acked[-1] + 1 if acked else None

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Do nothing: offsets that no record has need no acknowledgement."""

    def standings(self) -> dict[TP, Standing]:
        """Return where each assigned partition stands, from what is known here: no request."""
        found: dict[TP, Standing] = {}
        subscription = self._thread._ensure_consumer()._subscription.subscription
        assignment: Any = subscription.assignment if subscription else None
        for partition in assignment.tps if assignment else ():
            tp, state = ensure_TP(partition), assignment.state_value(partition)
            found[tp] = Standing(
                committed=self._committed_offset.get(tp),
                read=state.position if state.has_valid_position else None,
                end=state.highwater,
                in_hand=bool(self._handed_on.get(tp)),
            )
        return found

    def end_of(self, topic: str, partition: int) -> int:
        """Return the partition's high watermark, as the last fetch answer had it."""
        return int(self.highwater(TP(topic, partition)))

    # Moving

    def epoch_of(self, topic: str, partition: int) -> tuple[int, int]:
        """Return what changes whenever the partition's read position is put elsewhere."""
        return self._seeks, self._seeks_of[TP(topic, partition)]

    async def seek(self, partition: TP, offset: int) -> None:
        """Read the partition from ``offset`` on; what was handed on of it is forgotten."""
        tp = ensure_TP(partition)
        self._sought[tp] = offset
        self._seeks_of[tp] += 1
        await self._put_back(tp, offset)
        self._forget(tp)

    async def start_over(self, topic: str, partition: int) -> None:
        """Read the partition from its first record on."""
        with suppress(KafkaError):  # not ours any more
            await self.seek(TP(topic, partition), 0)

    async def perform_seek(self) -> None:
        """Read every assigned partition from where the group has committed."""
        self._seeks += 1
        await super().perform_seek()
        for tp in self._read_offset:
            if tp.topic in self.from_start:
                # Faust holds what was committed for read, and drops what lies below it.
                self._read_offset[tp] = None
        self._seeks += 1  # a fetch that began meanwhile may hold records from before
        self.moved += 1
        for tp in list(self._handed_on):
            self._forget(tp)
        self._lost_place = False

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Read every assigned partition from where the group has committed, or from its start.

        Topics of ``from_start`` are read from theirs in any case.
        aiokafka leaves a partition alone that has no commit yet, or one at 0: what was fetched of
        it and dropped would not be read again, and the next commit would pass over it.
        """
        committed = await super().seek_to_committed()
        for tp, offset in committed.items():
            if not offset or tp.topic in self.from_start:
                await self._put_back(ensure_TP(tp), 0)
        return committed

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let the work in hand end, commit it, then forget the partitions."""
        self._giving_up = True
        try:
            if self.before_revoke is not None:
                await self.before_revoke()
            await self.maybe_wait_for_commit_to_finish()
            await self.commit()
        finally:
            self._giving_up = False
            for tp in revoked:
                self._forget(tp)
            if self.after_revoke is not None:
                self.after_revoke(revoked)
        await super().on_partitions_revoked(revoked)

    def _forget(self, tp: TP) -> None:
        self.moved += 1
        self._handed_on.pop(tp, None)
        self._acked.pop(tp, None)

    async def _put_back(self, tp: TP, offset: int) -> None:
        # In the consumer's own thread: aiokafka's seek wakes its fetcher, which isn't thread-safe.
        await self._thread.call_thread(self._thread_seek, tp, offset)
        self._read_offset[tp] = offset or None

    async def _try_put_back(self, tp: TP, offset: int) -> None:
        with suppress(KafkaError):  # not ours any more: whoever gets it starts where we committed
            await self._put_back(tp, offset)

    async def _thread_seek(self, tp: TP, offset: int) -> None:
        self._thread.seek(tp, offset)

    async def _return_to_committed(self) -> None:
        try:
            await self.perform_seek()
        except KafkaError as error:  # between two assignments: the coming one seeks
            self.log.info("can't seek now: %r", error)


class Transport(driver.Transport):
    """Faust's aiokafka transport with the batching consumer."""

    Consumer: ClassVar[type[driver.Consumer]] = BatchingConsumer
