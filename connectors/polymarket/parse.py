"""Polymarket's frames to ticks, gaps and markets. Pure: no I/O, no clock.

What each frame means: PROTOCOL sections 3 to 7. REST answers arrive as ``rest:books`` (POST
/books), ``rest:book``, ``rest:markets`` and ``rest:events`` (Gamma, any of its page forms).
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

from connectors.amounts import ONE, decimal, units
from connectors.book import Book
from connectors.events import Applied, Event, Frame, Ignored, Rejected
from connectors.json import Row, decode, row, rows
from connectors.polymarket.book_hash import three_decimals
from connectors.polymarket.books import Books
from connectors.polymarket.catalogue import Catalogue
from connectors.polymarket.messages import read_book, read_changes, read_tick_size, read_trade
from connectors.polymarket.metadata import PLATFORM, entries
from connectors.polymarket.wire import identifier, price, text
from connectors.quotes import trade_tick
from schemas.errors import Poison
from schemas.gap import GapReason
from schemas.market import Market

MOST_EVENTS = 50_000
"""Events of one array frame; a first frame has one per token."""
MOST_SLOTS = 1_000
MOST_UNKNOWN_KINDS = 50
MOST_REMEMBERED_EVENTS = 50_000
"""The newest trades and tick size changes, by which repeated ones are recognised."""
_CHANGES_NO_BOOK = ("best_bid_ask", "new_market")
"""Kinds of which an unreadable one leaves every book as right as it was."""
_SILENT_ANSWERS = ("midpoint", "spread", "price", "tick-size", "fee-rate", "time", "clob-markets",
                   "trades", "prices-history")  # fmt: skip


class Parser:
    """The state of the venue's streams, fed with frames.

    ``following`` is for the edge: it asks what needs a look by REST.
    """

    platform: ClassVar[str] = PLATFORM

    def __init__(
        self,
        most_markets: int = 300_000,
        most_tokens: int = 200_000,
        hash_searches_per_second: int = 100,
    ) -> None:
        """``hash_searches_per_second``: how many hashes may be searched through all prices, at
        1 ms each, in a second of frame time; 1 in 200 of the recorded books needed it."""
        self._catalogue = Catalogue(most_markets)
        self.markets: dict[str, Market] = self._catalogue.markets
        self.following = Books(
            PLATFORM,
            self._catalogue.label,
            self._catalogue.inputs,
            self._catalogue.is_over,
            most_tokens=most_tokens,
            searches_per_second=hash_searches_per_second,
        )
        self.hashes: Counter[str] = self.following.hashes
        self._seen: OrderedDict[tuple[object, ...], None] = OrderedDict()
        self._heard: OrderedDict[str, tuple[str, int]] = OrderedDict()
        """Open connection and time of its last frame, by slot."""
        self._before_us = 0
        """When the connection of the present frame was heard before it."""
        self._unknown: set[str] = set()

    def books(self) -> Iterable[Book]:
        """Return every book as it stands, by market and token."""
        return self.following.tokens.books()

    def heard_us(self, connection: str) -> int | None:
        """Return when this open connection last said anything, a PONG included."""
        heard = self._heard.get(connection.partition("/")[0])
        return heard[1] if heard is not None and heard[0] == connection else None

    def receive(self, frame: Frame) -> list[Event]:
        """Return what the frame means; never an empty list."""
        if frame.rest is not None:
            return self._answer(frame.rest, frame)
        events = self._replaced(frame)
        if frame.text in ("PONG", "PING", ""):
            return [*events, Ignored(frame.text.lower() or "empty")]
        try:
            value = decode(frame.text)
            parts = rows(value, "frame", MOST_EVENTS) if isinstance(value, list) else [value]
        except Poison as error:
            return [*events, Rejected(error.reason, error.detail), *self._unreadable(frame, None)]
        if not parts:
            return [*events, Ignored("empty_array")]
        for part in parts:
            try:
                events += self._event(frame, row(part, "an event"))
            except Poison as error:
                events.append(Rejected(error.reason, error.detail))
                events += self._unreadable(frame, part)
        return events

    def disconnected(
        self, connection: str, at_us: int, reason: GapReason, detail: str
    ) -> list[Event]:
        """Distrust every book that came by this connection and return the gaps opened."""
        slot = connection.partition("/")[0]
        if self._heard.get(slot, ("", 0))[0] == connection:
            del self._heard[slot]
        return self.following.lost(connection, at_us, reason, detail, closed=True)

    def _replaced(self, frame: Frame) -> list[Event]:
        """Note who speaks; a slot's new connection means that its old one is gone."""
        slot = frame.connection.partition("/")[0]
        before = self._heard.pop(slot, None)
        self._heard[slot] = (frame.connection, frame.received_us)
        self._before_us = frame.received_us if before is None else before[1]
        if len(self._heard) > MOST_SLOTS:
            self._heard.popitem(last=False)
        if before is None or before[0] == frame.connection:
            return []
        detail = "another connection took its place"
        return self.following.lost(before[0], before[1], "disconnect", detail, closed=True)

    def _event(self, frame: Frame, event: Row) -> list[Event]:
        kind = event.get("event_type")
        match kind:
            case "book":
                return self.following.take(frame, read_book(event))
            case "price_change":
                market_id, changes = read_changes(event)
                events = self.following.change(frame, market_id, changes)
                return events or [Ignored("empty_change")]
            case "last_trade_price":
                return self._trade(frame, event)
            case "tick_size_change":
                return self._tick_size(frame, event)
            case "best_bid_ask":
                return [self._best_bid_ask(event)]
            case "new_market":
                return [self._catalogue.announced(frame, event)]
            case "market_resolved":
                told = self._catalogue.resolved(frame, event)
                ended = self.following.finish(str(event["market"]), frame.received_us)
                return [told, *ended]
        if "topic" in event:
            # The sibling service of reference prices: not a market.
            return [Ignored(self._unknown_kind(f"topic {event['topic']}"))]
        if kind is None:
            body = event.get("body")
            message = body.get("message") if isinstance(body, dict) else event.get("error")
            if isinstance(message, str):
                return [Rejected("venue_error", message[:200])]
            raise Poison("shape", "an event without event_type")
        return [Ignored(self._unknown_kind(str(kind)))]

    def _trade(self, frame: Frame, event: Row) -> list[Event]:
        trade = read_trade(event)
        if self._repeated(("trade", trade.market_id, trade.token_id, *trade.identity)):
            return [Ignored("duplicate_trade")]
        amount = units(str(trade.price))
        self.following.traded(
            trade.market_id, trade.token_id, three_decimals(amount), three_decimals(ONE - amount)
        )
        return [
            trade_tick(
                platform=PLATFORM,
                market_id=trade.market_id,
                outcome_id=trade.token_id,
                outcome=self._catalogue.label(trade.market_id, trade.token_id),
                price=trade.price,
                size=trade.size,
                side=trade.side,
                identity=trade.identity,
                ingest_us=frame.received_us,
                source_us=trade.time_ms * 1000,
            )
        ]

    def _tick_size(self, frame: Frame, event: Row) -> list[Event]:
        change = read_tick_size(event)
        identity = ("tick_size", change.token_id, change.time_ms, change.old, change.new)
        if self._repeated(identity):
            return [Ignored("duplicate_tick_size_change")]
        events = self.following.resize(frame, change)
        market = self.markets.get(change.market_id)
        tick_size = decimal(units(change.new))
        if market is not None and market.tick_size != tick_size:
            events.append(self._catalogue.resized(frame, replace(market, tick_size=tick_size)))
        return events or [Applied("tick_size_change")]

    def _best_bid_ask(self, event: Row) -> Event:
        """Compare only: these events are intermittent and sometimes wrong (PROTOCOL section 6)."""
        token = self.following.tokens.get(identifier(event.get("asset_id"), "asset_id"))
        if token is None or not token.book.trusted:
            return Ignored("best_bid_ask")
        if event.get("best_bid") in (None, "") or event.get("best_ask") in (None, ""):
            # How an empty side is written here is not known.
            return Ignored("best_bid_ask")
        top = token.book.top()
        ours = (top.bid or 0, ONE if top.ask is None else top.ask)
        theirs = (price(event.get("best_bid"), "bid"), price(event.get("best_ask"), "ask"))
        return Ignored("best_bid_ask" if ours == theirs else "best_bid_ask_differs")

    def _repeated(self, identity: tuple[object, ...]) -> bool:
        if identity in self._seen:
            return True
        self._seen[identity] = None
        if len(self._seen) > MOST_REMEMBERED_EVENTS:
            self._seen.popitem(last=False)
        return False

    def _unreadable(self, frame: Frame, part: object) -> list[Event]:
        """Return the gaps over what a frame that can't be read may have changed: the market that
        it names, else every market of its connection."""
        if isinstance(part, dict) and part.get("event_type") in _CHANGES_NO_BOOK:
            return []
        named = part.get("market") if isinstance(part, dict) else None
        market_id = named if isinstance(named, str) else None
        return self.following.lost(
            frame.connection,
            self._before_us,
            "parse_failure",
            "a frame could not be read",
            closed=False,
            market_id=market_id,
        )

    def _answer(self, endpoint: str, frame: Frame) -> list[Event]:
        try:
            value = decode(frame.text)
            if endpoint in ("books", "book"):
                return self._books_answer(frame, value)
            if endpoint in ("markets", "events"):
                return self._listing(frame, value)
        except Poison as error:
            return [Rejected(error.reason, error.detail)]
        if endpoint in _SILENT_ANSWERS:
            return [Ignored(f"rest_{endpoint}")]
        return [Ignored(self._unknown_kind(f"rest {endpoint}"))]

    def _listing(self, frame: Frame, value: object) -> list[Event]:
        events: list[Event] = []
        for entry in entries(value):
            events.append(self._catalogue.listed(frame, entry))
            market_id = entry.get("conditionId")
            market = self.markets.get(market_id) if isinstance(market_id, str) else None
            if market is not None:
                self.following.inform(market.market_id)
                if market.status in ("closed", "resolved"):
                    events += self.following.finish(market.market_id, frame.received_us)
        return events or [Ignored("empty_page")]

    def _books_answer(self, frame: Frame, value: object) -> list[Event]:
        if isinstance(value, dict) and "error" in value:
            return [Rejected("venue_error", (text(value["error"]) or "")[:200])]
        parts = rows(value, "books", MOST_EVENTS) if isinstance(value, list) else [value]
        events: list[Event] = []
        for part in parts:
            try:
                book = row(part, "a book")
                if not book.get("asset_id") and not book.get("bids") and not book.get("asks"):
                    events.append(Ignored("missing_book"))
                    continue
                events += self.following.take(frame, read_book(book))
            except Poison as error:
                events.append(Rejected(error.reason, error.detail))
        return events or [Ignored("empty_array")]

    def _unknown_kind(self, name: str) -> str:
        shape = "".join(letter if letter.isalnum() else "_" for letter in name[:40])
        if shape not in self._unknown:
            if len(self._unknown) >= MOST_UNKNOWN_KINDS:
                return "unknown:other"
            self._unknown.add(shape)
        return f"unknown:{shape}"
