"""When a recording can be trusted: arithmetic of stretches of time. Pure.

A stretch is (begin, end), end exclusive, in UTC microseconds. Nothing is given the benefit of the
doubt: what no gap speaks of, but nothing vouches for either, isn't trusted.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Stretch = tuple[int, int]
HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class GapTimes:
    """What is known of one gap: ``begin`` None is not known, ``end`` None is not over.

    ``first`` is when it was first published. The gaps that connectors publish when they start are
    not among these: their moments are given apart.
    """

    reason: str
    begin: int | None
    end: int | None
    first: int


@dataclass(frozen=True, slots=True)
class Hour:
    """How much of an hour can be trusted, of the part of it that is over; both microseconds."""

    begin: int
    over: int
    trusted: int
    reasons: tuple[str, ...]


def union(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Return the same moments as stretches in order that neither overlap nor touch."""
    found: list[Stretch] = []
    for begin, end in sorted(stretches):
        if begin >= end:
            continue
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found


def measure(stretches: Sequence[Stretch], begin: int, end: int) -> int:
    """Return how many microseconds of [begin, end) lie in the stretches, which ``union`` gave."""
    total = 0
    if begin >= end:
        return total
    # Their ends are in order too: go on from the first that ends within or after.
    for at in range(bisect_right(stretches, begin, key=lambda each: each[1]), len(stretches)):
        low, high = stretches[at]
        if low >= end:
            break
        total += min(high, end) - max(low, begin)
    return total


def begin_of(gap: GapTimes, starts: Sequence[int]) -> int | None:
    """Return when a gap began: if that isn't known, when the connector that published it started.

    ``starts`` are the platform's, in order. None: before all that is known.
    """
    if gap.begin is not None:
        return gap.begin
    at = bisect_right(starts, gap.first)
    return starts[at - 1] if at else None


def outages(
    starts: Iterable[int], alive: Sequence[int], minute: int
) -> list[tuple[int | None, int]]:
    """Return the stretches before each start during which nothing may have been recorded.

    ``alive`` are the beginnings of the minutes (of ``minute`` microseconds) in which anything of
    the platform was recorded, in order. An outage begins with the last of them that ended before
    the start, since it isn't known when within it the recording ended; None: before all of them.
    """
    found: list[tuple[int | None, int]] = []
    for start in starts:
        at = bisect_left(alive, start // minute * minute)
        found.append((alive[at - 1] if at else None, start))
    return found


def hours(
    begin: int, end: int, now: int, recorded: Stretch, untrusted: Mapping[str, Iterable[Stretch]]
) -> list[Hour]:
    """Return the hours of [begin, end), which are whole ones, as far as they have begun.

    ``recorded`` is from the first record to the last moment that any record vouches for;
    ``untrusted`` are the stretches by reason.
    """
    first, last = recorded
    by_reason = {
        **{reason: union(stretches) for reason, stretches in untrusted.items()},
        "not_recorded": union([(begin, max(first, begin)), (min(last, end), end)]),
    }
    every = union(stretch for stretches in by_reason.values() for stretch in stretches)
    found = []
    for hour in range(begin, min(end, now), HOUR_US):
        over = min(hour + HOUR_US, now)
        reasons = tuple(
            reason for reason in sorted(by_reason) if measure(by_reason[reason], hour, over)
        )
        lost = measure(every, hour, over)
        found.append(Hour(hour, over - hour, over - hour - lost, reasons))
    return found
