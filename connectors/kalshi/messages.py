"""Kalshi's market-data messages: books, tickers, trades, lifecycle. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from connectors.events import Applied, Event, Frame, Ignored
from connectors.kalshi import lifecycle, wire
from connectors.kalshi.books import MAX_BOOKS
from connectors.kalshi.sequence import Session, Stream
from connectors.kalshi.state import State
from connectors.kalshi.trades import trade_of
from schemas.errors import Poison

_snapshot = msgspec.json.Decoder(wire.Snapshot).decode
_delta = msgspec.json.Decoder(wire.Delta).decode
_ticker = msgspec.json.Decoder(wire.Ticker).decode
_trade = msgspec.json.Decoder(wire.Trade).decode
_lifecycle = msgspec.json.Decoder(lifecycle.Lifecycle).decode
_fee_update = msgspec.json.Decoder(lifecycle.FeeUpdate).decode


@dataclass(slots=True)
class Message:
    """A frame with the connection and subscription that it came by."""

    frame: Frame
    session: Session
    stream: Stream
    envelope: wire.Envelope


Handler = Callable[[State, Message], list[Event]]


def on_snapshot(state: State, message: Message) -> list[Event]:
    """Replace a book. ``id`` is there when get_snapshot was asked for."""
    return state.books.snapshot(
        message.frame,
        _numbered(message),
        message.envelope.seq,
        _snapshot(message.envelope.msg),
        asked=message.envelope.id is not None,
    )


def on_delta(state: State, message: Message) -> list[Event]:
    """Change a level."""
    return state.books.delta(
        message.frame, _numbered(message), message.envelope.seq, _delta(message.envelope.msg)
    )


def on_ticker(state: State, message: Message) -> list[Event]:
    """Note the totals; quote a market without a book."""
    books = state.books
    said = _ticker(message.envelope.msg)
    return books.quoting.ticker(message.frame, said, books.by_market)


def on_trade(state: State, message: Message) -> list[Event]:
    """Return the trade."""
    trade = _trade(message.envelope.msg)
    totals = state.books.quoting.totals(trade.market_ticker or "")
    tick = trade_of(message.frame, message.envelope.seq, trade, totals)
    if len(message.stream.markets) < MAX_BOOKS:
        message.stream.markets.add(tick.market_id)
    return [state.recent.fresh(tick)]


def on_lifecycle(state: State, message: Message) -> list[Event]:
    """Return the market if the message changed it."""
    news = _lifecycle(message.envelope.msg)
    if news.event_type not in lifecycle.KNOWN:
        return [Ignored(state.kind(f"lifecycle {news.event_type}"))]
    old = state.markets.by_id.get(news.market_ticker)
    new = lifecycle.changed(news, old, message.frame.received_us)
    if new is None:
        return [Ignored(f"lifecycle_{news.event_type}")]
    created = news.event_type == "created"
    changed = state.markets.describe(new) if created else state.markets.put(new)
    retired = state.retire(new, message.frame.received_us)
    return [*changed, *retired] or [Applied(f"lifecycle_{news.event_type}")]


def on_fee_update(state: State, message: Message) -> list[Event]:
    """Return the event's markets with their new fees."""
    update = _fee_update(message.envelope.msg)
    events: list[Event] = []
    for market in state.markets.of_event(update.event_ticker):
        events += state.markets.put(lifecycle.with_fee(market, update))
    return events or [Ignored("event_fee_update")]


def _numbered(message: Message) -> Stream:
    """Return the subscription. Raises Poison if the frame does not say its place in it: without
    sid and seq nobody could tell whether the book is whole."""
    if not message.stream.sid or message.envelope.seq is None:
        raise Poison("sequence", "a book message without sid or seq")
    return message.stream


HANDLERS: dict[str, Handler] = {
    "orderbook_snapshot": on_snapshot,
    "orderbook_delta": on_delta,
    "ticker": on_ticker,
    "trade": on_trade,
    "market_lifecycle_v2": on_lifecycle,
    "multivariate_market_lifecycle": on_lifecycle,
    "event_fee_update": on_fee_update,
}
"""By message type."""
