"""One token's book and everything that decides whether it can be believed. Pure.

The socket has no sequence numbers. What proves that nothing is missing is the hash that comes
with every change; where it can't be computed, the stated top of the book is compared.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Literal

from connectors.amounts import ONE
from connectors.book import EMPTY_TOP, Book, Level, Top
from connectors.polymarket.book_hash import HashInputs, Verdict, verify
from connectors.polymarket.messages import BookMessage, Change

Step = Literal["applied", "kept", "duplicate", "stale", "mismatched"]
"""kept: applied to a book that stays untrusted, and remembered for the snapshot to come.
duplicate, stale: this state, or a later one, is in the book already. mismatched: something
before it was lost."""

Search = Callable[[], bool]
"""Asked before a complete search through the prices of a hash: whether it may be made."""

Seeded = Literal["replaced", "older", "mismatched"]

MOST_PENDING = 2_000
"""Changes remembered while a snapshot is awaited; a busy token has some 50 a second."""
IN_FLIGHT_US = 2_000_000
"""How long a change that REST knows already may be on its way to us."""
_REMEMBERED_STATES = 64
"""The newest states by which a repeated frame is recognised."""


class Token:
    """The state of one token. Times: ``_ms`` the venue's, ``_us`` our receive clock."""

    __slots__ = (
        "_floor_ms", "_pending", "_recent", "_seeded", "ahead_us", "book", "connection",
        "emitted", "good_us", "hash", "inputs", "last_verdict", "proven", "seen_us", "silences",
        "time_ms", "told_us",
    )  # fmt: skip

    def __init__(self, market_id: str, token_id: str, inputs: HashInputs) -> None:
        self.book = Book(market_id, token_id)
        self.inputs = inputs
        self.connection = ""
        """The socket that follows it, empty if none ever spoke of it."""
        self.emitted: Top = EMPTY_TOP
        """The top of the last quote tick."""
        self.time_ms: int | None = None
        self.hash: str | None = None
        self.proven = False
        """Whether our recipe gave the venue's hash with the present inputs: only then does
        another hash mean that the book is wrong."""
        self.last_verdict: Verdict = "no_hash"
        self.good_us: int | None = None
        """When the book was last known to be right."""
        self.seen_us = 0
        """When the stream told of it, or REST confirmed it."""
        self.told_us = 0
        """When the stream told of it."""
        self.silences = 0
        """How often REST proved that the stream had kept something from us."""
        self._recent: deque[tuple[int, str]] = deque(maxlen=_REMEMBERED_STATES)
        self._pending: deque[Change] = deque()
        self._floor_ms: int | None = None
        self._seeded = False
        self.ahead_us: int | None = None
        """When REST first knew something newer that the stream has not told yet."""

    @property
    def identity(self) -> tuple[object, ...]:
        """What the book's present state is known by on any connection."""
        if self.hash is not None:
            return ("hash", self.hash)
        return ("levels", *sorted(self.book.bids.items()), *sorted(self.book.asks.items()))

    def doubt(self) -> None:
        """Something was lost: stop believing the book. The snapshot that heals it must be at
        least as new as the last thing received before the loss."""
        self.book.trusted = False
        self._pending.clear()
        self._floor_ms = self.time_ms

    def retire(self) -> None:
        """The market is over: keep only what tells a new quote from the last one. Markets come
        and go by the thousand a day, and levels are most of what a token holds."""
        self.book.replace((), ())
        self._recent.clear()
        self.doubt()

    def change(self, change: Change, *, search: Search) -> Step:
        """Apply one change of the socket. On "mismatched" the caller has to ``doubt``, and the
        change has been applied and remembered."""
        book = self.book
        if not book.trusted:
            return self._change_doubted(change)
        if change.hash is not None and (change.time_ms, change.hash) in self._recent:
            return "duplicate"
        if self.time_ms is not None and change.time_ms < self.time_ms:
            return "stale"
        top = book.top()
        side = book.bids if change.side == "bid" else book.asks
        before = side.get(change.price, 0)
        book.set(change.side, change.price, change.size)
        likely = (change.price, change.best_bid, change.best_ask, top.bid, top.ask)
        if self._wrong(change.time_ms, change.hash, likely, search):
            if self._seeded and change.time_ms == self.time_ms:
                # The REST answer of this millisecond may hold the change already.
                book.set(change.side, change.price, before)
                return "stale"
            self.doubt()
            self._remember(change)
            self._now_at(change.time_ms, change.hash)
            return "mismatched"
        self._now_at(change.time_ms, change.hash)
        return "applied"

    def _change_doubted(self, change: Change) -> Step:
        """Apply a change to an untrusted book. The right hash proves the whole book, whatever
        happened before."""
        top = self.book.top()
        self._remember(change)
        self.book.set(change.side, change.price, change.size)
        self._now_at(change.time_ms, change.hash)
        likely = (change.price, top.bid, top.ask)
        self._wrong(change.time_ms, change.hash, likely, _never)
        if self.last_verdict != "matched":
            return "kept"
        self.book.trusted = True
        self._pending.clear()
        return "applied"

    def follow(self, message: BookMessage, *, search: Search) -> Seeded:
        """Take a book of the socket: it stands in line with the changes, so it is the newest."""
        likely = self._likely(message)
        self._replace(message)
        if self._wrong(message.time_ms, message.hash, likely, search):
            self.doubt()
            return "mismatched"
        self._pending.clear()
        self._seeded = False
        return "replaced"

    def seed(self, message: BookMessage, *, search: Search) -> Seeded:
        """Take a book that did not come in line with the changes: put it under those that were
        received since the trouble and are newer. "older", "mismatched": still not trusted."""
        if message.time_ms is not None and self._floor_ms is not None:
            if message.time_ms < self._floor_ms:
                return "older"
        newer = self._newer_than(message)
        likely = self._likely(message)
        self._replace(message)
        self._seeded = True
        # A REST book states every input: if its hash is another, the recipe has changed.
        if self._wrong(message.time_ms, message.hash, likely, search):
            self.proven = False
        for change in newer:
            self.book.set(change.side, change.price, change.size)
            self._now_at(change.time_ms, change.hash)
        if newer and self._wrong(newer[-1].time_ms, newer[-1].hash, _prices(newer), search):
            self.book.trusted = False
            self._pending = deque(newer)
            return "mismatched"
        self._pending.clear()
        return "replaced"

    def missed(self, message: BookMessage, at_us: int) -> bool:
        """Whether a REST book, newer than ours, proves that the stream kept something from us.

        Its last change may still be on its way: only one that is old, or that the stream has not
        told some time after REST first did, was missed.
        """
        if message.time_ms is None or at_us - message.time_ms * 1000 > IN_FLIGHT_US:
            return True
        if self.ahead_us is None:
            self.ahead_us = at_us
        return at_us - self.ahead_us > IN_FLIGHT_US

    def is_past(self, message: BookMessage) -> bool:
        """Whether the message's book is an earlier one than ours, by its time or, within one
        millisecond, because we had that state before."""
        if message.time_ms is None or self.time_ms is None or message.time_ms > self.time_ms:
            return False
        if message.time_ms < self.time_ms:
            return True
        known = message.hash is not None and (message.time_ms, message.hash) in self._recent
        return known and message.hash != self.hash and self.book.trusted

    def top_agrees(self, change: Change) -> bool:
        """Whether our top is the one that the message states ("0" and "1": an empty side)."""
        top = self.book.top()
        if change.best_bid is not None and change.best_bid != (top.bid or 0):
            return False
        return change.best_ask is None or change.best_ask == (ONE if top.ask is None else top.ask)

    def same_levels(self, message: BookMessage) -> bool:
        """Whether the message's book holds exactly our levels."""
        return _kept(message.bids) == self.book.bids and _kept(message.asks) == self.book.asks

    def _likely(self, message: BookMessage) -> tuple[int | None, ...]:
        top = self.book.top()
        bid = max((level[0] for level in message.bids), default=None)
        ask = min((level[0] for level in message.asks), default=None)
        return (top.bid, top.ask, bid, ask)

    def _wrong(
        self, time_ms: int | None, stated: str | None, likely: Iterable[int | None], search: Search
    ) -> bool:
        """Whether the book as it stands is proven not to be the venue's at this moment."""
        if time_ms is None:
            self.last_verdict = "no_hash"
            return False
        verdict, last = verify(self.book, time_ms, stated, self.inputs, likely, search=search)
        self.last_verdict = verdict
        if verdict == "matched":
            self.inputs.last_trade_price = last
            self.proven = True
        return verdict == "mismatched" and self.proven

    def _replace(self, message: BookMessage) -> None:
        inputs = self.inputs
        if message.tick_size:
            inputs.tick_size = message.tick_size
        if message.min_order_size:
            inputs.min_order_size = message.min_order_size
        if message.neg_risk is not None:
            inputs.neg_risk = message.neg_risk
        if message.last_trade_price is not None:
            inputs.last_trade_price = message.last_trade_price
        self.book.replace(message.bids, message.asks)
        self._now_at(message.time_ms, message.hash)

    def _now_at(self, time_ms: int | None, state: str | None) -> None:
        self.ahead_us = None
        self.time_ms = time_ms
        self.hash = state
        if time_ms is not None and state is not None:
            self._recent.append((time_ms, state))

    def _remember(self, change: Change) -> None:
        self._pending.append(change)
        if len(self._pending) > MOST_PENDING:
            # Only a snapshot that holds what is forgotten here can be completed by the rest.
            self._floor_ms = max(self._floor_ms or 0, self._pending.popleft().time_ms)

    def _newer_than(self, message: BookMessage) -> list[Change]:
        if message.time_ms is None:
            return list(self._pending)
        changes = list(self._pending)
        for index in range(len(changes) - 1, -1, -1):
            found = (changes[index].time_ms, changes[index].hash)
            if found == (message.time_ms, message.hash):
                return changes[index + 1 :]
        return [change for change in changes if change.time_ms > message.time_ms]


def _never() -> bool:
    return False


def _kept(levels: Iterable[Level]) -> dict[int, int]:
    return {price: size for price, size in levels if size}


def _prices(changes: Iterable[Change]) -> set[int | None]:
    return {change.price for change in changes}
