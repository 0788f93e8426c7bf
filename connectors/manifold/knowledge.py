"""What is known of the venue, and how a statement, a market or a trouble changes it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

from connectors.events import Applied, Event, Ignored, Rejected, SnapshotNeeded
from connectors.gaps import GapLedger
from connectors.manifold.markets import LEGACY, PLATFORM, closed_by, same
from connectors.manifold.prices import Contract, Contracts, Price, Statement
from connectors.quotes import quote_tick
from schemas.gap import GapReason
from schemas.market import Market
from schemas.tick import Tick

BETS_REMEMBERED = 50_000
"""Ids of bets by which copies are told: each bet comes once per topic, and again by REST."""
MOST_ASKED = 10_000
DEFAULT_MOST_MARKETS = 200_000


class Knowledge:
    """State shared by the readers of broadcasts and of REST answers."""

    def __init__(self, most_markets: int = DEFAULT_MOST_MARKETS) -> None:
        self.markets: dict[str, Market] = {}
        self.contracts = Contracts()
        self.answers: dict[str, str] = {}
        """Answer id to contract id, for broadcasts that name only the answer."""
        self.gaps = GapLedger(PLATFORM)
        self.losses = 0
        """How often every market became doubtful at once."""
        self.heard_us = 0
        """When the broadcast before the present one was received."""
        self.last_bet_us: int | None = None
        self.missing_since_us: int | None = None
        """Venue time from which bets of any market may be missing; None if none are known to."""
        self._most_markets = most_markets
        self._bets: OrderedDict[str, None] = OrderedDict()
        self._asked: OrderedDict[str, None] = OrderedDict()
        self._ended: OrderedDict[str, None] = OrderedDict()
        """Markets in which nobody trades any more, the first to end first."""

    def is_new_bet(self, bet_id: str) -> bool:
        """Whether this bet was not seen before, among the last 50,000; remembers it."""
        if bet_id in self._bets:
            return False
        self._bets[bet_id] = None
        if len(self._bets) > BETS_REMEMBERED:
            self._bets.popitem(last=False)
        return True

    def contract(self, market_id: str) -> Contract:
        """Return what is known of the contract's prices, nothing at first."""
        return self.contracts.of(market_id, known=market_id in self.markets)

    def ask(self, market_id: str, connection: str) -> list[Event]:
        """Return a request to describe a market that was never described; once for each."""
        if market_id in self.markets or market_id in self._asked:
            return []
        self._asked[market_id] = None
        if len(self._asked) > MOST_ASKED:
            self._asked.popitem(last=False)
        return [SnapshotNeeded(connection, (market_id,))]

    def keep(self, market: Market) -> list[Event]:
        """Remember what was said of a market; return it if that is news."""
        known = self.markets.get(market.market_id)
        full = known is None and len(self.markets) >= self._most_markets
        if full and not self._forget_one():
            return [Rejected("too_many_markets", f"more than {self._most_markets}")]
        if known is not None and not market.outcomes:
            # A list without answers does not say that there are none.
            market = replace(market, outcomes=known.outcomes)
        self.markets[market.market_id] = market
        if market.status in ("closed", "resolved"):
            self._ended[market.market_id] = None
        else:
            self._ended.pop(market.market_id, None)
        if known is not None and same(known, market):
            return []
        contract = self.contracts.of(market.market_id, known=True)
        for outcome in market.outcomes:
            contract.price(outcome.outcome_id, outcome.outcome)
            if market.mechanism != LEGACY:  # whose answers are numbered in each market anew
                self.answers[outcome.outcome_id] = market.market_id
        return [market]

    def _forget_one(self) -> bool:
        """Make room for a new market: forget the one that ended first and whose gap, if it had
        one, is closed; False if there is none."""
        market_id = next((each for each in self._ended if not self.gaps.is_open(each)), None)
        if market_id is None:
            return False
        del self._ended[market_id]
        for outcome in self.markets.pop(market_id).outcomes:
            self.answers.pop(outcome.outcome_id, None)
        self.contracts.forget(market_id)
        self._asked.pop(market_id, None)
        return True

    def close_if_due(self, market_id: str, at_us: int) -> list[Event]:
        """Return the market as closed if its time has come."""
        market = self.markets.get(market_id)
        if market is None:
            return []
        closed = closed_by(market, at_us)
        return [] if closed is market else self.keep(closed)

    def say(
        self, market_id: str, outcome_id: str, label: str | None, said: Statement
    ) -> list[Event]:
        """Apply a statement; return the quote tick if the price changed by it."""
        price = self.contract(market_id).price(outcome_id, label)
        if price is None:
            return [Rejected("too_many_outcomes", "a market has too many outcomes")]
        verdict = price.take(said)
        if verdict == "older":
            return [Ignored("older_price")]
        return [self._quote(market_id, price, said)] if verdict == "changed" else []

    def _quote(self, market_id: str, price: Price, said: Statement) -> Tick:
        market = self.markets.get(market_id)
        return quote_tick(
            platform=PLATFORM,
            market_id=market_id,
            outcome_id=price.book.outcome_id,
            outcome=price.label,
            top=price.book.top(),
            identity=said.identity,
            ingest_us=said.at_us,
            source_us=said.source_us,
            volume=None if market is None else market.volume,
        )

    def lose_all(
        self, connection: str, reason: GapReason, from_us: int, detail: str
    ) -> list[Event]:
        """Everything became doubtful: no price is trusted, any bet may be missing."""
        self.losses += 1
        if self.missing_since_us is None:
            self.missing_since_us = self.last_bet_us or from_us
        for contract in self.contracts:
            for price in contract.prices.values():
                price.book.trusted = False
        return [*self.gaps.open(None, connection, reason, from_us, detail=detail)]

    def lose(
        self,
        market_id: str,
        connection: str,
        reason: GapReason,
        from_us: int | None,
        detail: str,
        *,
        prices: bool = True,
    ) -> list[Event]:
        """One market became doubtful, its ``prices`` too or only whether all its bets are known;
        return the gap and a request to look. A market that was never described gets no gap:
        nobody follows it yet."""
        contract = self.contract(market_id)
        self.bets_missing(contract, from_us)
        for price in contract.prices.values() if prices else ():
            price.book.trusted = False
        request = SnapshotNeeded(connection, (market_id,))
        if market_id not in self.markets:
            return [request]
        gaps = self.gaps.open(market_id, connection, reason, from_us, detail=detail)
        return [*gaps, request]

    def doubt(self, market_id: str) -> None:
        """Trust none of the market's prices until the venue says what they are."""
        for price in self.contract(market_id).prices.values():
            price.doubt()

    def bets_missing(self, contract: Contract, from_us: int | None) -> None:
        """Note that bets of this market may be missing since the newest one seen."""
        contract.doubts += 1
        if contract.missing_since_us is None:
            contract.missing_since_us = contract.last_bet_us or from_us

    def settle(self, market_id: str, at_us: int) -> list[Event]:
        """End the market's gap, its bets having been read again and its prices compared; not
        while one of them is still in doubt."""
        contract = self.contracts.get(market_id)
        if contract is None or self.is_doubtful(market_id, gap=False):
            return []
        contract.missing_since_us = None
        return [*self.gaps.close(market_id, at_us)]

    def settle_all(self, at_us: int) -> list[Event]:
        """End the gap over all markets."""
        self.missing_since_us = None
        return [*self.gaps.close(None, at_us)]

    def is_doubtful(self, market_id: str, *, gap: bool = True) -> bool:
        """Whether one of the market's prices is not trusted or (``gap``) its gap is open."""
        contract = self.contracts.get(market_id)
        if contract is None:
            return True
        untrusted = any(not price.book.trusted for price in contract.prices.values())
        return untrusted or not contract.prices or (gap and self.gaps.is_open(market_id))


def or_applied(events: list[Event], kind: str) -> list[Event]:
    """Return the events, or that something was applied if there are none."""
    return events or [Applied(kind)]
