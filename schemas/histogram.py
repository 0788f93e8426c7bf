"""Histograms of latencies in fixed logarithmic buckets: counted anywhere, merged by adding.

Bucket 0 holds 0. Bucket n > 0 holds the microseconds of (1.02^(n-2), 1.02^(n-1)], so bucket 1 holds
1, and bucket -n the same below zero. A quantile is off by 1 % at most, rounded to a microsecond:
it is told as the geometric middle of its bucket. Bounds are integers computed exactly, so that
ClickHouse (``LOWER_BOUNDS`` in a roundDown) and numpy agree on every value.

The scheme is that of DDSketch (Masson, Rim, Lee: "DDSketch", VLDB 2019), with the ratio fixed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil, isqrt

import numpy as np
from numpy.typing import NDArray

GROWTH = (51, 50)
"""1.02 as a fraction: the ratio of a bucket's bounds."""
LIMIT = 2**62
"""Latencies beyond this, microseconds, count as this: no clocks are 146,000 years apart."""
_SUM_LIMIT = 2**63 - 1


def _upper_bounds() -> list[int]:
    """Return the highest whole microsecond of buckets 1, 2, ... up to LIMIT."""
    found: list[int] = []
    over, under = 1, 1
    while not found or found[-1] < LIMIT:
        found.append(over // under)
        over, under = over * GROWTH[0], under * GROWTH[1]
    return found


_UPPER = _upper_bounds()
_UPPER_ARRAY = np.array(_UPPER[:-1], dtype=np.int64)  # what is beyond falls in the last bucket
LOWER_BOUNDS = (0, *sorted(set(_UPPER[:-1])))
"""The distinct lower bounds, exclusive, of the positive buckets that hold any whole number."""


def bucket_of(us: int) -> int:
    """Return the bucket that holds a latency in microseconds."""
    if us == 0:
        return 0
    bucket = bisect_left(_UPPER, min(abs(us), LIMIT)) + 1
    return bucket if us > 0 else -bucket


def buckets_of(us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bucket of each latency in microseconds; shape (n,) to (n,)."""
    size = np.abs(np.clip(us, -LIMIT, LIMIT))
    found: NDArray[np.int64] = np.sign(us) * (np.searchsorted(_UPPER_ARRAY, size) + 1)
    return found


def bounds(bucket: int) -> tuple[int, int]:
    """Return the lowest and the highest whole microsecond that the bucket holds.

    Of a bucket that can hold none (between 1 and 2 lie many) both are its upper bound. Numbers
    beyond the last bucket, which only a foreign hand writes, count as the last.
    """
    if bucket == 0:
        return 0, 0
    at = min(abs(bucket), len(_UPPER)) - 1
    high = _UPPER[at]
    low = min(_UPPER[at - 1] + 1, high) if at else high
    return (low, high) if bucket > 0 else (-high, -low)


def middle(bucket: int) -> int:
    """Return the microseconds that stand for the bucket: the geometric middle of its bounds."""
    low, high = (abs(bound) for bound in bounds(bucket))
    between = isqrt(4 * low * high)  # twice the root, to round it
    return (between + 1) // 2 if bucket >= 0 else -((between + 1) // 2)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts by bucket, and what buckets can't tell exactly. Times are microseconds."""

    counts: Mapping[int, int] = field(default_factory=dict)
    missing: int = 0
    sum_us: int = 0
    min_us: int | None = None
    max_us: int | None = None

    @property
    def count(self) -> int:
        """How many latencies were counted."""
        return sum(self.counts.values())

    @property
    def negative(self) -> int:
        """How many of them were below zero."""
        return sum(count for bucket, count in self.counts.items() if bucket < 0)

    def __add__(self, other: Histogram) -> Histogram:
        """Return the histogram of both together. The sum stays within 64 bits."""
        counts = dict(self.counts)
        for bucket, count in other.counts.items():
            counts[bucket] = counts.get(bucket, 0) + count
        total = self.sum_us + other.sum_us
        return Histogram(
            counts,
            self.missing + other.missing,
            max(-_SUM_LIMIT, min(total, _SUM_LIMIT)),
            _chosen(min, self.min_us, other.min_us),
            _chosen(max, self.max_us, other.max_us),
        )

    def quantiles(self, wanted: Iterable[float]) -> list[int | None]:
        """Return quantiles by nearest rank: the lowest latency that ceil(q x count) don't exceed.

        ``wanted`` are numbers from 0 to 1; None for each if nothing was counted. Never outside
        min and max, if those are known.
        """
        ascending = sorted(self.counts.items())
        ranks = np.cumsum([count for _, count in ascending], dtype=np.int64)
        if not ascending or ranks[-1] <= 0:
            return [None for _ in wanted]
        found: list[int | None] = []
        for quantile in wanted:
            rank = max(1, ceil(quantile * int(ranks[-1])))
            at = min(int(np.searchsorted(ranks, rank)), len(ascending) - 1)
            value = middle(ascending[at][0])
            value = value if self.min_us is None else max(value, self.min_us)
            found.append(value if self.max_us is None else min(value, self.max_us))
        return found


def _chosen(choose: Callable[[int, int], int], one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return choose(one, other)


def count(us: NDArray[np.int64], missing: int = 0) -> Histogram:
    """Return the histogram of latencies in microseconds, shape (n,), and of ``missing`` others."""
    if not len(us):
        return Histogram(missing=missing)
    buckets, counts = np.unique(buckets_of(us), return_counts=True)
    low, high = int(us.min()), int(us.max())
    # numpy's sum wraps around silently.
    wide = max(abs(low), abs(high)) > _SUM_LIMIT // len(us)
    total = sum(map(int, us)) if wide else int(us.sum())
    return Histogram(
        dict(zip(buckets.tolist(), counts.tolist(), strict=True)),
        missing,
        max(-_SUM_LIMIT, min(total, _SUM_LIMIT)),
        low,
        high,
    )
