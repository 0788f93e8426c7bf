"""Times read from the fronts of undecoded ticks are those of the decoded ones."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agents.timestamps import NEVER, times_of
from schemas.codec import encode, parsed_schema
from schemas.errors import Poison, Transient
from schemas.framing import frame

from .lab import tick

YEAR_US = 365 * 24 * 3600 * 1_000_000
WHEN = st.one_of(
    st.integers(10 * YEAR_US, 1000 * YEAR_US),
    st.integers(-100 * YEAR_US, 1500 * YEAR_US),  # beyond the eight-byte rule on both sides
)


@dataclass(frozen=True)
class Record:
    offset: int
    value: bytes | None
    timestamp: int = 1_785_000_000_000
    key: bytes | None = b"k"


def schema_of(schema_id: int) -> Any:
    if schema_id == 7:
        return parsed_schema("tick")
    if schema_id == 8:
        return parsed_schema("gap")
    if schema_id == 9:
        raise Transient("the registry is away")
    raise Poison("unknown_schema", "no such id")


@given(st.lists(st.tuples(WHEN, WHEN, st.none() | WHEN), max_size=30))
@example([(20 * YEAR_US, 20 * YEAR_US, 0)])  # a time, though a venue hardly means it
def test_every_time_is_the_decoded_one(given_times: list[tuple[int, int, int | None]]) -> None:
    records = [
        Record(
            10 + at,
            frame(7, encode(replace(tick(at), ingest_ts=a, emit_ts=b, source_ts=c))),
            1_785_000_000_000 + at,
        )
        for at, (a, b, c) in enumerate(given_times)
    ]
    found = times_of(records, schema_of)
    rows = zip(
        *(x.tolist() for x in (found.offset, found.append, found.ingest, found.emit, found.source)),
        strict=True,
    )
    assert sorted(rows) == [
        (10 + at, (1_785_000_000_000 + at) * 1000, a, b, NEVER if c is None else c)
        for at, (a, b, c) in enumerate(given_times)
    ]
    assert not found.unreadable


@given(st.lists(st.binary(max_size=60) | st.none(), max_size=20))
def test_what_cannot_be_read_is_counted_by_reason(values: list[bytes | None]) -> None:
    framed = [frame(7, v) if v is not None else None for v in values]
    found = times_of([Record(at, value) for at, value in enumerate(framed)], schema_of)
    assert len(found.offset) + found.unreadable.total() == len(values)
    assert found.unreadable["framing"] == sum(value is None for value in values)


def test_other_schemas_are_decoded_or_refused() -> None:
    good = encode(tick(1))
    records = [
        Record(0, frame(7, good)),
        Record(1, frame(8, good)),
        Record(2, frame(1, good)),
        Record(3, b"\x01oops"),
        Record(4, frame(7, good[:10])),
    ]
    found = times_of(records, schema_of)
    assert found.offset.tolist() == [0]
    assert found.unreadable == Counter(truncated=2, unknown_schema=1, framing=1)


def test_a_registry_that_is_away_is_told() -> None:
    with pytest.raises(Transient):
        times_of([Record(0, frame(9, encode(tick(1))))], schema_of)


@pytest.mark.parametrize("timestamp", [-1, 2**60])
def test_a_record_without_a_kafka_time_has_none(timestamp: int) -> None:
    found = times_of([Record(0, frame(7, encode(tick(1))), timestamp)], schema_of)
    assert found.append.tolist() == [NEVER]
