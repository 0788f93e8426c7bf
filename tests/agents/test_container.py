"""Container files are read back by fastavro, whatever was put into them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import fastavro
import hypothesis.strategies as st
from hypothesis import given

from agents.container import build, layout, long
from agents.records import Run
from agents.tables import TABLES
from schemas.codec import encode, parsed_schema
from schemas.framing import frame

from .lab import tick

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FORM = layout(parsed_schema("tick"), TABLES[0].columns)


@dataclass(frozen=True)
class Message:
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


offsets = st.one_of(st.integers(0, 200), st.integers(0, 2**60))
timestamps = st.one_of(st.just(-1), st.just(0), st.integers(0, 2**44))
messages = st.lists(st.tuples(offsets, timestamps), min_size=1, max_size=20)
runs = st.lists(st.tuples(st.uuids(), st.integers(0, 2**31 - 1), messages), min_size=1, max_size=4)


@given(runs)
def test_rows_are_the_records_and_where_they_lay(
    found: list[tuple[UUID, int, list[tuple[int, int]]]],
) -> None:
    number, expected, made = 0, [], []
    for topic_id, partition, places in found:
        records = []
        for offset, timestamp in places:
            sent = tick(number)
            records.append(Message(offset, timestamp, None, frame(1, encode(sent))))
            expected.append((str(topic_id), partition, offset, max(timestamp, 0) * 1000, number))
            number += 1
        made.append(Run("t", topic_id, partition, records))
    reader = fastavro.reader(io.BytesIO(build(FORM, made)), return_record_name=False)
    rows = list(reader)
    read = [
        (
            str(row["topic_id"]),
            row["kafka_partition"],
            row["kafka_offset"],
            (row["append_ts"] - EPOCH) // timedelta(microseconds=1),  # exact, a float is not
            row["sequence"],
        )
        for row in rows
    ]
    assert read == expected
    assert len({row["guard_before"] for row in rows} | {row["guard_after"] for row in rows}) == 1


@given(st.integers(-(2**63), 2**63 - 1))
def test_long_is_what_fastavro_writes(number: int) -> None:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema("long"), number)
    assert long(number) == buffer.getvalue()


def test_fields_that_the_table_lacks_are_read_and_left_out() -> None:
    schema = {
        "type": "record",
        "name": "Tick",
        "fields": [{"name": "new", "type": "int"}, {"name": "platform", "type": "string"}],
    }
    form = layout(schema, {"platform": "platform"})
    assert form.columns == (
        *("guard_before", "topic_id", "kafka_partition", "kafka_offset", "append_ts"),
        *("platform", "guard_after"),
    )
