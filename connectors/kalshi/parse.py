"""Kalshi's frames to ticks, gaps and markets. Pure: no I/O, no clock, never raises.

What each message means is in messages.py, control.py and rest.py; here a frame finds its
subscription, its number is checked, and what can't be read becomes a counted loss.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import msgspec

from connectors.book import Book
from connectors.events import Event, Frame, Ignored, Rejected, SnapshotNeeded
from connectors.kalshi import control, messages, rest, wire
from connectors.kalshi.books import rejected
from connectors.kalshi.messages import Handler, Message
from connectors.kalshi.quoting import PLATFORM
from connectors.kalshi.sequence import BOOKS, CHANNEL_OF_TYPE, Session, Stream
from connectors.kalshi.state import State
from schemas.errors import Poison
from schemas.gap import GapReason
from schemas.market import Market

HANDLERS: dict[str, Handler] = messages.HANDLERS | control.HANDLERS
# Kinds that carry nothing for us, and channels that we don't subscribe to (PROTOCOL 3.9).
_UNUSED = frozenset(
    ("event_lifecycle", "multivariate", "multivariate_lookup", "ticker_v2", "cfbenchmarks_value",
     "cfbenchmarks_value_5hz", "pyth_value", "fill", "user_orders", "market_positions",
     "order_group_updates", "communications")
)  # fmt: skip

_envelope = msgspec.json.Decoder(wire.Envelope).decode


class Parser:
    """Kalshi's side of ``connectors.contract.Parser``.

    ``extract``: the recording holds only some markets of its subscriptions, so that jumps of the
    sequence number are no losses.
    """

    platform: ClassVar[str] = PLATFORM

    def __init__(self, *, extract: bool = False) -> None:
        self._extract = extract
        self._state = State()
        self.markets: dict[str, Market] = self._state.markets.by_id

    def receive(self, frame: Frame) -> list[Event]:
        """Return what the frame means; never an empty list."""
        try:
            if frame.rest is not None:
                return rest.answer(self._state, frame, frame.rest)
            return self._message(frame)
        except Poison as error:
            return [rejected(error)]

    def disconnected(
        self, connection: str, at_us: int, reason: GapReason, detail: str
    ) -> list[Event]:
        """Mark every book that came by this connection untrusted and return the Gaps opened."""
        return self._state.disconnected(connection, at_us, reason, detail)

    def books(self) -> Iterable[Book]:
        """Return every book as it stands, by market."""
        by_market = self._state.books.by_market
        return [by_market[market].book for market in sorted(by_market)]

    def book(self, market_id: str) -> Book | None:
        """Return one market's book, None if none was seen."""
        followed = self._state.books.by_market.get(market_id)
        return None if followed is None else followed.book

    def sid(self, connection: str, channel: str) -> int | None:
        """Return the number of a channel's subscription on an open connection, once known."""
        session = self._state.session_of(connection)
        stream = None if session is None else session.stream_of(channel)
        return None if stream is None else stream.sid

    def followed(self, connection: str) -> set[str]:
        """Return the markets whose books this connection is sent."""
        session = self._state.session_of(connection)
        stream = None if session is None else session.stream_of(BOOKS)
        return set() if stream is None else set(stream.markets)

    def last_us(self, connection: str) -> int:
        """Return when the connection last brought anything; 0 if never."""
        session = self._state.session_of(connection)
        return 0 if session is None else session.last_us

    def _message(self, frame: Frame) -> list[Event]:
        session, events = self._state.enter(frame)
        try:
            envelope = _envelope(frame.text)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
            shape = isinstance(error, msgspec.ValidationError)
            events.append(Rejected("shape" if shape else "not_json", str(error)[:200]))
            # It may have been of any subscription of this connection.
            for stream in session.streams.values():
                events += self._state.lost(session, stream, frame, "parse_failure")
            return events
        try:
            return self._placed(frame, session, envelope, events)
        except Poison as error:
            return [*events, rejected(error)]

    def _placed(
        self, frame: Frame, session: Session, envelope: wire.Envelope, events: list[Event]
    ) -> list[Event]:
        """Find the frame's subscription and check its number before it is handled."""
        stream = Stream(0)
        if envelope.sid is not None and envelope.type != "subscribed":
            channel = CHANNEL_OF_TYPE.get(envelope.type, "")
            stream = self._state.stream(session, envelope.sid, channel)
        message = Message(frame, session, stream, envelope)
        if envelope.seq is None or not stream.sid:
            return [*events, *self._handled(message)]
        if not 0 < envelope.seq < 2**63:
            lost = self._state.lost(session, stream, frame, "parse_failure")
            return [*events, Rejected("sequence", "a number out of range"), *lost]
        disturbance = self._numbered(message, envelope.seq)
        events += disturbance
        if not (disturbance and isinstance(disturbance[0], Ignored)):
            events += self._handled(message)
        stream.last_us = frame.received_us
        return self._still_needed(events) if disturbance else events

    def _numbered(self, message: Message, seq: int) -> list[Event]:
        """Return what the frame's number says was lost; Ignored if the frame is a repeat."""
        stream, last = message.stream, message.stream.last
        verdict = stream.check(seq, message.frame.text, extract=self._extract)
        if verdict == "next":
            return []
        if verdict == "duplicate":
            return [Ignored("duplicate")]
        jumped = verdict == "jump"
        return self._state.lost(
            message.session,
            stream,
            message.frame,
            "sequence",
            missed=seq - last - 1 if jumped else None,
            detail=f"{last} to {seq}" if jumped else f"back from {last} to {seq}",
        )

    def _handled(self, message: Message) -> list[Event]:
        """Call the handler; what it can't read is a loss for the market or the subscription."""
        envelope = message.envelope
        handler = HANDLERS.get(envelope.type)
        if handler is None:
            known = envelope.type in _UNUSED
            return [Ignored(envelope.type if known else self._state.kind(envelope.type))]
        try:
            return handler(self._state, message)
        except Poison as error:
            problem = rejected(error)
        except (msgspec.MsgspecError, RecursionError) as error:
            problem = Rejected("shape", f"{envelope.type}: {str(error)[:200]}")
        lost = self._state.lost(
            message.session, message.stream, message.frame, "parse_failure",
            market=_market_of(envelope.msg),
        )  # fmt: skip
        return [problem, *lost]

    def _still_needed(self, events: list[Event]) -> list[Event]:
        """Leave out of the requests what the frame that showed a loss has brought itself."""
        result: list[Event] = []
        for event in events:
            if isinstance(event, SnapshotNeeded):
                books = ((market, self.book(market)) for market in event.market_ids)
                left = tuple(name for name, book in books if book is None or not book.trusted)
                if left:
                    result.append(SnapshotNeeded(event.connection, left))
            else:
                result.append(event)
        return result


def _market_of(raw: msgspec.Raw) -> str | None:
    """Return the market that an unreadable message names, if that much can be read."""
    try:
        said: Any = msgspec.json.decode(raw)
        return wire.checked_ticker(said["market_ticker"])
    except (Poison, KeyError, TypeError, AttributeError, ValueError, RecursionError):
        return None
