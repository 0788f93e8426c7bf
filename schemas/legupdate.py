"""LegUpdate: one thing that a pair's spread rests on. The Python side of legupdate.avsc."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

LegUpdateKind = Literal["quote", "gap", "market"]


@dataclass(frozen=True, slots=True)
class LegUpdate:
    """Field meanings are in legupdate.avsc, in this order. Times are UTC microseconds."""

    ts: int
    pair_id: str
    platform: str
    market_id: str | None
    outcome_id: str | None
    what: LegUpdateKind
    bid: Decimal | None = None
    bid_size: Decimal | None = None
    ask: Decimal | None = None
    ask_size: Decimal | None = None
    reason: str | None = None
    from_ts: int | None = None
    to_ts: int | None = None
    status: str | None = None
    unit: str | None = None
    fee_type: str | None = None
    fee_rate: Decimal | None = None

    @property
    def key(self) -> str:
        """The record key: what a newer record with the same key replaces."""
        parts = [self.pair_id, self.platform, self.market_id or "*", self.outcome_id or "-"]
        return "|".join([*parts, f"gap:{self.reason}" if self.what == "gap" else self.what])
