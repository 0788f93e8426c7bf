"""Kalshi books in YES terms: snapshots, additive changes, and when they may be trusted. Pure.

The venue keeps bids only, for YES and for NO: a NO bid at q is a YES ask at 1 - q (PROTOCOL 3.5).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from connectors.amounts import ONE
from connectors.book import Book, BookSide, NegativeLevel, Top
from connectors.events import Applied, Event, Frame, Ignored, Rejected, SnapshotNeeded
from connectors.gaps import GapLedger
from connectors.kalshi import wire
from connectors.kalshi.quoting import PLATFORM, Quoting
from connectors.kalshi.sequence import Stream
from schemas.errors import Poison
from schemas.gap import GapReason

MAX_BOOKS = 200_000
_MAX_SAME_MOMENT = 10_000
_LARGEST = 10**18  # decimal(18, 8)
_SIDES: dict[str, BookSide] = {"yes": "bid", "no": "ask"}


@dataclass(slots=True)
class Followed:
    """A book and the subscription that feeds it; no connection once that is lost."""

    book: Book
    connection: str = ""
    sid: int = 0
    moment: int | None = None
    same_moment: dict[tuple[object, ...], int] = field(default_factory=dict)

    def occurrence(self, change: tuple[object, ...], moment: int | None) -> int:
        """Return how many equal changes the venue has dated to this moment before."""
        if moment != self.moment or len(self.same_moment) >= _MAX_SAME_MOMENT:
            self.moment = moment
            self.same_moment.clear()
        before = self.same_moment.get(change, 0)
        self.same_moment[change] = before + 1
        return before


class Books:
    """Every followed book, what was last quoted of it, and its open gaps."""

    def __init__(self) -> None:
        self.by_market: dict[str, Followed] = {}
        self.quoting = Quoting()
        self._gaps = GapLedger(PLATFORM)

    def snapshot(
        self, frame: Frame, stream: Stream, seq: int | None, message: wire.Snapshot, *, asked: bool
    ) -> list[Event]:
        """Replace a book. ``asked``: it answers get_snapshot, so that, the numbers being whole,
        it must equal a trusted book. Raises Poison without having changed anything."""
        market = wire.checked_ticker(message.market_ticker)
        yes = wire.ladder(message.yes_dollars_fp, message.yes_dollars, message.yes)
        no = wire.ladder(message.no_dollars_fp, message.no_dollars, message.no)
        followed, events = self._followed(market, frame.received_us)
        book = followed.book
        before = (dict(book.bids), dict(book.asks)) if asked and book.trusted else None
        book.replace(yes, [(ONE - price, size) for price, size in no])
        stream.markets.add(market)
        followed.connection, followed.sid = frame.connection, stream.sid
        if _crossed(book.top()):
            # Without this guard a silent switch to YES prices would look like a market.
            by_yes = min(price for price, _ in no) > max(price for price, _ in yes)
            detail = "snapshot: yes and no bids add up to 1 or more" + (
                "; NO bids seem to come at YES prices" if by_yes else ""
            )
            return [*events, *self._distrust_one(followed, stream, "crossed_book", detail)]
        if before is not None and before != (book.bids, book.asks):
            detail = "a snapshot that was asked for differs from the followed book"
            events += self._gaps.open(
                market, frame.connection, "book_mismatch", stream.last_us, detail=detail
            )
        events += self._gaps.close(market, frame.received_us)
        top = book.top()
        identity = ("snapshot", _digest(book))
        events += self.quoting.quote(frame, market, top, identity, None, seq)
        return events or [Applied("orderbook_snapshot")]

    def delta(
        self, frame: Frame, stream: Stream, seq: int | None, message: wire.Delta
    ) -> list[Event]:
        """Add to a level. Raises Poison without having changed anything."""
        market = wire.checked_ticker(message.market_ticker)
        own_price = wire.checked_price(wire.first(message.price_dollars, wire.cents(message.price)))
        change = wire.first(message.delta_fp, message.delta)
        if message.side not in _SIDES or change is None:
            raise Poison("value", "a change without side or size")
        side = _SIDES[message.side]
        price = own_price if side == "bid" else ONE - own_price
        source_us = wire.instant(message.ts_ms, message.ts)
        followed, events = self._followed(market, frame.received_us)
        book = followed.book
        levels = book.bids if side == "bid" else book.asks
        if levels.get(price, 0) + change >= _LARGEST or (
            price not in levels and len(levels) >= wire.MAX_LEVELS
        ):
            raise Poison("levels", "a level or a side grows out of bounds")
        stream.markets.add(market)
        if followed.connection == "":
            followed.connection, followed.sid = frame.connection, stream.sid
            detail = "a change before any snapshot"
            events += self._distrust_one(followed, stream, "sequence", detail)
        elif (followed.connection, followed.sid) != (frame.connection, stream.sid):
            return [Ignored("other_subscription")]
        what = (message.side, price, change)
        identity = (*what, followed.occurrence(what, source_us))
        try:
            book.add(side, price, change)
        except NegativeLevel as error:
            if not book.trusted:
                return [*events, Applied("orderbook_delta_untrusted")]
            return self._distrust_one(followed, stream, "book_mismatch", str(error))
        if not book.trusted:
            return [*events, Applied("orderbook_delta_untrusted")]
        top = book.top()
        if _crossed(top):
            return self._distrust_one(followed, stream, "crossed_book", "bids add up to 1 or more")
        quoted = self.quoting.quote(frame, market, top, identity, source_us, seq)
        return [*quoted] or [Applied("orderbook_delta")]

    def distrust(
        self,
        markets: Iterable[str],
        stream: Stream,
        connection: str,
        reason: GapReason,
        *,
        missed: int | None = None,
        detail: str | None = None,
        from_us: int | None = None,
    ) -> list[Event]:
        """Mark the books that this subscription feeds untrusted; return their Gaps and one
        request for snapshots. ``from_us``: the last moment of trust, if not the stream's."""
        events: list[Event] = []
        concerned: list[str] = []
        start = stream.last_us if from_us is None else from_us
        for market in sorted(markets):
            followed = self.by_market.get(market)
            if followed is not None:
                if (followed.connection, followed.sid) != (connection, stream.sid):
                    continue
                followed.book.trusted = False
                events += self._gaps.open(
                    market, connection, reason, start, missed=missed, detail=detail
                )
            concerned.append(market)
        if concerned:
            events.append(SnapshotNeeded(connection, tuple(concerned)))
        return events

    def release(self, connection: str, stream: Stream) -> None:
        """Say that a subscription feeds its books no more."""
        for market in stream.markets:
            if self.fed_by(market, connection, stream.sid):
                self.by_market[market].connection = ""

    def forget(self, market: str, at_us: int) -> list[Event]:
        """Drop a market that is followed no more; its open gap ends with that."""
        self.by_market.pop(market, None)
        self.quoting.forget(market)
        return [*self._gaps.close(market, at_us)]

    def fed_by(self, market: str, connection: str, sid: int) -> bool:
        """Whether this subscription feeds the market's book."""
        followed = self.by_market.get(market)
        return followed is not None and (followed.connection, followed.sid) == (connection, sid)

    def _followed(self, market: str, at_us: int) -> tuple[Followed, list[Event]]:
        """Return the market's book, and the gap that ended if another had to make room for it."""
        events: list[Event] = []
        followed = self.by_market.get(market)
        if followed is None:
            if len(self.by_market) >= MAX_BOOKS:
                events = self._make_room(at_us)
            followed = self.by_market[market] = Followed(Book(market, market))
        return followed, events

    def _make_room(self, at_us: int) -> list[Event]:
        """Forget a book that nothing feeds any more. Raises Poison if every book is being fed."""
        for market, followed in self.by_market.items():
            if not followed.connection:
                return self.forget(market, at_us)
        raise Poison("too_many_markets", f"more than {MAX_BOOKS}")

    def _distrust_one(
        self, followed: Followed, stream: Stream, reason: GapReason, detail: str
    ) -> list[Event]:
        market = followed.book.market_id
        return self.distrust([market], stream, followed.connection, reason, detail=detail)


def rejected(error: Poison) -> Rejected:
    """Return the counted form of what could not be used."""
    return Rejected(error.reason, error.detail)


def _crossed(top: Top) -> bool:
    """Whether the book is crossed or locked: the venue never shows either (PROTOCOL 3.5)."""
    return top.bid is not None and top.ask is not None and top.bid >= top.ask


def _digest(book: Book) -> str:
    levels = (sorted(book.bids.items()), sorted(book.asks.items()))
    return hashlib.blake2b(repr(levels).encode(), digest_size=16).hexdigest()
