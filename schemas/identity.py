"""Deterministic ids: the same event gives the same id, whoever saw it and whenever."""

from __future__ import annotations

import hashlib
from uuid import UUID

_SEPARATOR = "\x1f"  # ASCII unit separator: no venue puts it into an id


def event_id(*parts: object) -> UUID:
    """Return the id of the event that ``parts`` describe.

    ``parts`` are joined as text, None as an empty part, hashed with BLAKE2b to 128 bits and given
    the version 8 form of RFC 9562. Nothing of ours (connection, receive time) may be among them
    when the id is to survive a reconnect.
    """
    text = _SEPARATOR.join("" if part is None else str(part) for part in parts)
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    number = int.from_bytes(digest)
    number = number & ~(0xF << 76) | (8 << 76)
    number = number & ~(0x3 << 62) | (2 << 62)
    return UUID(int=number)
