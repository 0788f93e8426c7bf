"""Tick: one change of the best quote, or one trade. The Python side of tick.avsc."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal
from uuid import UUID

Kind = Literal["quote", "trade"]
Side = Literal["buy", "sell"]


@dataclass(frozen=True, slots=True)
class Tick:
    """Field meanings and units are in tick.avsc, in this order.

    Times are UTC microseconds, money and sizes are exact decimals of at most 8 places, missing
    is None. ``emit_ts`` is None until the record is handed to the producer.
    """

    ingest_ts: int
    emit_ts: int | None
    source_ts: int | None
    platform: str
    market_id: str
    outcome_id: str
    outcome: str | None
    kind: Kind
    price: Decimal | None
    size: Decimal | None
    bid: Decimal | None
    bid_size: Decimal | None
    ask: Decimal | None
    ask_size: Decimal | None
    side: Side | None
    volume: Decimal | None
    open_interest: Decimal | None
    sequence: int | None
    tick_id: UUID
