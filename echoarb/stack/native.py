"""ClickHouse's Native format for clients that ask for a newer revision of it. Pure.

The engine writes blocks of revision 0. With ``client_protocol_version`` in the URL (clickhouse-go,
and Grafana's plugin with it, sends 54460) a server puts block information before each block, and,
from 54454 on, a byte after each column's type that says whether it is stored sparsely. To put them
in, blocks are walked column by column. Source: ClickHouse documentation, "Native format"
specification; the constants are those of its ProtocolDefines.
"""

from __future__ import annotations

import re
from functools import lru_cache

REVISION_WITH_SPARSE_FLAG = 54454
REVISION_WITH_BUCKETS = 54480
"""From here on block information has a field that we don't write."""
BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"
"""Field 1, is_overflows: no; field 2, bucket_num: -1; end."""
NOT_SPARSE = b"\x00"

_WIDTHS = {
    **dict.fromkeys(("UInt8", "Int8", "Bool", "Enum8", "Nothing"), 1),
    **dict.fromkeys(("UInt16", "Int16", "Date", "Enum16", "BFloat16"), 2),
    **dict.fromkeys(("UInt32", "Int32", "Float32", "Date32", "DateTime", "IPv4", "Time"), 4),
    **dict.fromkeys(("UInt64", "Int64", "Float64", "DateTime64", "Time64"), 8),
    **dict.fromkeys(("UInt128", "Int128", "UUID", "IPv6"), 16),
    **dict.fromkeys(("UInt256", "Int256"), 32),
}
_TYPE = re.compile(r"(\w+)(?:\((.*)\))?\Z", re.DOTALL)
_NAMED = re.compile(r"(?:\w+|`(?:[^`\\]|\\.)*`) (?=\w)")
_PARTS = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|[(),]|[^(),'`]+")
_INDEX_WIDTHS = (1, 2, 4, 8)


class Unsupported(ValueError):
    """A column's type is none that this module can walk over, or the data is cut short."""


@lru_cache(maxsize=1000)
def _parsed(text: str) -> tuple[str, tuple[str, ...]]:
    """Return a type's name and its arguments."""
    found = _TYPE.match(text.strip())
    if found is None:
        raise Unsupported(f"type {text[:100]}")
    arguments, current, depth = [], "", 0
    for part in _PARTS.findall(found.group(2) or ""):
        if part == "," and depth == 0:
            arguments.append(current.strip())
            current = ""
            continue
        depth += {"(": 1, ")": -1}.get(part, 0)
        current += part
    return found.group(1), (*arguments, current.strip()) if current.strip() else ()


def _elements(name: str, arguments: tuple[str, ...]) -> tuple[str, ...]:
    """Return the types inside a type, in the order of their data."""
    if name == "Tuple":
        return tuple(_NAMED.sub("", each, count=1) for each in arguments)
    if name == "SimpleAggregateFunction":
        return arguments[1:]
    return arguments if name in ("Nullable", "Array", "Map", "LowCardinality") else ()


def _width(name: str, arguments: tuple[str, ...]) -> int:
    """Return the bytes of one value. Raises Unsupported."""
    if name == "FixedString":
        return int(arguments[0])
    if name.startswith("Decimal"):
        digits = int(arguments[0])
        return 4 if digits <= 9 else 8 if digits <= 18 else 16 if digits <= 38 else 32
    if name.startswith("Interval"):
        return 8
    if name not in _WIDTHS:
        raise Unsupported(f"type {name}")
    return _WIDTHS[name]


class _Walker:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def varint(self) -> int:
        value = shift = 0
        while True:
            if self.at >= len(self.data):
                raise Unsupported("the data is cut short")
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def skip(self, count: int) -> None:
        self.at += count
        if self.at > len(self.data):
            raise Unsupported("the data is cut short")

    def uint64(self) -> int:
        self.skip(8)
        return int.from_bytes(self.data[self.at - 8 : self.at], "little")

    def text(self) -> bytes:
        length = self.varint()
        self.skip(length)
        return self.data[self.at - length : self.at]

    def column(self, type_text: str, rows: int) -> None:
        self._prefix(type_text)
        self._values(type_text, rows)

    def _prefix(self, type_text: str) -> None:
        name, arguments = _parsed(type_text)
        if name == "LowCardinality":
            self.skip(8)  # version of the dictionary's serialization
            return
        for inner in _elements(name, arguments):
            self._prefix(inner)

    def _values(self, type_text: str, rows: int) -> None:
        name, arguments = _parsed(type_text)
        inner = _elements(name, arguments)
        if name == "String":
            for _ in range(rows):
                self.skip(self.varint())
        elif name == "Nullable":
            self.skip(rows)
            self._values(inner[0], rows)
        elif name in ("Array", "Map"):
            self.skip(8 * rows)
            last = int.from_bytes(self.data[self.at - 8 : self.at], "little") if rows else 0
            for each in inner:
                self._values(each, last)
        elif name in ("Tuple", "SimpleAggregateFunction"):
            for each in inner:
                self._values(each, rows)
            if name == "Tuple" and not inner:
                self.skip(rows)
        elif name == "LowCardinality":
            self._dictionary(inner[0], rows)
        else:
            self.skip(rows * _width(name, arguments))

    def _dictionary(self, type_text: str, rows: int) -> None:
        if rows == 0:
            return
        flags = self.uint64()
        name, arguments = _parsed(type_text)
        self._values(arguments[0] if name == "Nullable" else type_text, self.uint64())
        self.skip(self.uint64() * _INDEX_WIDTHS[flags & 3])


def upgraded(data: bytes, revision: int) -> bytes:
    """Return Native blocks of revision 0 as blocks of ``revision``.

    Revisions below 54454 are left as they are: their clients do without. Raises Unsupported.
    """
    if revision < REVISION_WITH_SPARSE_FLAG:
        return data
    if revision >= REVISION_WITH_BUCKETS:
        raise Unsupported(f"revision {revision}")
    walker, pieces = _Walker(data), []
    while walker.at < len(data):
        pieces.append(BLOCK_INFO)
        start = walker.at
        columns, rows = walker.varint(), walker.varint()
        for _ in range(columns):
            walker.text()
            type_text = walker.text().decode()
            pieces += [data[start : walker.at], NOT_SPARSE]
            start = walker.at
            walker.column(type_text, rows)
        pieces.append(data[start : walker.at])
    return b"".join(pieces)
