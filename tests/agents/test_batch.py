"""Sorting, examining and halving batches: no record gets lost or appears twice."""

from __future__ import annotations

from uuid import UUID

import hypothesis.strategies as st
import pytest
from hypothesis import given

from agents.batch import by_schema, examine, halves, reject_all, token
from agents.records import Rejected, Run, count
from agents.tables import TABLES
from schemas.codec import encode, parsed_schema
from schemas.errors import Poison
from schemas.framing import frame, schema_id_of

from .lab import tick
from .test_container import Message

TOPIC_ID = UUID(int=7)
values = st.one_of(
    st.none(),
    st.binary(max_size=8),
    st.builds(frame, st.sampled_from([1, 2, 2**31]), st.binary(max_size=4)),
)
some_runs = st.lists(st.lists(values, min_size=1, max_size=8), max_size=5).map(
    lambda lists: [
        Run("t", TOPIC_ID, number, [Message(o, 0, None, v) for o, v in enumerate(found)])
        for number, found in enumerate(lists)
    ]
)


def places(runs: list[Run]) -> list[tuple[int, int]]:
    return sorted((run.partition, record.offset) for run in runs for record in run.records)


def rejected_places(rejected: list[Rejected]) -> list[tuple[int, int]]:
    return [(item.run.partition, item.record.offset) for item in rejected]


@given(some_runs)
def test_every_record_is_in_one_group_or_rejected(runs: list[Run]) -> None:
    groups, rejected = by_schema(runs)
    sorted_in = [place for group in groups.values() for place in places(group)]
    assert sorted(sorted_in + rejected_places(rejected)) == places(runs)
    for schema_id, group in groups.items():
        for run in group:
            assert all(schema_id_of(record.value) == schema_id for record in run.records)
            offsets = [record.offset for record in run.records]
            assert offsets == sorted(offsets)
    assert {item.reason for item in rejected} <= {"framing"}


@given(some_runs.filter(lambda runs: count(runs) >= 2))
def test_halves_are_halves(runs: list[Run]) -> None:
    first, second = halves(runs)
    assert sorted(places(first) + places(second)) == places(runs)
    assert abs(count(first) - count(second)) <= 1
    assert all(run.records for run in [*first, *second])


@given(st.binary(max_size=200))
def test_no_bytes_make_examining_fail(value: bytes) -> None:
    run = Run("t", TOPIC_ID, 0, [Message(0, 0, None, frame(1, value))])
    good, rejected = examine([run], "tick", parsed_schema("tick"))
    assert count(good) + len(rejected) == 1


def test_examining_tells_sound_from_unsound() -> None:
    sound = encode(tick(1))
    found = [sound, sound[:-1], sound + b"\x00", b""]
    run = Run("t", TOPIC_ID, 0, [Message(o, 0, None, frame(1, v)) for o, v in enumerate(found)])
    good, rejected = examine([run], "tick", parsed_schema("tick"))
    assert places(good) == [(0, 0)]
    assert [item.reason for item in rejected] == ["truncated", "trailing", "truncated"]


def test_token_tells_which_records_are_in_it() -> None:
    records = [Message(offset, 0, None, b"") for offset in (5, 6, 9)]
    run = Run("t", TOPIC_ID, 3, records)
    assert token([run]) == f"{TOPIC_ID}:3:5-9/3"
    assert token([run.having([records[0], records[2]])]) != token([run])


def test_rejecting_all_keeps_the_reason() -> None:
    run = Run("t", TOPIC_ID, 0, [Message(1, 0, None, b"")])
    assert reject_all([run], Poison("insert", "why")) == [
        Rejected(run, run.records[0], "insert", "why")
    ]


def test_schema_of_something_else_is_refused() -> None:
    with pytest.raises(Poison, match=r"is not echoarb\.Tick"):
        TABLES[0].check(9, parsed_schema("gap"))
    with pytest.raises(Poison, match="lacks"):
        TABLES[0].check(9, {"type": "record", "name": "echoarb.Tick", "fields": []})
    with pytest.raises(Poison, match=r"is not echoarb\.Tick"):
        TABLES[0].check(9, "string")
    TABLES[0].check(9, parsed_schema("tick"))
