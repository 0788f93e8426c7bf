"""The times of many ticks at once, without decoding the ticks.

A tick's datum begins with ingest_ts, emit_ts and source_ts. Between December 1978 and 3111 each is
a zigzag varint of eight bytes, so they lie at fixed places (docs/decisions/0005):

    0..7 ingest_ts | 8..15 emit_ts | 16 union branch of source_ts (0: null, 2: long) | 17..24

Whatever has another form there is decoded as a whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.records import Record
from schemas.codec import decode
from schemas.errors import Poison
from schemas.framing import HEADER_SIZE, schema_id_of
from schemas.tick import Tick

SchemaOf = Callable[[int], Any]
"""The writer's schema of an id, as Registry.schema: may raise Poison or Transient."""
Longs = NDArray[np.int64]

_FRONT = 25
_SOURCE_AT = 17
_NULL, _LONG = 0, 2  # union branches, zigzag
_LEADING = ("ingest_ts", "emit_ts", "source_ts")
_SHIFTS = np.arange(8, dtype=np.uint64) * np.uint64(7)
NEVER = int(np.iinfo(np.int64).min)
"""Stands for a time that is missing."""


@dataclass(frozen=True, slots=True)
class Times:
    """Times of the ticks that have a readable front, UTC microseconds, arrays of one length.

    ``offset`` is each record's, ``append`` its Kafka time. ``source`` and ``append`` are NEVER
    where there is none. ``unreadable`` counts the other records by reason.
    """

    offset: Longs
    append: Longs
    ingest: Longs
    emit: Longs
    source: Longs
    unreadable: Counter[str]


def times_of(records: Sequence[Record], schema_of: SchemaOf) -> Times:
    """Return the times of a partition's records. Raises Transient if a schema can't be asked for.

    Only fronts are read where they have the usual form, so a record that is broken behind its
    front counts here, though the sink makes a dead letter of it.
    """
    unreadable: Counter[str] = Counter()
    known: dict[int, tuple[Any, bool] | str] = {}  # or the reason why there is none
    fronts: list[bytes] = []
    places: list[tuple[Record, Any]] = []
    odd: list[tuple[Record, Tick]] = []
    slow: list[tuple[Record, Any]] = []
    for record in records:
        value = record.value
        try:
            schema_id = schema_id_of(value)
        except Poison as error:
            unreadable[error.reason] += 1
            continue
        if schema_id not in known:
            known[schema_id] = _schema(schema_id, schema_of)
        found = known[schema_id]
        if isinstance(found, str):
            unreadable[found] += 1
            continue
        schema, leads = found
        if leads and value is not None and len(value) >= HEADER_SIZE + _SOURCE_AT:
            fronts.append(value[HEADER_SIZE : HEADER_SIZE + _FRONT].ljust(_FRONT, b"\0"))
            places.append((record, schema))
        else:
            slow.append((record, schema))
    front = np.frombuffer(b"".join(fronts), dtype=np.uint8).reshape(len(fronts), _FRONT)
    usual = _is_usual(front)
    slow += [places[at] for at in np.flatnonzero(~usual)]
    for record, schema in slow:
        tick = _decoded(record, schema, unreadable)
        if tick is not None:
            odd.append((record, tick))
    read = front[usual]
    kept = [places[at][0] for at in np.flatnonzero(usual)]
    source = np.where(read[:, 16] == _LONG, _long(read[:, _SOURCE_AT:]), NEVER)
    sources = [NEVER if tick.source_ts is None else tick.source_ts for _, tick in odd]
    return Times(
        offset=_joined([record.offset for record in kept], [r.offset for r, _ in odd]),
        append=_joined([_append(record) for record in kept], [_append(r) for r, _ in odd]),
        ingest=_joined(_long(read[:, 0:8]), [tick.ingest_ts for _, tick in odd]),
        emit=_joined(_long(read[:, 8:16]), [tick.emit_ts or 0 for _, tick in odd]),
        source=_joined(source, sources),
        unreadable=unreadable,
    )


def _joined(usual: Any, odd: list[int]) -> Longs:
    return np.concatenate(
        [np.asarray(usual, dtype=np.int64).reshape(-1), np.asarray(odd, dtype=np.int64)]
    )


def _append(record: Record) -> int:
    """Return a record's Kafka time in microseconds; producers may send any number."""
    return record.timestamp * 1000 if 0 <= record.timestamp < 2**52 else NEVER


def _schema(schema_id: int, schema_of: SchemaOf) -> tuple[Any, bool] | str:
    try:
        schema = schema_of(schema_id)
    except Poison as error:
        return error.reason
    return schema, _leads_with_times(schema)


def _leads_with_times(schema: Any) -> bool:
    """Return whether a writer's schema begins as ours does, as plain longs."""
    fields = schema.get("fields", []) if isinstance(schema, dict) else []
    if tuple(field.get("name") for field in fields[:3]) != _LEADING:
        return False
    ingest, emit, source = (field.get("type") for field in fields[:3])
    return (
        _is_long(ingest)
        and _is_long(emit)
        and isinstance(source, list)
        and len(source) == 2
        and source[0] == "null"
        and _is_long(source[1])
    )


def _is_long(avro_type: Any) -> bool:
    return avro_type == "long" or (isinstance(avro_type, dict) and avro_type.get("type") == "long")


def _is_usual(front: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which fronts hold varints of eight bytes at their places; shape (n, 25) to (n,)."""
    ends = _is_eight_bytes(front[:, 0:8]) & _is_eight_bytes(front[:, 8:16])
    branch = front[:, 16]
    with_source = (branch == _LONG) & _is_eight_bytes(front[:, _SOURCE_AT:])
    found: NDArray[np.bool_] = ends & ((branch == _NULL) | with_source)
    return found


def _is_eight_bytes(varint: NDArray[np.uint8]) -> NDArray[np.bool_]:
    continued = varint >= 0x80
    found: NDArray[np.bool_] = continued[:, :7].all(axis=1) & ~continued[:, 7]
    return found


def _long(varint: NDArray[np.uint8]) -> Longs:
    """Return the longs of zigzag varints of eight bytes; shape (n, 8) to (n,)."""
    zigzag = ((varint & 0x7F).astype(np.uint64) << _SHIFTS).sum(axis=1, dtype=np.uint64)
    half = (zigzag >> np.uint64(1)).astype(np.int64)
    sign = (zigzag & np.uint64(1)).astype(np.int64)
    found: Longs = half ^ -sign
    return found


def _decoded(record: Record, schema: Any, unreadable: Counter[str]) -> Tick | None:
    try:
        tick = decode("tick", (record.value or b"")[HEADER_SIZE:], schema)
    except Poison as error:
        unreadable[error.reason] += 1
        return None
    assert isinstance(tick, Tick)
    return tick
