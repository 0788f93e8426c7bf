"""DeadLetter: a record that a worker could not use. The Python side of deadletter.avsc."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Field meanings are in deadletter.avsc, in this order. Times are UTC microseconds."""

    failed_ts: int
    topic: str
    topic_id: UUID | None
    partition: int
    offset: int
    append_ts: int | None
    reason: str
    detail: str
    worker: str
    key: bytes | None
    value: bytes | None
