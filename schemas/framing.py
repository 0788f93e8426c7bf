"""Confluent wire format: a zero byte, a 4-byte big-endian schema id, the Avro datum.

Source: Confluent's "Wire format" page of the Schema Registry documentation.
"""

from __future__ import annotations

import struct

from schemas.errors import Poison

HEADER = struct.Struct(">bI")
HEADER_SIZE = HEADER.size
"""Five bytes."""


def frame(schema_id: int, datum: bytes) -> bytes:
    """Return ``datum`` behind its five-byte header."""
    return HEADER.pack(0, schema_id) + datum


def schema_id_of(value: bytes | None) -> int:
    """Return the schema id of a framed value. Raises Poison("framing") if it has none."""
    if value is None:
        raise Poison("framing", "the value is null")
    if len(value) < HEADER_SIZE or value[0] != 0:
        raise Poison("framing", f"no Confluent header in {len(value)} bytes")
    schema_id: int = HEADER.unpack_from(value)[1]
    return schema_id
