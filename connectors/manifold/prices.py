"""What is known of each outcome's probability, and which of two statements about it is newer.

An automated market maker has no quotes: its price is one number, so a statement replaces all
that was known before, and is at once the snapshot that ends mistrust. What has to be decided is
only whether it is older than what is known.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, cast

from connectors.book import EMPTY_TOP, Book, BookSide, Level, Top

Origin = Literal["live", "backfill", "poll", "page"]
"""live: a broadcast. backfill: a bet read by REST. poll: /market-probs. page: a market as listed,
up to 15 s old by the venue's caches."""

Verdict = Literal["changed", "same", "older", "listed"]

POLL_AGE_US = 5_000_000
"""An answer of /market-probs may be this much older than its arrival: it is cached for a second
and read from a replica."""
ECHO_US = 2_000_000
"""``updated-answers`` has no time of its own and is sent after the bet it belongs to: one that
arrives this soon with the price from before the newest bet tells of an older bet."""

MOST_OUTCOMES = 2_000
MOST_STRANGERS = 5_000


class PriceBook(Book):
    """The book of an automated market maker: either side can be had at the same price, and there
    is no size to it: sizes are None."""

    __slots__ = ("price",)

    def __init__(self, market_id: str, outcome_id: str) -> None:
        super().__init__(market_id, outcome_id)
        self.price: int | None = None
        """Probability in units of 10^-8; None until the venue said something."""

    def top(self) -> Top:
        """Return the probability as bid and ask, without sizes."""
        return EMPTY_TOP if self.price is None else Top(self.price, None, self.price, None)

    def best_first(self, side: BookSide) -> list[Level]:
        """Return the one level of a side, of size None."""
        return [] if self.price is None else [cast(Level, (self.price, None))]

    @property
    def crossed(self) -> bool:
        """Never: both sides are one number."""
        return False


@dataclass(frozen=True, slots=True)
class Statement:
    """The venue says that an outcome has this price. ``at_us`` is when we received it."""

    price: int
    origin: Origin
    at_us: int
    source_us: int | None
    identity: tuple[object, ...]


class Price:
    """One outcome: its book and what is needed to order statements."""

    __slots__ = ("before", "book", "emitted", "known_us", "label", "seen_us", "source_us")

    def __init__(self, market_id: str, outcome_id: str, label: str | None) -> None:
        self.book = PriceBook(market_id, outcome_id)
        self.label = label
        self.source_us: int | None = None
        """The venue's time of the newest statement that had one."""
        self.seen_us = 0
        """The moment for which the price is known by something other than a poll."""
        self.known_us: int | None = None
        """When we last heard the price, in any way."""
        self.before: int | None = None
        """The price that the newest bet replaced."""
        self.emitted: int | None = None
        """The price of the last quote tick."""

    def take(self, said: Statement) -> Verdict:
        """Apply a statement: "changed" or "same" (both leave the price known), "older" if what is
        known is newer, "listed" if it is only kept until something better comes."""
        book = self.book
        if said.origin == "page":
            if not book.trusted:
                book.price = said.price if book.price is None else book.price
            return "listed"
        if self._is_older(said):
            return "older"
        if said.source_us is not None:
            self.source_us = said.source_us
            self.before = book.price if book.price != said.price else self.before
        if said.origin == "live":
            self.seen_us = said.at_us
        elif said.origin == "backfill":
            self.seen_us = max(self.seen_us, said.source_us or 0)
        book.price, self.known_us = said.price, said.at_us
        # After a backfilled bet others may follow on the next page: only live and poll settle it.
        book.trusted = book.trusted or said.origin in ("live", "poll")
        if said.price == self.emitted:
            return "same"
        self.emitted = said.price
        return "changed"

    def _is_older(self, said: Statement) -> bool:
        if said.source_us is not None:
            return self.source_us is not None and said.source_us < self.source_us
        if said.price == self.book.price:
            return False
        if said.origin == "poll":
            return said.at_us - self.seen_us < POLL_AGE_US
        return said.price == self.before and said.at_us - self.seen_us < ECHO_US

    def doubt(self) -> None:
        """The venue contradicted itself: whatever REST says next is believed."""
        self.book.trusted = False
        self.seen_us = 0


class Contract:
    """One market's outcomes."""

    __slots__ = ("doubts", "last_bet_us", "market_id", "missing_since_us", "prices")

    def __init__(self, market_id: str) -> None:
        self.market_id = market_id
        self.prices: dict[str, Price] = {}
        self.doubts = 0
        """How often bets of this market were found to be missing."""
        self.last_bet_us: int | None = None
        """Venue time of the newest bet seen."""
        self.missing_since_us: int | None = None
        """Venue time from which bets may be missing; None if none are known to be."""

    def price(self, outcome_id: str, label: str | None = None) -> Price | None:
        """Return the outcome, made if it is new; None if the market has too many already."""
        price = self.prices.get(outcome_id)
        if price is None:
            if len(self.prices) >= MOST_OUTCOMES:
                return None
            if label is None and outcome_id == self.market_id:
                label = "YES"
            price = self.prices[outcome_id] = Price(self.market_id, outcome_id, label)
        elif label is not None:
            price.label = label
        return price


class Contracts:
    """Every contract of which anything is known, bounded: those whose market is known by the
    caller's limit, strangers by their number, the oldest being forgotten."""

    def __init__(self) -> None:
        self._known: dict[str, Contract] = {}
        self._strangers: OrderedDict[str, Contract] = OrderedDict()

    def __iter__(self) -> Iterator[Contract]:
        yield from self._known.values()
        yield from self._strangers.values()

    def get(self, market_id: str) -> Contract | None:
        """Return the contract if anything is known of it."""
        return self._known.get(market_id) or self._strangers.get(market_id)

    def of(self, market_id: str, *, known: bool) -> Contract:
        """Return the contract, made if it is new. ``known``: its market was described."""
        contract = self._known.get(market_id)
        if contract is not None:
            return contract
        contract = self._strangers.pop(market_id, None) or Contract(market_id)
        if known:
            self._known[market_id] = contract
            return contract
        self._strangers[market_id] = contract
        if len(self._strangers) > MOST_STRANGERS:
            self._strangers.popitem(last=False)
        return contract

    def forget(self, market_id: str) -> None:
        """Drop a contract whose market is known no more."""
        self._known.pop(market_id, None)

    def books(self) -> Iterable[Book]:
        """Return every outcome's book."""
        return (price.book for contract in self for price in contract.prices.values())
