"""Kalshi's answers to commands, and its errors (PROTOCOL 3.3). Pure."""

from __future__ import annotations

import contextlib

import msgspec

from connectors.events import Event, Ignored, Reconnect, Resubscribe
from connectors.kalshi import wire
from connectors.kalshi.messages import Handler, Message
from connectors.kalshi.sequence import BOOKS
from connectors.kalshi.state import State
from schemas.errors import Poison

MARKET_LIMIT = "market_limit"
TOO_MANY_REQUESTS = "too_many_requests"
TERMINAL = "terminal"
COMMAND_FAILED = "command_failed"
"""Reasons of Resubscribe: too many markets in one subscription (error 26), commands too fast
(18 and 27), the subscription is dead (10, 17 and 25), or it never began (the same, without sid)."""

_TERMINAL_CODES = (10, 17, 25)
_UNKNOWN_SID_CODE = 7
_LIMIT_CODE = 26
_WAIT_CODES = (18, 27)

_subscribed = msgspec.json.Decoder(wire.Subscribed).decode
_error = msgspec.json.Decoder(wire.ErrorMessage).decode
_tickers = msgspec.json.Decoder(wire.Tickers).decode


def on_subscribed(state: State, message: Message) -> list[Event]:
    """Note which channel a subscription number stands for."""
    said = _subscribed(message.envelope.msg)
    sid = said.sid if said.sid is not None else message.envelope.sid
    events: list[Event] = [Ignored("subscribed")]
    if sid is not None:
        events += state.subscribed(
            message.session, sid, said.channel[:64], message.frame.received_us
        )
    return events


def on_unsubscribed(state: State, message: Message) -> list[Event]:
    """End a subscription."""
    return [Ignored("unsubscribed"), *state.end(message.session, message.stream, "unsubscribed")]


def on_ok(state: State, message: Message) -> list[Event]:
    """Note which markets a subscription follows now, and drop the books that it left."""
    listed = message.envelope.market_tickers
    if listed is None and bytes(message.envelope.msg)[:1] == b"{":
        listed = _tickers(message.envelope.msg).market_tickers
    events: list[Event] = [Ignored("ok")]
    stream = message.stream
    if not isinstance(listed, list) or not stream.sid:
        return events
    now = {wire.checked_ticker(item if isinstance(item, str) else None) for item in listed}
    left, stream.markets = stream.markets - now, now
    if stream.channel == BOOKS:
        for market in sorted(left):
            if state.books.fed_by(market, message.frame.connection, stream.sid):
                events += state.books.forget(market, message.frame.received_us)
    return events


def on_error(state: State, message: Message) -> list[Event]:
    """Count an error by its code; ask the edge to act on those that end or refuse something."""
    said = _error(message.envelope.msg)
    code = said.code if 0 < said.code < 100 else 0
    events: list[Event] = [Ignored(f"error_{code}")]
    markets = _named(said)
    connection = message.frame.connection
    if code in _TERMINAL_CODES and message.stream.sid:
        markets = tuple(sorted(message.stream.markets))
        events += state.end(message.session, message.stream, f"error {code}")
        events.append(Resubscribe(connection, markets, TERMINAL))
    elif code in _TERMINAL_CODES:
        # Of a missing book the upkeep would know; that trades or lifecycle lack, nobody would.
        events.append(Resubscribe(connection, markets, COMMAND_FAILED))
    elif code == _LIMIT_CODE:
        events.append(Resubscribe(connection, markets, MARKET_LIMIT))
    elif code in _WAIT_CODES:
        events.append(Resubscribe(connection, markets, TOO_MANY_REQUESTS))
    elif code == _UNKNOWN_SID_CODE:
        # It ended and we missed that; asking it for snapshots would go on for ever.
        events.append(Reconnect(connection, "the venue does not know our subscription"))
    return events


def _named(said: wire.ErrorMessage) -> tuple[str, ...]:
    """Return the markets that an error names, as far as they can be read."""
    several = said.market_tickers if isinstance(said.market_tickers, list) else []
    named = [said.market_ticker] if said.market_ticker else several
    readable = []
    for market in named:
        with contextlib.suppress(Poison):
            readable.append(wire.checked_ticker(market if isinstance(market, str) else None))
    return tuple(readable)


HANDLERS: dict[str, Handler] = {
    "subscribed": on_subscribed,
    "unsubscribed": on_unsubscribed,
    "ok": on_ok,
    "error": on_error,
}
"""By message type."""
