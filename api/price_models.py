"""Shapes of answers about prices: candles, trades, the latest state of outcomes, books."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from api.models import Amount, Instant


class Candle(Struct):
    """What one outcome did in one minute, hour or day of our clock, in UTC."""

    start_ts: Instant
    platform: Annotated[str, Meta(examples=["kalshi"])]
    market_id: str
    outcome_id: str
    open: Annotated[Amount | None, Meta(description="First trade; null without trades")]
    high: Annotated[Amount | None, Meta(description="Highest trade")]
    low: Annotated[Amount | None, Meta(description="Lowest trade")]
    close: Annotated[Amount | None, Meta(description="Last trade")]
    volume: Annotated[
        Amount, Meta(description="Traded contracts or shares, as far as the venue gave sizes")
    ]
    trades: Annotated[int, Meta(description="Number of trades", examples=[12])]
    mid_open: Annotated[
        Amount | None, Meta(description="First mid of a two-sided quote; null without one")
    ]
    mid_high: Amount | None
    mid_low: Amount | None
    mid_close: Amount | None
    bid: Annotated[
        Amount | None, Meta(description="Of the last quote; null: no quote, or that side empty")
    ]
    ask: Annotated[
        Amount | None, Meta(description="Of the last quote; null: no quote, or that side empty")
    ]


class CandlePage(Struct):
    """Candles of a market, and the cursor that continues after them; null at the end."""

    data: list[Candle]
    next_cursor: str | None


class Trade(Struct):
    """One fill."""

    ingest_ts: Instant
    source_ts: Instant | None
    platform: str
    market_id: str
    outcome_id: str
    outcome: str | None
    price: Amount | None
    size: Amount | None
    side: Annotated[
        Literal["buy", "sell"] | None, Meta(description="The taker's; null: the venue does not say")
    ]
    tick_id: str


class TradePage(Struct):
    """Trades, and the cursor that continues after them; null at the end."""

    data: list[Trade]
    next_cursor: str | None


class LatestOutcome(Struct):
    """The newest quote and the newest trade of one outcome; null where there was none."""

    platform: str
    market_id: str
    outcome_id: str
    outcome: str | None
    title: Annotated[str | None, Meta(description="The market's; null: not seen yet")]
    status: Annotated[str | None, Meta(description="The market's, as in /api/v1/markets")]
    bid: Amount | None
    bid_size: Amount | None
    ask: Amount | None
    ask_size: Amount | None
    mid: Annotated[Amount | None, Meta(description="Of bid and ask; null unless both are there")]
    quote_ts: Annotated[Instant | None, Meta(description="Ingest time of the quote")]
    quote_source_ts: Instant | None
    price: Annotated[Amount | None, Meta(description="Of the newest trade")]
    size: Amount | None
    side: Literal["buy", "sell"] | None
    trade_ts: Annotated[Instant | None, Meta(description="Ingest time of the trade")]
    trade_source_ts: Instant | None
    volume: Annotated[Amount | None, Meta(description="The venue's running total, as last told")]
    open_interest: Amount | None


class LatestPage(Struct):
    """Outcomes in alphabetical order of platform, market and outcome."""

    data: list[LatestOutcome]
    next_cursor: str | None


class Book(Struct):
    """The top of one outcome's book at an instant: the last quote at or before it."""

    platform: str
    market_id: str
    outcome_id: str
    outcome: str | None
    at: Instant
    bid: Annotated[Amount | None, Meta(description="null: that side was empty")]
    bid_size: Amount | None
    ask: Annotated[Amount | None, Meta(description="null: that side was empty")]
    ask_size: Amount | None
    mid: Amount | None
    spread: Amount | None
    quote_ts: Annotated[Instant, Meta(description="Ingest time of the quote")]
    source_ts: Instant | None
    sequence: int | None
    tick_id: str
    trusted: Annotated[
        bool, Meta(description="Whether nothing says that the book may have been another one")
    ]
    untrusted: Annotated[
        list[str],
        Meta(
            description="Why not: the reasons of the gaps that covered the instant; startup: the "
            "recording was away then, or no quote came since it was; silence: the platform had "
            "no tick for long",
            examples=[["disconnect"]],
        ),
    ]


class Books(Struct):
    """Books of a market, by platform and outcome; outcomes without a quote until then lack."""

    data: list[Book]


class CoverageHour(Struct):
    """How much of what a market did in an hour was recorded for sure."""

    platform: str
    market_id: str
    hour: Annotated[Instant, Meta(description="When the hour begins")]
    seconds: Annotated[
        float, Meta(description="Of the hour, those that are over", ge=0, le=3600, examples=[3600])
    ]
    trusted_seconds: Annotated[float, Meta(ge=0, le=3600, examples=[3540])]
    percent: Annotated[
        float, Meta(description="trusted_seconds of seconds", ge=0, le=100, examples=[98.333])
    ]
    reasons: Annotated[
        list[str],
        Meta(
            description="Why not the rest: gap reasons; startup: the recording was away; "
            "not_recorded: nothing was recorded yet, or is any more",
            examples=[["disconnect"]],
        ),
    ]


class Coverage(Struct):
    """A market's hours, the newest first."""

    data: list[CoverageHour]
