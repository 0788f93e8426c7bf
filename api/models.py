"""Shapes of answers, for the OpenAPI document and for the small answers themselves."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

Instant = Annotated[
    str,
    msgspec.Meta(
        description="RFC 3339, UTC, microseconds", examples=["2026-08-10T22:45:00.123400Z"]
    ),
]
Environment = Literal["development", "staging", "production"]
Amount = Annotated[
    str, msgspec.Meta(description="Exact decimal of at most 8 places", examples=["0.42"])
]


class Tick(msgspec.Struct):
    """One change of the best quote, or one trade, of one outcome of one market."""

    ingest_ts: Instant
    emit_ts: Instant
    source_ts: Instant | None
    platform: str
    market_id: str
    outcome_id: str
    outcome: str | None
    kind: Literal["quote", "trade"]
    price: Amount | None
    size: Amount | None
    bid: Amount | None
    bid_size: Amount | None
    ask: Amount | None
    ask_size: Amount | None
    side: Literal["buy", "sell"] | None
    volume: Amount | None
    open_interest: Amount | None
    sequence: int | None
    tick_id: str
    topic_id: str
    kafka_partition: int
    kafka_offset: int
    append_ts: Instant
    stored_ts: Instant


class TickPage(msgspec.Struct):
    """Ticks, and the cursor that continues after them; null at the end."""

    data: list[Tick]
    next_cursor: str | None


class ClassicTick(msgspec.Struct):
    """A tick with the older system's fields; times are milliseconds, decimals are numbers."""

    source: Annotated[str, msgspec.Meta(examples=["KALSHI"])]
    contract_id: Annotated[str, msgspec.Meta(description="Polymarket: the token, else the market")]
    price: Annotated[
        float | None, msgspec.Meta(description="Of a trade; of a quote its mid, if it has one")
    ]
    ts_source: int | None
    ts_ingest: int
    ts_emit: int
    timestamp: Annotated[Instant, msgspec.Meta(description="The venue's time, or ours without it")]
    latency_ms: int | None
    yes_bid: float | None
    yes_ask: float | None
    no_bid: float | None
    no_ask: float | None
    spread: float | None
    last_price: float | None
    bid_size: float | None
    ask_size: float | None
    trade_size: float | None
    trade_side: str | None
    volume: float | None
    open_interest: float | None
    market_id: str
    outcome_id: str
    event_type: Literal["quote", "trade"]
    market_name: Annotated[None, msgspec.Meta(description="Not in a tick: see /api/v1/markets")]
    dollar_volume: Annotated[None, msgspec.Meta(description="Not in a tick")]
    dollar_open_interest: Annotated[None, msgspec.Meta(description="Not in a tick")]
    fee_rate_bps: Annotated[None, msgspec.Meta(description="Not in a tick: see /api/v1/markets")]


class ClassicTickPage(msgspec.Struct):
    """Ticks with the older system's fields; next_cursor is null at the end."""

    data: list[ClassicTick]
    next_cursor: str | None


class Outcome(msgspec.Struct):
    """One outcome that has a book or price of its own."""

    outcome_id: str
    outcome: str


class Market(msgspec.Struct):
    """What a venue last said of one market."""

    platform: str
    market_id: str
    event_id: str | None
    slug: str | None
    title: str
    outcomes: list[Outcome]
    status: Literal["unknown", "upcoming", "open", "paused", "closed", "resolved"]
    resolution: str | None
    open_ts: Instant | None
    close_ts: Instant | None
    unit: str
    tick_size: Amount | None
    min_size: Amount | None
    fee_type: str | None
    fee_rate: Amount | None
    volume: Amount | None
    mechanism: str | None
    seen_ts: Instant


class MarketPage(msgspec.Struct):
    """Markets in alphabetical order of platform and market id."""

    data: list[Market]
    next_cursor: str | None


class Gap(msgspec.Struct):
    """A stretch during which a stream could not be trusted, in its last known state."""

    gap_id: str
    platform: str
    market_id: Annotated[str | None, msgspec.Meta(description="null: every market of the platform")]
    connection: str
    reason: str
    from_ts: Annotated[Instant | None, msgspec.Meta(description="null: unknown")]
    to_ts: Annotated[Instant | None, msgspec.Meta(description="null: still open")]
    missed: int | None
    detail: str | None
    append_ts: Instant
    first_ts: Annotated[Instant, msgspec.Meta(description="When the gap was first published")]


class GapPage(msgspec.Struct):
    """Gaps, the one published last first."""

    data: list[Gap]
    next_cursor: str | None


class PlatformTotals(msgspec.Struct):
    """What is recorded of one platform."""

    platform: str
    markets: int
    outcomes: int
    last_tick_ts: Instant
    recent_ticks: Annotated[int, msgspec.Meta(description="Ticks of the last five minutes")]


class RecordedMarket(msgspec.Struct):
    """A market that ticks were stored of."""

    platform: str
    market_id: str
    outcomes: list[str]
    last_quote_ts: Instant | None
    last_trade_ts: Instant | None


class Live(msgspec.Struct):
    """WebSocket clients of this process."""

    clients: int
    subscriptions: int


class Subscriptions(msgspec.Struct):
    """What this deployment records, and who listens."""

    platforms: list[PlatformTotals]
    data: list[RecordedMarket]
    next_cursor: str | None
    count: Annotated[int, msgspec.Meta(description="Markets recorded on all platforms")]
    live: Live


class Service(msgspec.Struct):
    """What this is and where to read on."""

    service: str
    version: str
    environment: Environment
    docs: str
    openapi: str
    health: str
    ready: str
    websocket: str


class Health(msgspec.Struct):
    """The process is alive; degraded: Kafka can't be followed, so nothing is live."""

    status: Literal["healthy", "degraded"]
    environment: Environment
    kafka_connected: bool
    market_pairs: Annotated[int, msgspec.Meta(description="Configured pairs")]


class Ready(msgspec.Struct):
    """Everything that answers depend on is there."""

    status: Literal["ready"]
    dependencies: dict[str, str]


class Problem(msgspec.Struct, omit_defaults=True):
    """An error, in the form of RFC 9457."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"
    request_id: str | None = None
    errors: list[dict[str, str]] | None = None
    dependencies: dict[str, Any] | None = None
