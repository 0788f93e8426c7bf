"""Histograms: buckets agree everywhere, quantiles are off by 2 % at most, merging loses nothing."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.histogram import (
    LIMIT,
    LOWER_BOUNDS,
    Histogram,
    bounds,
    bucket_of,
    buckets_of,
    count,
    middle,
)

WANTED = (0.0, 0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0)
NEAR_A_BOUND = st.sampled_from(LOWER_BOUNDS).flatmap(lambda at: st.integers(at - 1, at + 2))
MICROSECONDS = st.one_of(
    st.integers(-1000, 1000),
    st.integers(-(10**9), 10**9),
    st.integers(-LIMIT, LIMIT),
    NEAR_A_BOUND,
    NEAR_A_BOUND.map(lambda us: -us),
)
LATENCIES = st.lists(MICROSECONDS, min_size=1, max_size=200)


def exact(latencies: list[int], quantile: float) -> int:
    """Return the quantile by nearest rank."""
    return sorted(latencies)[max(1, ceil(quantile * len(latencies))) - 1]


def counted(latencies: list[int]) -> Histogram:
    return count(np.array(latencies, dtype=np.int64))


@pytest.mark.parametrize("number", [1, 2, 3, 36, 37, 100, 500])
def test_a_bucket_holds_what_the_schema_says(number: int) -> None:
    """latency.avsc: up to 1.02^(n-1) and above the bucket before."""
    upper = Fraction(51, 50) ** (number - 1)
    low, high = bounds(number)
    assert high == int(upper)
    if low <= high and bucket_of(high) == number:
        assert low > Fraction(51, 50) ** (number - 2) or number == 1


@given(MICROSECONDS)
def test_a_latency_lies_within_its_bucket(us: int) -> None:
    low, high = bounds(bucket_of(us))
    assert low <= us <= high


@given(LATENCIES)
def test_numpy_and_the_bounds_for_clickhouse_give_the_same_buckets(latencies: list[int]) -> None:
    found = buckets_of(np.array(latencies, dtype=np.int64)).tolist()
    assert found == [bucket_of(us) for us in latencies]
    for us, bucket in zip(latencies, found, strict=True):
        if us:
            lower = max(bound for bound in LOWER_BOUNDS if bound <= abs(us) - 1)
            assert bucket_of(lower + 1) == abs(bucket)


@given(MICROSECONDS)
def test_what_stands_for_a_bucket_is_within_two_percent(us: int) -> None:
    assert abs(middle(bucket_of(us)) - us) <= abs(us) * 0.02


@given(LATENCIES)
def test_quantiles_are_within_two_percent_of_the_exact_ones(latencies: list[int]) -> None:
    found = counted(latencies).quantiles(WANTED)
    for quantile, value in zip(WANTED, found, strict=True):
        true = exact(latencies, quantile)
        assert value is not None
        assert abs(value - true) <= abs(true) * 0.02


@given(st.lists(LATENCIES, min_size=1, max_size=5), st.randoms())
def test_parts_merge_to_the_whole_in_any_order(parts: list[list[int]], random: object) -> None:
    whole = counted([us for part in parts for us in part])
    merged = Histogram()
    for part in parts:
        merged = counted(part) + merged
    back = sum((counted(part) for part in reversed(parts)), Histogram())
    assert merged == back
    if abs(sum(us for part in parts for us in part)) < 2**62:
        assert merged == whole


@given(LATENCIES)
def test_it_counts_exactly_what_buckets_cannot_tell(latencies: list[int]) -> None:
    found = counted(latencies)
    assert found.count == len(latencies)
    assert found.negative == sum(us < 0 for us in latencies)
    assert (found.min_us, found.max_us) == (min(latencies), max(latencies))
    assert found.sum_us == max(-(2**63) + 1, min(sum(latencies), 2**63 - 1))


def test_nothing_counted_has_no_quantile() -> None:
    assert Histogram(missing=3).quantiles([0.5]) == [None]
    assert count(np.array([], dtype=np.int64), missing=3) == Histogram(missing=3)


def test_buckets_that_only_a_foreign_hand_writes_do_no_harm() -> None:
    assert Histogram({2**31 - 1: 5}).quantiles([0.5]) == [middle(bucket_of(LIMIT))]
    assert Histogram({5: 0, 6: -1}).quantiles([0.5]) == [None]
