"""What the API answers, as frozen records. Fields that a newer API adds are passed over."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct


class Tick(Struct, frozen=True):
    """One change of the best quote, or one trade, of one outcome of one market."""

    ingest_ts: datetime
    emit_ts: datetime
    source_ts: datetime | None
    platform: str
    market_id: str
    outcome_id: str
    outcome: str | None
    kind: Literal["quote", "trade"]
    price: Decimal | None
    size: Decimal | None
    bid: Decimal | None
    bid_size: Decimal | None
    ask: Decimal | None
    ask_size: Decimal | None
    side: Literal["buy", "sell"] | None
    volume: Decimal | None
    open_interest: Decimal | None
    sequence: int | None
    tick_id: str
    append_ts: datetime
    stored_ts: datetime | None = None
    """None of a live tick."""


class Trade(Struct, frozen=True):
    """One fill."""

    ingest_ts: datetime
    source_ts: datetime | None
    platform: str
    market_id: str
    outcome_id: str
    outcome: str | None
    price: Decimal | None
    size: Decimal | None
    side: Literal["buy", "sell"] | None
    tick_id: str


class LatestOutcome(Struct, frozen=True):
    """The newest quote and the newest trade of one outcome."""

    platform: str
    market_id: str
    outcome_id: str
    outcome: str | None
    title: str | None
    status: str | None
    bid: Decimal | None
    bid_size: Decimal | None
    ask: Decimal | None
    ask_size: Decimal | None
    mid: Decimal | None
    quote_ts: datetime | None
    price: Decimal | None
    size: Decimal | None
    side: Literal["buy", "sell"] | None
    trade_ts: datetime | None
    volume: Decimal | None
    open_interest: Decimal | None


class Candle(Struct, frozen=True):
    """What one outcome did in one minute, hour or day."""

    start_ts: datetime
    platform: str
    market_id: str
    outcome_id: str
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    close: Decimal | None
    volume: Decimal
    trades: int
    mid_open: Decimal | None
    mid_high: Decimal | None
    mid_low: Decimal | None
    mid_close: Decimal | None
    bid: Decimal | None
    ask: Decimal | None


class Book(Struct, frozen=True):
    """The top of one outcome's book at an instant, and whether it can be trusted."""

    platform: str
    market_id: str
    outcome_id: str
    outcome: str | None
    at: datetime
    bid: Decimal | None
    bid_size: Decimal | None
    ask: Decimal | None
    ask_size: Decimal | None
    mid: Decimal | None
    spread: Decimal | None
    quote_ts: datetime
    trusted: bool
    untrusted: list[str]


class Outcome(Struct, frozen=True):
    """One outcome of a market."""

    outcome_id: str
    outcome: str


class Market(Struct, frozen=True):
    """A market as its venue last described it."""

    platform: str
    market_id: str
    event_id: str | None
    slug: str | None
    title: str
    outcomes: list[Outcome]
    status: str
    resolution: str | None
    open_ts: datetime | None
    close_ts: datetime | None
    unit: str
    tick_size: Decimal | None
    fee_type: str | None
    fee_rate: Decimal | None
    volume: Decimal | None
    seen_ts: datetime


class Gap(Struct, frozen=True):
    """A stretch in which a feed could not be trusted. ``market_id`` None: the whole platform."""

    gap_id: str | None
    platform: str
    market_id: str | None
    connection: str
    reason: str
    from_ts: datetime | None
    to_ts: datetime | None
    missed: int | None
    detail: str | None


class CoverageHour(Struct, frozen=True):
    """How much of what a market did in an hour was recorded for sure."""

    platform: str
    market_id: str
    hour: datetime
    seconds: float
    trusted_seconds: float
    percent: float
    reasons: list[str]


class LatencyStep(Struct, frozen=True):
    """How late one platform's ticks were at one stage; milliseconds."""

    start_ts: datetime
    platform: str
    stage: str
    count: int
    missing: int
    negative: int
    min_ms: float | None
    avg_ms: float | None
    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    floor_ms: float | None


class SpreadLeg(Struct, frozen=True):
    """One venue's side of a pair."""

    platform: str
    probability: Decimal | None
    bid: Decimal | None
    bid_size: Decimal | None
    ask: Decimal | None
    ask_size: Decimal | None
    quote_ts: datetime | None
    unusable: str | None


class SpreadEdge(Struct, frozen=True):
    """What is left of a difference between two venues after fees."""

    buy: str
    sell: str
    difference: Decimal | None
    edge: Decimal | None
    fee_buy: Decimal | None
    fee_sell: Decimal | None
    size: Decimal | None
    play_money: bool


class Spread(Struct, frozen=True):
    """Where the venues of one pair stand."""

    pair_id: str
    description: str
    timestamp: datetime
    max_spread: Decimal | None
    max_spread_pair: str | None
    best_edge: Decimal | None
    best_edge_pair: str | None
    data_completeness: Decimal
    verified: bool
    threshold: Decimal
    legs: list[SpreadLeg]
    edges: list[SpreadEdge]


class Pair(Struct, frozen=True):
    """A configured pair. ``legs`` are as the pair file has them."""

    id: str
    description: str
    alert_threshold: Decimal
    resolution: str | None
    verified: dict[str, Any] | None
    legs: list[dict[str, Any]]


class Alert(Struct, frozen=True):
    """Something that a person should look at, in its last known state."""

    alert_id: str
    rule: str
    subject: str
    state: Literal["raised", "acknowledged", "cleared"]
    severity: Literal["low", "medium", "high", "critical"]
    message: str
    raised_ts: datetime
    updated_ts: datetime
    cleared_ts: datetime | None
    platform: str | None
    market_id: str | None
    pair_id: str | None
    value: Decimal | None
    threshold: Decimal | None
    unit: str | None
    acknowledged_by: str | None
    acknowledged_ts: datetime | None
    acknowledged_note: str | None
