"""Gap: a stretch during which a stream could not be trusted. The Python side of gap.avsc."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

GapReason = Literal[
    "other",
    "startup",
    "disconnect",
    "silence",
    "sequence",
    "overflow",
    "crossed_book",
    "book_mismatch",
    "parse_failure",
    "subscription",
]


@dataclass(frozen=True, slots=True)
class Gap:
    """Field meanings are in gap.avsc, in this order. Times are UTC microseconds."""

    gap_id: UUID
    platform: str
    market_id: str | None
    connection: str
    reason: GapReason
    from_ts: int | None
    to_ts: int | None
    missed: int | None
    detail: str | None
