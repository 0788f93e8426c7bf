"""The histograms of one partition: a minute and a stage each. Pure.

Exactly once in effect rests on three things, argued in docs/decisions/0010:

- A histogram is a function of the partition's records below its ``version``, and of nothing else.
  Whether a record counts for it depends on the record and on records before it, not on our clock.
- Records below a histogram's version are passed over by that histogram: a batch that comes again,
  with whatever borders, changes nothing that was published.
- A minute is published for the last time long before it is forgotten, and records that would
  open it again don't count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from agents.timestamps import NEVER, Longs, Times
from schemas.histogram import Histogram, count
from schemas.latency import Latency, LatencyBucket, Stage

MINUTE_US = 60_000_000
OPEN_US = 15 * MINUTE_US
"""How far a tick's own times may lie before its Kafka time: a producer keeps records for minutes
while the broker is away."""
AHEAD_US = 5 * MINUTE_US
"""How far they may lie after it: the clocks of two machines."""
DISORDER_US = 5 * MINUTE_US
"""How far a record's Kafka time may lie before the latest one of its partition."""
KEPT_US = OPEN_US + DISORDER_US + MINUTE_US
"""How long a minute is kept behind the latest Kafka time: no record that counts reaches it then."""
FLOOR_US = 10 * MINUTE_US

Key = tuple[int, Stage]
"""Start of the minute, UTC microseconds, and stage."""


@dataclass(slots=True)
class Entry:
    """A histogram, and the offset from which on records are not in it yet."""

    histogram: Histogram
    version: int


@dataclass(slots=True)
class Slots:
    """The open minutes of one partition."""

    begin_us: int = 0
    """Minutes from here on may be counted for: older ones were not restored."""
    entries: dict[Key, Entry] = field(default_factory=dict)
    latest: int = 0
    """The latest Kafka time so far, UTC microseconds."""
    uncounted: Counter[str] = field(default_factory=Counter)
    """Latencies that were left out, by reason, since ``take_uncounted``."""

    def restore(self, records: Iterable[Latency]) -> None:
        """Take what was published of this partition; of each minute and stage the newest counts."""
        for record in records:
            key = (record.slot_ts, record.stage)
            known = self.entries.get(key)
            if known is None or known.version < record.version:
                self.entries[key] = Entry(histogram_of(record), record.version)

    def take(self, times: Times, now_us: int) -> list[Key]:
        """Count records, and return which histograms changed.

        ``now_us`` only refuses Kafka times of the future: one of them would close every minute.
        """
        if not len(times.offset):
            return []
        counts = times.append != NEVER
        self.uncounted["no_append_time"] += int((~counts).sum())
        future = counts & (times.append > now_us + AHEAD_US)
        self.uncounted["append_time_ahead"] += int(future.sum())
        counts &= ~future
        if not counts.any():
            return []
        order = np.argsort(times.offset, kind="stable")
        reached = np.maximum.accumulate(np.where(counts, times.append, 0)[order])
        latest = np.empty_like(reached)
        latest[order] = np.maximum(reached, self.latest)
        late = counts & (times.append < latest - DISORDER_US)
        self.uncounted["late"] += int(late.sum())
        counts &= ~late
        end = int(times.offset.max()) + 1
        append = times.append
        changed = [
            *self._stage("source_ingest", times.source, times.ingest, append, times, counts, end),
            *self._stage("ingest_emit", times.ingest, times.emit, append, times, counts, end),
            *self._stage("emit_append", times.emit, append, append, times, counts, end),
        ]
        self.latest = int(latest.max())
        self._forget()
        return changed

    def _stage(
        self,
        stage: Stage,
        begin: Longs,
        finish: Longs,
        append: Longs,
        times: Times,
        counts: NDArray[np.bool_],
        end: int,
    ) -> list[Key]:
        """Count one stage, from ``begin`` to ``finish``, by the minute of ``finish``."""
        slot = finish - finish % MINUTE_US
        outside = counts & ((slot < append - OPEN_US) | (slot > append + AHEAD_US))
        self.uncounted["time_far_off"] += int(outside.sum())
        counts = counts & ~outside
        before = counts & (slot < self.begin_us)
        self.uncounted["not_restored"] += int(before.sum())
        counts &= ~before
        changed: list[Key] = []
        for minute in np.unique(slot[counts]).tolist():
            key: Key = (minute, stage)
            entry = self.entries.get(key)
            fresh = counts & (slot == minute)
            if entry is not None:
                fresh &= times.offset >= entry.version
            if not fresh.any():
                continue
            known = fresh & (begin != NEVER)
            new = count((finish - begin)[known], missing=int((fresh & (begin == NEVER)).sum()))
            old = entry.histogram if entry is not None else Histogram()
            self.entries[key] = Entry(old + new, end)
            changed.append(key)
        return changed

    def _forget(self) -> None:
        oldest = self.latest - KEPT_US
        for key in [key for key in self.entries if key[0] < oldest]:
            del self.entries[key]

    def floor_us(self, slot: int) -> int | None:
        """Return the lowest source_ingest latency of the ten minutes up to this one, None if none
        is known."""
        lowest = [
            entry.histogram.min_us
            for (minute, stage), entry in self.entries.items()
            if stage == "source_ingest"
            and slot - FLOOR_US < minute <= slot
            and entry.histogram.min_us is not None
        ]
        return min(lowest, default=None)

    def record(self, key: Key, platform: str, part: str, now_us: int) -> Latency:
        """Return a histogram as it is published."""
        entry = self.entries[key]
        return latency_record(
            key,
            platform,
            part,
            entry.version,
            entry.histogram,
            self.floor_us(key[0]) if key[1] == "source_ingest" else None,
            now_us,
        )

    def take_uncounted(self) -> Counter[str]:
        """Return what was left out since the last call."""
        found, self.uncounted = self.uncounted, Counter()
        return found


def latency_record(
    key: Key,
    platform: str,
    part: str,
    version: int,
    histogram: Histogram,
    floor_us: int | None,
    now_us: int,
) -> Latency:
    """Return a histogram as a record."""
    return Latency(
        slot_ts=key[0],
        platform=platform,
        stage=key[1],
        part=part,
        version=version,
        count=histogram.count,
        missing=histogram.missing,
        negative=histogram.negative,
        sum_us=histogram.sum_us,
        min_us=histogram.min_us,
        max_us=histogram.max_us,
        buckets=tuple(
            LatencyBucket(bucket, number) for bucket, number in sorted(histogram.counts.items())
        ),
        floor_us=floor_us,
        emit_ts=now_us,
    )


def histogram_of(record: Latency) -> Histogram:
    """Return the histogram that a record carries."""
    return Histogram(
        {item.bucket: item.count for item in record.buckets},
        record.missing,
        record.sum_us,
        record.min_us,
        record.max_us,
    )
