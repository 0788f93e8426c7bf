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
