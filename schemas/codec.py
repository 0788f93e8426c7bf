"""Records to Avro datums and back. Exact: money never passes through a float."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from decimal import Context, Decimal
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import fastavro

from schemas.alert import Alert
from schemas.deadletter import DeadLetter
from schemas.errors import Poison
from schemas.framing import HEADER_SIZE, schema_id_of
from schemas.gap import Gap
from schemas.latency import Latency, LatencyBucket
from schemas.legupdate import LegUpdate
from schemas.market import Market, Outcome
from schemas.spread import Spread, SpreadEdge, SpreadLeg
from schemas.tick import Tick

Record = Tick | Gap | Market | DeadLetter | Latency | Spread | Alert | LegUpdate
RECORDS: dict[str, type[Any]] = {
    "tick": Tick,
    "gap": Gap,
    "market": Market,
    "deadletter": DeadLetter,
    "latency": Latency,
    "spread": Spread,
    "alert": Alert,
    "legupdate": LegUpdate,
}
"""Record class by schema name (the .avsc file's stem)."""
_PARTS: dict[tuple[str, str], type[Any]] = {
    ("market", "outcomes"): Outcome,
    ("latency", "buckets"): LatencyBucket,
    ("spread", "legs"): SpreadLeg,
    ("spread", "edges"): SpreadEdge,
}
"""Class of the records in an array, by schema and field name."""

SCALE = 8
_LIMIT = 10**18  # decimal(18, 8): at most 18 digits in all
_EXACT = Context(prec=60)  # wide enough that scaling a checked value never rounds


@cache
def schema_text(name: str) -> str:
    """Return schemas/<name>.avsc as compact JSON, the form that is registered."""
    text = (files("schemas") / f"{name}.avsc").read_text(encoding="utf-8")
    return json.dumps(json.loads(text), separators=(",", ":"))


@cache
def parsed_schema(name: str) -> Any:
    """Return schemas/<name>.avsc as fastavro reads it."""
    return fastavro.parse_schema(json.loads(schema_text(name)))


def scaled(value: Decimal) -> int:
    """Return ``value`` x 10^8 as an integer.

    Raises Poison("value") if it is not finite, has more than 8 decimal places or more than 18
    digits in all: rounding is the business of whoever knows what the number means.
    """
    if not value.is_finite():
        raise Poison("value", "a decimal is not finite")
    if value.adjusted() >= 18 - SCALE:
        raise Poison("value", f"a decimal of magnitude 1e{value.adjusted()} does not fit (18, 8)")
    shifted = _EXACT.scaleb(value, SCALE)
    whole = int(shifted)
    if (
        whole != shifted
        or bool(whole) != bool(value)
        or abs(whole) >= _LIMIT
        or len(value.as_tuple().digits) > _EXACT.prec
    ):
        raise Poison("value", f"a decimal has more than {SCALE} places")
    return whole


@lru_cache(maxsize=65_536)
def _decimal_bytes(value: Decimal) -> bytes:
    number = scaled(value)
    return number.to_bytes((number + (number < 0)).bit_length() // 8 + 1, "big", signed=True)


def _writer_of(avro_type: Any) -> Callable[[Any], Any] | None:
    """Return what turns a field's value into what fastavro takes; None if it is that already."""
    if isinstance(avro_type, list):
        return next((found for item in avro_type if (found := _writer_of(item))), None)
    if isinstance(avro_type, dict):
        if avro_type.get("logicalType") == "decimal":
            return _decimal_bytes
        if avro_type["type"] == "array":
            writers = _writers_of(avro_type["items"]["fields"])
            return lambda items: [_plain(item, writers) for item in items]
    return None


_Writers = tuple[tuple[str, Callable[[Any], Any] | None], ...]


def _writers_of(fields: list[dict[str, Any]]) -> _Writers:
    return tuple((field["name"], _writer_of(field["type"])) for field in fields)


@cache
def _writers(name: str) -> _Writers:
    return _writers_of(json.loads(schema_text(name))["fields"])


def _plain(record: Any, writers: _Writers) -> dict[str, Any]:
    values = {}
    for field, write in writers:
        value = getattr(record, field)
        values[field] = write(value) if write is not None and value is not None else value
    return values


def encode(record: Record) -> bytes:
    """Return the record's Avro datum, without framing.

    Raises Poison("value") if a field does not fit its type (a decimal of more than 18 digits,
    an emit_ts that was never set).
    """
    name = type(record).__name__.lower()
    values = _plain(record, _writers(name))
    buffer = io.BytesIO()
    try:
        fastavro.schemaless_writer(buffer, parsed_schema(name), values)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise Poison("value", f"{name} does not fit its schema: {error}") from error
    return buffer.getvalue()


def _micros(moment: Any) -> int:
    whole = moment.replace(microsecond=0)
    return int(whole.timestamp()) * 1_000_000 + int(moment.microsecond)


def _restored(name: str, values: dict[str, Any]) -> dict[str, Any]:
    for field, part in _PARTS.items():
        if field[0] == name:
            items = values[field[1]]
            values[field[1]] = tuple(
                part(**{key: _restore(value) for key, value in item.items()}) for item in items
            )
    return {key: _restore(value) for key, value in values.items()}


def _restore(value: Any) -> Any:
    if hasattr(value, "tzinfo"):
        return _micros(value)
    if isinstance(value, Decimal) and value.adjusted() >= 18 - SCALE:
        # fastavro rounds a longer one to 18 digits and says nothing
        raise Poison("value", f"a decimal of magnitude 1e{value.adjusted()} does not fit (18, 8)")
    return value


def decode(name: str, datum: bytes, writer_schema: Any = None) -> Record:
    """Return the record in ``datum``, written with ``writer_schema`` (ours if None).

    ``name`` is the schema name ("tick", ...). Raises Poison("truncated") if the datum ends early
    or cannot be read, as one of another schema can't, Poison("trailing") if bytes are left over,
    Poison("value") if a decimal is too long.
    """
    buffer = io.BytesIO(datum)
    reader_schema = parsed_schema(name)
    try:
        values: Any = fastavro.schemaless_reader(
            buffer, writer_schema if writer_schema is not None else reader_schema, reader_schema
        )
    except Exception as error:  # whatever a decoder raises over hostile bytes
        raise Poison("truncated", f"not a {name}: {type(error).__name__}") from error
    if buffer.tell() != len(datum):
        raise Poison("trailing", f"{len(datum) - buffer.tell()} bytes after a {name}")
    record: Record = RECORDS[name](**_restored(name, values))
    return record


def decode_framed(
    name: str, value: bytes, writer_schema_of: Callable[[int], Any] | None = None
) -> Record:
    """Return the record in a framed Kafka value. Raises Poison as ``decode`` and framing do."""
    schema_id = schema_id_of(value)
    writer = writer_schema_of(schema_id) if writer_schema_of else None
    return decode(name, value[HEADER_SIZE:], writer)
