"""Kalshi trades of every era, from the socket and from REST, as ticks. Pure."""

from __future__ import annotations

from collections import OrderedDict
from uuid import UUID

from connectors.amounts import ONE, decimal
from connectors.events import Event, Frame, Ignored
from connectors.kalshi import wire
from connectors.kalshi.quoting import OUTCOME, PLATFORM, Totals
from connectors.quotes import trade_tick
from schemas.errors import Poison
from schemas.tick import Side, Tick

REMEMBERED = 50_000
_BUYS: dict[str, Side] = {"yes": "buy", "bid": "buy", "no": "sell", "ask": "sell"}


def trade_of(frame: Frame, seq: int | None, message: wire.Trade, totals: Totals) -> Tick:
    """Return the trade in YES terms. Raises Poison("value"), Poison("market"), Poison("time").

    The side is the taker's: taking YES is a buy, taking NO a sell of YES (PROTOCOL 3.7).
    """
    market = wire.checked_ticker(message.market_ticker or message.ticker)
    price = wire.checked_price(_yes_price(message))
    size = wire.first(message.count_fp, message.count)
    if size is None or size <= 0:
        raise Poison("value", "a trade without size")
    taker = (
        message.taker_outcome_side
        or message.taker_side
        or message.taker_book_side
        or message.side
        or ""
    )
    side = _BUYS.get(taker)
    text = message.created_time if message.created_time is not None else message.ts
    source_us = wire.instant(message.ts_ms, text, message.ts)
    identity: tuple[object, ...] = (message.trade_id,)
    if not message.trade_id:
        identity = (source_us, price, size, side)
    return trade_tick(
        platform=PLATFORM,
        market_id=market,
        outcome_id=market,
        outcome=OUTCOME,
        price=decimal(price),
        size=decimal(size),
        side=side,
        identity=identity,
        ingest_us=frame.received_us,
        source_us=source_us,
        volume=totals.volume,
        open_interest=totals.open_interest,
        sequence=seq,
    )


def _yes_price(message: wire.Trade) -> int | None:
    yes = wire.first(message.yes_price_dollars)
    if yes is not None:
        return yes
    no = wire.first(message.no_price_dollars)
    if no is not None:
        return ONE - no
    if message.yes_price is not None:
        return wire.first(wire.cents(message.yes_price))
    if message.no_price is not None:
        return wire.first(wire.cents(100 - message.no_price))
    return wire.first(wire.cents(message.price)) if isinstance(message.price, int) else None


class RecentTrades:
    """The trades emitted lately: REST pages overlap each other and the socket."""

    def __init__(self) -> None:
        self._ids: OrderedDict[UUID, None] = OrderedDict()

    def fresh(self, tick: Tick) -> Event:
        """Return the tick the first time it is seen."""
        if tick.tick_id in self._ids:
            return Ignored("duplicate_trade")
        self._ids[tick.tick_id] = None
        if len(self._ids) > REMEMBERED:
            self._ids.popitem(last=False)
        return tick
