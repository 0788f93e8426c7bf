"""One Avro container file out of many datums, without decoding any of them.

Avro lays a record's fields end to end with nothing between them, so bytes put before a datum are
fields before its fields. Each row is

    guard_before | topic_id | kafka_partition | kafka_offset | append_ts | the datum | guard_after

under a header schema that names all of it. ClickHouse decodes the lot in C++. Source: Apache Avro
1.12 specification, "Object Container Files" and "Binary Encoding".

A datum that is shorter or longer than its schema says would shift every row behind it. The guards
are one random word per container: after such a datum they differ, and the table refuses the insert
(schemas/clickhouse/0001_ticks.sql). Being random they can't be forged from within a datum.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.records import Run, count
from schemas.framing import HEADER_SIZE

GUARD_SIZE = 8
_MAGIC = b"Obj\x01"
_PLAIN = [bytes([low]) for low in range(128)]
_CONTINUED = [bytes([low | 0x80]) for low in range(128)]

_BEFORE: list[dict[str, Any]] = [
    {"name": "guard_before", "type": {"type": "fixed", "size": GUARD_SIZE, "name": "Guard"}},
    {"name": "topic_id", "type": {"type": "string", "logicalType": "uuid"}},
    {"name": "kafka_partition", "type": "int"},
    {"name": "kafka_offset", "type": "long"},
    {"name": "append_ts", "type": {"type": "long", "logicalType": "timestamp-micros"}},
]
_AFTER: list[dict[str, Any]] = [{"name": "guard_after", "type": "Guard"}]


@dataclass(frozen=True, slots=True)
class Layout:
    """How rows of one writer's schema are laid out: the file's header, and the columns to fill."""

    header: bytes
    sync: bytes
    columns: tuple[str, ...]


def long(number: int) -> bytes:
    """Return ``number`` (64 bits, signed) as Avro writes int and long: zigzag, then varint."""
    return _varint((number << 1) ^ (number >> 63))


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def text(value: bytes) -> bytes:
    """Return ``value`` as Avro writes bytes and string: its length, then itself."""
    return long(len(value)) + value


def layout(writer_schema: Mapping[str, Any], column_of: Mapping[str, str]) -> Layout:
    """Return the layout of datums written with ``writer_schema``, a parsed Avro record schema.

    ``column_of`` is column by field name. A field that it lacks is read and left out; a column that
    the writer's schema lacks keeps its default.
    """
    fields = [
        {"name": column_of.get(item["name"], f"unknown_{item['name']}"), "type": item["type"]}
        for item in writer_schema["fields"]
    ]
    known = [
        column_of[item["name"]] for item in writer_schema["fields"] if item["name"] in column_of
    ]
    row = {"type": "record", "name": "StoredRow", "fields": [*_BEFORE, *fields, *_AFTER]}
    metadata = {b"avro.schema": json.dumps(row).encode(), b"avro.codec": b"null"}
    header = [_MAGIC, long(len(metadata))]
    for key, value in metadata.items():
        header += [text(key), text(value)]
    sync = os.urandom(16)
    return Layout(
        header=b"".join([*header, long(0), sync]),
        sync=sync,
        columns=(*(item["name"] for item in _BEFORE), *known, "guard_after"),
    )


def build(form: Layout, runs: Sequence[Run]) -> bytes:
    """Return a container file of one block with a row for each record of ``runs``.

    Every value has to be framed, and of the layout's schema. ``append_ts`` is 1970-01-01 for a
    record that has no timestamp.
    """
    guard = os.urandom(GUARD_SIZE)
    pieces: list[bytes] = []
    between = guard  # the guard behind one row and before the next are written together
    for run in runs:
        place = text(str(run.topic_id).encode()) + long(run.partition)
        _rows(pieces, run, between, guard, place)
        between = guard + guard
    pieces.append(guard)
    body = b"".join(pieces)
    return b"".join([form.header, long(count(runs)), long(len(body)), body, form.sync])


def _rows(pieces: list[bytes], run: Run, first: bytes, guard: bytes, place: bytes) -> None:
    """Append the run's rows, each but the last with the guard behind it.

    This is the only Python that runs once per record, so it looks up what it can: neighbours share
    their time, and all of their offset but its lowest seven bits.
    """
    append = pieces.append
    stamps: dict[int, bytes] = {}
    lead, later = first + place, guard + guard + place
    high = -1
    lows, rest = _PLAIN, b""
    for record in run.records:
        zigzag = record.offset << 1  # never negative
        if zigzag >> 7 != high:
            high = zigzag >> 7
            lows, rest = (_CONTINUED, _varint(high)) if high else (_PLAIN, b"")
        stamp = stamps.get(record.timestamp)
        if stamp is None:
            stamp = stamps[record.timestamp] = long(max(record.timestamp, 0) * 1000)
        append(lead + lows[zigzag & 0x7F] + rest + stamp)
        append(record.value[HEADER_SIZE:])  # type: ignore[index]
        lead = later
