"""Latencies of all ticks, by venue, stage and minute, onto the topic latency.

The ledger's state is what the topic latency holds of it: a histogram carries the offset up to which
it counts, and is published before the batch is acknowledged. How that is exact: agents/
latency_slots.py and docs/decisions/0010.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol
from uuid import UUID

from agents.latency_metrics import TICKS, UNCOUNTED
from agents.latency_slots import AHEAD_US, DISORDER_US, OPEN_US, Slots
from agents.processor import Outgoing, Place
from agents.timestamps import SchemaOf, times_of
from agents.transport import Batch
from schemas.clock import now_us
from schemas.latency import Latency
from schemas.topics import LATENCY, PLATFORMS, ticks_topic

MARGIN_US = OPEN_US + DISORDER_US
"""How far behind the first record's Kafka time minutes may lie that are still counted for."""


class History(Protocol):
    """What was published before: agents/latency_history.py."""

    def of(self, part: str, since_us: int) -> tuple[Collection[Latency], int]:
        """Return the newest record of each minute and stage of a part, and from when on they are
        complete, UTC microseconds: not later than ``since_us`` if the topic holds enough.

        Blocks. Raises Transient.
        """


class LatencyLedger:
    """The step: agents/processor.py."""

    name = "latency"
    rebuilt = False

    def __init__(
        self,
        schema_of: SchemaOf,
        topic_id_of: Callable[[str], UUID],
        history: History,
        clock: Callable[[], int] = now_us,
    ) -> None:
        self.topics = tuple(ticks_topic(platform) for platform in PLATFORMS)
        self._schema_of = schema_of
        self._topic_id_of = topic_id_of
        self._history = history
        self._clock = clock
        self._slots: dict[Place, Slots] = {}

    def restore(self, batch: Batch) -> None:
        """Take up a partition where whoever had it before left it. Has to be called before the
        first ``process`` of a partition that was assigned, with its first batch.

        Blocks. Raises Transient.
        """
        now = self._clock()
        times = [record.timestamp * 1000 for record in batch.records if record.timestamp >= 0]
        first = min(next(iter(times), now), now + AHEAD_US)
        records, begin = self._history.of(self._part(batch), first - MARGIN_US)
        slots = Slots(begin_us=begin)
        slots.restore(records)
        self._slots[batch.topic, batch.partition] = slots

    def process(self, batch: Batch, *, live: bool) -> list[Outgoing]:
        """Return each histogram that the batch changed. Raises Transient, having changed nothing.

        A batch that was counted before changes nothing again.
        """
        times = times_of(batch.records, self._schema_of)
        now = self._clock()
        slots = self._slots[batch.topic, batch.partition]
        platform = batch.topic.removeprefix("ticks.")
        part = self._part(batch)
        found = [
            Outgoing(
                LATENCY.name,
                f"{platform}:{key[1]}",
                slots.record(key, platform, part, now),
                identity=(part, *key),
            )
            for key in slots.take(times, now)
        ]
        TICKS.labels(platform).inc(len(times.offset))
        for reason, count in (slots.take_uncounted() + times.unreadable).items():
            UNCOUNTED.labels(platform, reason).inc(count)
        return found

    def pass_time(self, now_us: int) -> list[Outgoing]:
        """Time alone brings nothing."""
        return []

    def revoked(self, places: Collection[Place]) -> None:
        """Leave these partitions to whoever has them now."""
        for place in places:
            self._slots.pop(place, None)

    def _part(self, batch: Batch) -> str:
        return f"{self._topic_id_of(batch.topic)}/{batch.partition}"
