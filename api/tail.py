"""The end of the followed topics, in memory: what ClickHouse may not have yet. Pure.

Records are kept undecoded until somebody wants them. The oldest go when there are too many bytes.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from itertools import islice
from typing import Any

from api.events import Event

OVERHEAD_BYTES = 400
"""What a record takes beside its value, about."""
Place = tuple[str, int]
"""Topic and partition."""


@dataclass(slots=True)
class Kept:
    """A record; ``event`` is what it says once it was decoded, None if nothing usable."""

    topic: str
    record: Any
    decoded: bool = False
    event: Event | None = None


class Tail:
    """Records by partition, offsets ascending, of all partitions ``limit`` bytes at most."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = 0
        self._kept: dict[Place, deque[Kept]] = defaultdict(deque)
        self._floors: dict[Place, int] = {}
        self._order: deque[Place] = deque()  # whose oldest is the oldest of all

    def append(self, kept: Kept) -> None:
        """Take the next record of its partition."""
        place = (kept.topic, kept.record.partition)
        self._floors.setdefault(place, kept.record.offset)
        self._kept[place].append(kept)
        self._order.append(place)
        self._bytes += _size(kept)
        while self._bytes > self._limit and self._order:
            self._drop(self._order.popleft())

    def _drop(self, place: Place) -> None:
        held = self._kept[place]
        if held:  # it was cleared meanwhile otherwise
            oldest = held.popleft()
            self._bytes -= _size(oldest)
            self._floors[place] = oldest.record.offset + 1

    def clear(self, place: Place, floor: int) -> None:
        """Forget a partition, whose next record has offset ``floor`` or more."""
        self._bytes -= sum(map(_size, self._kept.pop(place, ())))
        self._floors[place] = floor
        self._order = deque(each for each in self._order if each != place)

    def floor(self, place: Place) -> int | None:
        """Return the offset from which on all is here; None if nothing was read of it yet."""
        return self._floors.get(place)

    def since(self, place: Place, offset: int, most: int) -> list[Kept]:
        """Return at most ``most`` records from an offset on, which is not below the floor."""
        held = self._kept.get(place)
        if not held:
            return []
        # Offsets are all but without holes: the guess is right or too far.
        at = min(max(offset - held[0].record.offset, 0), len(held))
        while at > 0 and held[at - 1].record.offset >= offset:
            at -= 1
        return list(islice(held, at, at + most))


def _size(kept: Kept) -> int:
    return len(kept.record.value or b"") + len(kept.record.key or b"") + OVERHEAD_BYTES
