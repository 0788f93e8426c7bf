"""What the sink works on: runs of raw records, and records that can't be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


class Record(Protocol):
    """A Kafka record as aiokafka delivers it. ``timestamp`` is milliseconds, negative if none."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class Run:
    """Records of one partition, offsets ascending, not necessarily without holes."""

    topic: str
    topic_id: UUID
    partition: int
    records: Sequence[Record]

    def having(self, records: Sequence[Record]) -> Run:
        """Return the run with these records instead."""
        return Run(self.topic, self.topic_id, self.partition, records)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that can't be used. ``reason`` is a word of deadletter.avsc, ``detail`` is text."""

    run: Run
    record: Record
    reason: str
    detail: str


def count(runs: Sequence[Run]) -> int:
    """Return how many records the runs hold."""
    return sum(len(run.records) for run in runs)
