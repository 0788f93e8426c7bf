"""All tokens' books: what each frame does to them, and the ticks, gaps and requests it leads to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from connectors.events import Applied, Event, Frame, Ignored, Rejected, SnapshotNeeded
from connectors.gaps import GapLedger
from connectors.polymarket.book_hash import HashInputs
from connectors.polymarket.messages import BookMessage, Change, TickSizeMessage
from connectors.polymarket.token import Step, Token
from connectors.polymarket.tokens import Tokens
from connectors.quotes import quote_tick
from schemas.gap import GapReason

_IGNORED_STEPS: dict[Step, str] = {"duplicate": "duplicate_change", "stale": "stale_change"}


class Books:
    """What the frames do to every token's book.

    ``most_tokens`` books are kept; ``searches_per_second`` hashes may be searched completely.
    ``label(market_id, token_id)``, ``inputs(market_id)`` and ``is_over(market_id)`` tell what
    metadata knows.
    """

    def __init__(
        self,
        platform: str,
        label: Callable[[str, str], str | None],
        inputs: Callable[[str], HashInputs],
        is_over: Callable[[str], bool],
        *,
        most_tokens: int,
        searches_per_second: int,
    ) -> None:
        self.platform = platform
        self.gaps = GapLedger(platform)
        self.hashes: Counter[str] = Counter()
        """Book hashes by verdict, ``socket_`` or ``rest_`` before it."""
        self._label = label
        self._inputs = inputs
        self._is_over = is_over
        self.tokens = Tokens(most_tokens)
        self._searches_per_second = searches_per_second
        self._second = 0
        self._searches_left = 0

    def take(self, frame: Frame, message: BookMessage) -> list[Event]:
        """Take a whole book, of the socket or of REST."""
        self._at(frame)
        events: list[Event] = []
        token = self.tokens.get(message.token_id)
        if token is None:
            token, events = self._new(frame, message)
        elif token.book.market_id != message.market_id:
            return [Rejected("shape", "a token's book names another market than before")]
        if frame.rest is not None:
            return events + self._compare(frame, message, token)
        # Of a lost connection nothing is believed, so any book of the next one is news.
        behind = bool(token.connection) and token.is_past(message)
        self._touch(frame, token)
        if behind:
            return self._late(frame, message, token)
        stated = (message.time_ms, message.hash) == (token.time_ms, token.hash)
        if token.book.trusted and message.hash and stated and not token.same_levels(message):
            # This book heals what it reveals: no other has to be asked for.
            events += self._opened(token, "book_mismatch", "another book at the same moment")
        result = token.follow(message, search=self._may_search)
        self._count("socket", token)
        if result == "mismatched":
            detail = "the hash of a whole book differs"
            return events + self._doubt(frame, token, "book_mismatch", detail)
        return events + self._settled(frame, token)

    def change(self, frame: Frame, market_id: str, changes: list[Change]) -> list[Event]:
        """Apply a price_change. Entries of tokens that never had a snapshot are ignored."""
        self._at(frame)
        events: list[Event] = []
        ignored: Counter[str] = Counter()
        newest: dict[str, Change] = {}
        for change in changes:
            token = self.tokens.get(change.token_id)
            if token is None or token.book.market_id != market_id:
                ignored["no_snapshot"] += 1
                continue
            self._touch(frame, token)
            step = token.change(change, search=self._may_search)
            if step in _IGNORED_STEPS:
                ignored[_IGNORED_STEPS[step]] += 1
                continue
            if step != "kept":
                self._count("socket", token)
            newest[change.token_id] = change
            if step == "mismatched":
                detail = "the hash of the book differs after a change"
                events += self._opened(token, "book_mismatch", detail)
                events.append(self._request(frame, token))
        for token_id, change in newest.items():
            events += self._after(frame, self.tokens[token_id], change)
        events += [Ignored(kind) for kind in ignored]
        return events

    def resize(self, frame: Frame, message: TickSizeMessage) -> list[Event]:
        """Begin a new epoch of a token's book: its levels may be off the new grid, so only the
        next snapshot can be believed (PROTOCOL section 6)."""
        token = self.tokens.get(message.token_id)
        if token is None:
            return []
        self._touch(frame, token)
        token.inputs.tick_size = message.new
        token.proven = False
        return self._doubt(frame, token, "other", f"tick size {message.old} to {message.new}")

    def inform(self, market_id: str) -> None:
        """Let the market's tokens know what metadata has learned of the hash's inputs."""
        known = self._inputs(market_id)
        for token in self.tokens.of_market(market_id):
            token.inputs.fill(known)

    def traded(self, market_id: str, token_id: str, price: str, complement: str) -> None:
        """Remember the price of a trade as the most likely one in the next hashes."""
        for token in self.tokens.of_market(market_id):
            mine = token.book.outcome_id == token_id
            token.inputs.last_trade_price = price if mine else complement

    def lost(
        self,
        connection: str,
        at_us: int,
        reason: GapReason,
        detail: str,
        *,
        closed: bool,
        market_id: str | None = None,
    ) -> list[Event]:
        """Distrust what came by this connection (of one market if given) and open its gaps.

        ``closed``: it is gone; tokens known by REST only may have been among those it followed.
        """
        events: list[Event] = []
        concerned: list[str] = []
        for token in list(self.tokens):
            book = token.book
            if market_id is not None and book.market_id != market_id:
                continue
            if token.connection != connection and (token.connection or not closed):
                continue
            if closed:
                token.connection = ""
            was_trusted = book.trusted
            token.doubt()
            # An answer that was on its way may have made a finished book trusted once more, but
            # nobody follows it now: nothing would end its gap.
            if was_trusted and not self._is_over(book.market_id):
                concerned.append(book.market_id)
                opened = self.gaps.open(book.market_id, connection, reason, at_us, detail=detail)
                events += opened
        if concerned and not closed:
            events.append(SnapshotNeeded(connection, tuple(dict.fromkeys(concerned))))
        return events

    def finish(self, market_id: str, at_us: int) -> list[Event]:
        """A market is over: its books no longer move, and a stretch of doubt ends here."""
        for token in self.tokens.of_market(market_id):
            token.retire()
        return [*self.gaps.close(market_id, at_us)]

    def _compare(self, frame: Frame, message: BookMessage, token: Token) -> list[Event]:
        """Take a REST book: it heals a doubted book and checks one that is trusted."""
        if not token.book.trusted:
            return self._seed(frame, message, token)
        if message.time_ms is not None and message.time_ms < (token.time_ms or 0):
            return [Ignored("book_older")]
        if token.same_levels(message):
            token.seen_us = token.good_us = frame.received_us
            token.ahead_us = None
            return [Ignored("book_confirmed")]
        if not token.missed(message, frame.received_us):
            return [Ignored("book_ahead")]
        token.silences += 1
        events = self._opened(token, "silence", "REST has a newer book than the stream")
        token.doubt()
        return events + self._seed(frame, message, token)

    def _late(self, frame: Frame, message: BookMessage, token: Token) -> list[Event]:
        """Take a socket's book that is older than what was told already: by that socket, or by
        one which follows the market's other token and so is sent this one's changes, too."""
        if token.book.trusted:
            return [Ignored("stale_book")]
        return self._seed(frame, message, token)

    def _seed(self, frame: Frame, message: BookMessage, token: Token) -> list[Event]:
        result = token.seed(message, search=self._may_search)
        if result == "older":
            # The next round of the edge asks again; at once would ask for the same answer.
            return [Ignored("book_older")]
        self._count("rest" if frame.rest is not None else "socket", token)
        if result == "mismatched":
            return [Applied("book"), self._request(frame, token)]
        token.seen_us = frame.received_us
        return self._settled(frame, token)

    def _settled(self, frame: Frame, token: Token) -> list[Event]:
        """A snapshot was taken: end the market's gap if it was the last doubt, and quote."""
        if token.book.crossed:
            return self._doubt(frame, token, "crossed_book", "a snapshot is crossed")
        token.good_us = frame.received_us
        events = self._closed(frame, token.book.market_id) + self._quote(frame, token)
        return events or [Applied("book")]

    def _closed(self, frame: Frame, market_id: str) -> list[Event]:
        """End the market's gap if none of its books is doubted any more."""
        if self.gaps.is_open(market_id) and all(
            token.book.trusted for token in self.tokens.of_market(market_id)
        ):
            return [*self.gaps.close(market_id, frame.received_us)]
        return []

    def _after(self, frame: Frame, token: Token, change: Change) -> list[Event]:
        """Judge and quote a token's book once all of a message's entries are applied."""
        if not token.book.trusted:
            return [Applied("untrusted_change")]
        proved = token.last_verdict == "matched"
        stated = change.best_bid is not None or change.best_ask is not None
        agrees = token.top_agrees(change)
        if not proved and not agrees:
            return self._doubt(frame, token, "book_mismatch", "the stated top of book differs")
        if token.book.crossed:
            return self._doubt(frame, token, "crossed_book", "bid above ask")
        if proved or stated:
            token.good_us = frame.received_us
        events = self._closed(frame, token.book.market_id) + self._quote(frame, token)
        events = events or [Applied("price_change")]
        return events if agrees else [*events, Ignored("top_differs")]

    def _quote(self, frame: Frame, token: Token) -> list[Event]:
        top = token.book.top()
        if top == token.emitted:
            return []
        token.emitted = top
        book = token.book
        return [
            quote_tick(
                platform=self.platform,
                market_id=book.market_id,
                outcome_id=book.outcome_id,
                outcome=self._label(book.market_id, book.outcome_id),
                top=top,
                identity=token.identity,
                ingest_us=frame.received_us,
                source_us=None if token.time_ms is None else token.time_ms * 1000,
            )
        ]

    def _doubt(self, frame: Frame, token: Token, reason: GapReason, detail: str) -> list[Event]:
        token.doubt()
        return [*self._opened(token, reason, detail), self._request(frame, token)]

    def _opened(self, token: Token, reason: GapReason, detail: str) -> list[Event]:
        market_id = token.book.market_id
        return [*self.gaps.open(market_id, token.connection, reason, token.good_us, detail=detail)]

    def _request(self, frame: Frame, token: Token) -> SnapshotNeeded:
        return SnapshotNeeded(token.connection or frame.connection, (token.book.market_id,))

    def _new(self, frame: Frame, message: BookMessage) -> tuple[Token, list[Event]]:
        """Return a new token, and the gaps of markets that had to make room for it: nothing of
        those is kept any more, so nothing else could end them."""
        token = Token(message.market_id, message.token_id, self._inputs(message.market_id))
        events: list[Event] = []
        for market_id in self.tokens.add(token):
            events += self.gaps.close(market_id, frame.received_us)
        return token, events

    def _touch(self, frame: Frame, token: Token) -> None:
        token.connection = frame.connection
        token.seen_us = token.told_us = frame.received_us
        self.tokens.touch(token)

    def _at(self, frame: Frame) -> None:
        second = frame.received_us // 1_000_000
        if second != self._second:
            self._second = second
            self._searches_left = self._searches_per_second

    def _may_search(self) -> bool:
        """Whether a complete search through the prices may be made: so many a second."""
        self._searches_left -= 1
        return self._searches_left >= 0

    def _count(self, source: str, token: Token) -> None:
        proof = "_unproven" if token.last_verdict == "mismatched" and not token.proven else ""
        self.hashes[f"{source}_{token.last_verdict}{proof}"] += 1
