"""How values look to clients: JSON and CSV text from one function each, and Arrow streams.

Decimals are strings of their exact value without needless zeros, never in exponent form. Times are
RFC 3339, UTC, always with microseconds. Missing is null in JSON and Arrow, empty in CSV.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import fields
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from schemas.clock import isoformat
from schemas.gap import Gap
from schemas.tick import Tick

Format = Literal["json", "csv", "arrow"]
MEDIA_TYPES: dict[Format, str] = {
    "json": "application/json",
    "csv": "text/csv",
    "arrow": "application/vnd.apache.arrow.stream",
}
_QUALITY = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")
_JSON = msgspec.json.Encoder()


def best_form(accept: str) -> Format | None:
    """Return the form that an Accept header likes best; None if it refuses every one.

    The most specific range that covers a form says how much it is liked, 0 being not at all
    (RFC 9110, 12.5.1). Between equals the one that is named wins, then the first of ours.
    """
    liked: dict[str, float] = {}
    for item in accept.lower().split(","):
        media_range, *parameters = (part.strip() for part in item.split(";"))
        given = [text[2:] for text in parameters if text.startswith("q=")]
        liked[media_range] = float(given[0]) if given and _QUALITY.fullmatch(given[0]) else 1.0

    def liking(form: Format) -> tuple[float, int]:
        media_type = MEDIA_TYPES[form]
        ranges = ("*/*", f"{media_type.partition('/')[0]}/*", media_type)
        return next(((liked[ranges[at]], at) for at in (2, 1, 0) if ranges[at] in liked), (0.0, 0))

    best = max(MEDIA_TYPES, key=liking)
    return best if liking(best)[0] > 0 else None


def decimal_text(value: Decimal) -> str:
    """Return the exact value, such as ``0.42``: no exponent, no trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def valid(table: pa.Table) -> pa.Table:
    """Return the table with U+FFFD for bytes that are no UTF-8.

    The sink and ClickHouse take a text's bytes as they are; one bad record must not spoil the page.
    """
    try:
        table.validate(full=True)
    except pa.ArrowInvalid:
        return pa.table({name: _valid_column(table.column(name)) for name in table.column_names})
    return table


def _valid_column(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    kind = _of_bytes(column.type)
    return (
        column
        if kind == column.type
        else pa.array(_text(column.cast(kind).to_pylist()), column.type)
    )


def _of_bytes(kind: pa.DataType) -> pa.DataType:
    """Return the type with bytes in the place of texts, at any depth."""
    if pa.types.is_string(kind):
        return pa.binary()
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_of_bytes(kind.value_type)))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_of_bytes(field.type)) for field in kind])
    return kind


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, list):
        return [_text(item) for item in value]
    return {name: _text(item) for name, item in value.items()} if isinstance(value, dict) else value


def readable(column: pa.ChunkedArray) -> list[Any]:
    """Return a column's values as they appear in JSON."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        naive = column.cast(pa.timestamp("us"))
        texts: list[Any] = pc.strftime(naive, format="%Y-%m-%dT%H:%M:%SZ").to_pylist()
        return texts
    values: list[Any] = column.to_pylist()
    if pa.types.is_decimal(kind):
        return [None if value is None else decimal_text(value) for value in values]
    if isinstance(kind, pa.UuidType):
        return [None if value is None else str(value) for value in values]
    return values


def rows(table: pa.Table) -> list[dict[str, Any]]:
    """Return a table's rows as JSON objects with the values that ``readable`` gives."""
    names = table.column_names
    columns = [readable(table.column(name)) for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def to_json(table: pa.Table, next_cursor: str | None) -> bytes:
    """Return ``{"data": [...], "next_cursor": ...}``."""
    return _JSON.encode({"data": rows(table), "next_cursor": next_cursor})


def listing(table: pa.Table, limit: int, cursor_of: Callable[[dict[str, Any]], str]) -> bytes:
    """Return a page in JSON from a table of at most ``limit`` + 1 rows.

    ``cursor_of`` gives the cursor that continues after a row.
    """
    data = rows(table)
    more = len(data) > limit
    page = data[:limit]
    return _JSON.encode({"data": page, "next_cursor": cursor_of(page[-1]) if more else None})


def to_csv(table: pa.Table) -> bytes:
    """Return RFC 4180 text with a header line."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(table.column_names)
    columns = [_csv_texts(table.column(name)) for name in table.column_names]
    writer.writerows(zip(*columns, strict=True))
    return text.getvalue().encode()


def _csv_texts(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_boolean(column.type):  # as in JSON, not as Python has it
        return column.cast(pa.string()).to_pylist()  # type: ignore[no-any-return]
    return readable(column)


def to_arrow(table: pa.Table) -> bytes:
    """Return an Arrow IPC stream: decimal128(18, 8), timestamp[us, UTC], UUIDs as text."""
    plain = pa.table({name: _plain(table.column(name)) for name in table.column_names})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, plain.schema) as writer:
        writer.write_table(plain)
    return bytes(sink.getvalue())


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    if isinstance(column.type, pa.UuidType):
        return pa.array(readable(column), pa.string())
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us", tz="UTC"))
    return column


def record_object(record: Tick | Gap) -> dict[str, Any]:
    """Return a record as the JSON object that REST gives for the same field values."""
    return {
        field.name: _record_value(field.name, getattr(record, field.name))
        for field in fields(record)
    }


def _record_value(name: str, value: Any) -> Any:
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, UUID):
        return str(value)
    if value is not None and name.endswith("_ts"):
        return isoformat(value)
    return value
