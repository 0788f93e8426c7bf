"""Whether the sink moves: commits against what waits, not whether a port answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one partition stands.

    ``read`` is the next offset to be fetched, ``end`` the high watermark of the last fetch answer,
    both None before the first; ``in_hand`` says whether batches are handed on and not done.
    """

    committed: int | None
    read: int | None
    end: int | None
    in_hand: bool

    @property
    def behind(self) -> bool:
        """Whether there is something to do. Offsets without records are read past, not counted."""
        unread = self.read is not None and self.end is not None and self.read < self.end
        return self.in_hand or unread

    @property
    def past_end(self) -> bool:
        """Whether reading goes on behind the end: the topic was made anew, or lost its end."""
        return self.read is not None and self.end is not None and self.read > self.end

    @property
    def lag(self) -> int:
        """Offsets from the last commit, or where reading began, to the end."""
        start = self.committed if self.committed is not None else 0
        return max(self.end - start, 0) if self.end is not None else 0


@dataclass(slots=True)
class Progress:
    """Tells how long there was something to do and nothing was done."""

    since: float
    last: dict[Any, Standing] = field(default_factory=dict)

    def stuck_seconds(
        self, now: float, standings: Mapping[Any, Standing], *, waiting: bool
    ) -> float:
        """Return how long nothing moved, on a monotonic clock in seconds, by partition's standing.

        ``waiting`` says that something unreachable is being retried: that may take hours, and
        ending the process would not help.
        """
        behind = any(standing.behind for standing in standings.values())
        if waiting or not behind or dict(standings) != self.last:
            self.since = now
            self.last = dict(standings)
        return now - self.since
