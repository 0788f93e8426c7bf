"""What the analytics is made of: steps that take batches of some topics and give records.

A step is pure state: it reads no socket and no clock, so it can be tested by feeding it. The worker
(agents/analytics.py) hands it every batch of its partitions, publishes what it gives, and only then
acknowledges the batch.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable
from dataclasses import dataclass
from typing import Protocol

from agents.transport import Batch
from schemas.codec import Record

Place = tuple[str, int]
"""Topic and partition."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to be published. ``partition_key`` chooses the partition if it isn't ``key``.

    Of those that are published together and have the same ``identity`` only the last one is: each
    says all that the ones before it said.
    """

    topic: str
    key: str
    record: Record
    partition_key: str | None = None
    identity: Hashable = None


class Processor(Protocol):
    """One step of the analytics."""

    name: str
    """Name of its Faust agent and its metrics label."""
    topics: tuple[str, ...]
    """What it reads."""
    rebuilt: bool
    """Whether its state is what its topics hold: its partitions are then read from their beginning
    at each assignment, with ``live`` False until the end that they had then is reached."""

    def process(self, batch: Batch, *, live: bool) -> list[Outgoing]:
        """Take one batch. Records that can't be used are counted and left out: the sink, which
        reads the same topics, makes dead letters of them. Nothing here raises over a record."""
        ...

    def pass_time(self, now_us: int) -> list[Outgoing]:
        """Say what time alone brings: called about once a second, UTC microseconds."""
        ...

    def revoked(self, places: Collection[Place]) -> None:
        """Forget what was kept of these partitions: another worker has them now."""
        ...
