"""Market: what a venue says of one market. The Python side of market.avsc."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

MarketStatus = Literal["unknown", "upcoming", "open", "paused", "closed", "resolved"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One outcome that has a book or price of its own."""

    outcome_id: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Market:
    """Field meanings are in market.avsc, in this order. Times are UTC microseconds."""

    seen_ts: int
    platform: str
    market_id: str
    event_id: str | None
    slug: str | None
    title: str
    outcomes: tuple[Outcome, ...]
    status: MarketStatus
    resolution: str | None
    open_ts: int | None
    close_ts: int | None
    unit: str
    tick_size: Decimal | None
    min_size: Decimal | None
    fee_type: str | None
    fee_rate: Decimal | None
    volume: Decimal | None
    mechanism: str | None
