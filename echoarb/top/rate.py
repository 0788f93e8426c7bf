"""A rate from a growing count, over the last seconds."""

from __future__ import annotations

import time
from collections import deque

WINDOW_SECONDS = 5.0


class Rate:
    """Counts per second over the last five seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def after(self, count: int, now: float | None = None) -> float:
        """Return the rate with ``count`` reached at ``now``, monotonic seconds."""
        at = time.monotonic() if now is None else now
        self._seen.append((at, count))
        while len(self._seen) > 2 and at - self._seen[1][0] >= WINDOW_SECONDS:
            self._seen.popleft()
        (start, first), (end, last) = self._seen[0], self._seen[-1]
        return (last - first) / (end - start) if end > start else 0.0
