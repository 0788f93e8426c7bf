"""What the Kalshi parser knows, and what becomes of it when frames or connections are lost."""

from __future__ import annotations

from connectors.events import Event, Frame, Rejected, SnapshotNeeded
from connectors.gaps import GapLedger
from connectors.kalshi.books import Books
from connectors.kalshi.lifecycle import Markets
from connectors.kalshi.quoting import PLATFORM
from connectors.kalshi.sequence import BOOKS, TRADES, Session, Stream, slot_of
from connectors.kalshi.trades import RecentTrades
from schemas.errors import Poison
from schemas.gap import GapReason
from schemas.market import Market

MAX_SESSIONS = 1_000
MAX_STREAMS = 1_000
MAX_UNKNOWN_KINDS = 100


class State:
    """Books, markets, recent trades, and the subscriptions that feed them."""

    def __init__(self) -> None:
        self.books = Books()
        self.markets = Markets()
        self.recent = RecentTrades()
        self._sessions: dict[str, Session] = {}
        self._trade_gaps = GapLedger(PLATFORM)
        self._without_trades: dict[str, list[str]] = {}
        self._unknown: set[str] = set()

    def session_of(self, connection: str) -> Session | None:
        """Return the subscriptions of an open connection, None if it brought nothing yet."""
        session = self._sessions.get(slot_of(connection))
        return session if session is not None and session.connection == connection else None

    def enter(self, frame: Frame) -> tuple[Session, list[Event]]:
        """Return the frame's session. A new connection of a slot ends the one before it, even
        if nobody said so."""
        session = self.session_of(frame.connection)
        events: list[Event] = []
        if session is None:
            slot = slot_of(frame.connection)
            before = self._sessions.get(slot)
            if before is not None:
                detail = f"{frame.connection} followed"
                events = self.disconnected(before.connection, before.last_us, "disconnect", detail)
            elif len(self._sessions) >= MAX_SESSIONS:
                raise Poison("too_many_connections", f"more than {MAX_SESSIONS}")
            session = self._sessions[slot] = Session(frame.connection, frame.received_us)
        session.last_us = frame.received_us
        return session, events

    def stream(self, session: Session, sid: int, channel: str) -> Stream:
        """Return a subscription, made when it is first heard of. Raises Poison."""
        stream = session.streams.get(sid)
        if stream is None:
            if not 0 < sid < 2**63 or len(session.streams) >= MAX_STREAMS:
                raise Poison("subscription", "an implausible subscription number")
            stream = session.streams[sid] = Stream(sid, channel)
        stream.channel = stream.channel or channel
        return stream

    def lost(
        self,
        session: Session,
        stream: Stream,
        frame: Frame,
        reason: GapReason,
        *,
        missed: int | None = None,
        market: str | None = None,
        detail: str | None = None,
    ) -> list[Event]:
        """Say that frames of a subscription were lost, of one market or of all it follows."""
        if stream.channel == BOOKS:
            markets = stream.markets if market is None else {market}
            return self.books.distrust(
                markets, stream, session.connection, reason, missed=missed, detail=detail
            )
        if stream.channel == TRADES:
            # Lost trades do not come again: the gap ends where the stream goes on.
            events: list[Event] = []
            for item in session.markets() if market is None else [market]:
                events += self._trade_gaps.open(
                    item, session.connection, reason, stream.last_us, missed=missed,
                    detail=f"trades: {detail or reason}",
                )  # fmt: skip
                events += self._trade_gaps.close(item, frame.received_us)
            return events
        if reason == "sequence" and stream.channel:
            # Nothing is rebuilt from these: the next discovery page brings what was missed.
            return [Rejected("sequence", f"{stream.channel}: {detail}")]
        return []

    def end(self, session: Session, stream: Stream, detail: str) -> list[Event]:
        """Close a subscription that the venue ended: it feeds nothing any more."""
        if not stream.sid:
            return []
        events: list[Event] = []
        if stream.channel == TRADES:
            self._without_trades[session.slot] = session.markets()
            for market in session.markets():
                events += self._trade_gaps.open(
                    market, session.connection, "subscription", stream.last_us,
                    detail=f"trades: {detail}",
                )  # fmt: skip
        events += self.books.distrust(
            stream.markets, stream, session.connection, "subscription", detail=detail
        )
        self.books.release(session.connection, stream)
        session.streams.pop(stream.sid, None)
        return _without_requests(events)

    def subscribed(self, session: Session, sid: int, channel: str, at_us: int) -> list[Event]:
        """Note a new subscription; one to trades ends the gap that the last one's end opened."""
        stream = self.stream(session, sid, channel)
        if stream.last_us is None:
            stream.last_us = at_us
        events: list[Event] = []
        if channel == TRADES:
            for market in self._without_trades.pop(session.slot, ()):
                events += self._trade_gaps.close(market, at_us)
        return events

    def retire(self, market: Market, at_us: int) -> list[Event]:
        """Drop the book of a market that has ended, if nothing feeds it any more: no snapshot
        will ever close its gap."""
        followed = self.books.by_market.get(market.market_id)
        ended = market.status in ("closed", "resolved")
        if followed is None or followed.connection or not ended:
            return []
        return self.books.forget(market.market_id, at_us)

    def disconnected(
        self, connection: str, at_us: int, reason: GapReason, detail: str
    ) -> list[Event]:
        """Mark every book that came by this connection untrusted; return the gaps."""
        session = self.session_of(connection)
        if session is None:
            return []
        del self._sessions[session.slot]
        events: list[Event] = []
        for stream in session.streams.values():
            events += self.books.distrust(
                stream.markets, stream, connection, reason, detail=detail, from_us=at_us
            )
            self.books.release(connection, stream)
            for market_id in sorted(stream.markets & self.markets.by_id.keys()):
                events += self.retire(self.markets.by_id[market_id], at_us)
        return _without_requests(events)

    def kind(self, name: str) -> str:
        """Return the kind to count something unknown under: bounded in length and number."""
        kind = f"unknown:{name[:40]}"
        if kind in self._unknown or len(self._unknown) < MAX_UNKNOWN_KINDS:
            self._unknown.add(kind)
            return kind
        return "unknown"


def _without_requests(events: list[Event]) -> list[Event]:
    """Leave out requests for snapshots: there is nobody to ask."""
    return [event for event in events if not isinstance(event, SnapshotNeeded)]
