"""Spread: where the venues of one pair stand. The Python side of spread.avsc."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class SpreadLeg:
    """One venue's side of a pair, after its transform. Field meanings are in spread.avsc."""

    platform: str
    probability: Decimal | None
    bid: Decimal | None
    bid_size: Decimal | None
    ask: Decimal | None
    ask_size: Decimal | None
    quote_ts: int | None
    unusable: str | None


@dataclass(frozen=True, slots=True)
class SpreadEdge:
    """The better direction between two venues. Field meanings are in spread.avsc."""

    buy: str
    sell: str
    difference: Decimal | None
    edge: Decimal | None
    fee_buy: Decimal | None
    fee_sell: Decimal | None
    size: Decimal | None
    play_money: bool


@dataclass(frozen=True, slots=True)
class Spread:
    """Field meanings are in spread.avsc, in this order. Times are UTC microseconds."""

    ts: int
    pair_id: str
    description: str
    verified: bool
    legs: tuple[SpreadLeg, ...]
    edges: tuple[SpreadEdge, ...]
    max_spread: Decimal | None
    max_spread_pair: str | None
    best_edge: Decimal | None
    best_edge_pair: str | None
    completeness: Decimal
    threshold: Decimal
