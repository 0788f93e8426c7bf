"""One outcome's resting orders, level by level, in integer units. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from connectors.amounts import decimal

BookSide = Literal["bid", "ask"]
Level = tuple[int, int]
"""Price and size, both in units of 10^-8."""


class NegativeLevel(ValueError):
    """A change would leave less than nothing at a level: something before it was lost."""


@dataclass(frozen=True, slots=True)
class Top:
    """Best prices and their sizes in units; None where a side is empty (or a size unknown)."""

    bid: int | None
    bid_size: int | None
    ask: int | None
    ask_size: int | None


EMPTY_TOP = Top(None, None, None, None)


class Book:
    """A level-2 book: price to size for each side.

    ``trusted`` is False from a disturbance until the next snapshot. Whoever drives the book
    decides that; the book itself only keeps levels positive and answers for the top.
    """

    __slots__ = ("_best_ask", "_best_bid", "asks", "bids", "market_id", "outcome_id", "trusted")

    def __init__(self, market_id: str, outcome_id: str) -> None:
        self.market_id = market_id
        self.outcome_id = outcome_id
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.trusted = False
        self._best_bid: int | None = None
        self._best_ask: int | None = None

    def replace(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Take a snapshot: both sides anew, levels of size zero left out; trusted again."""
        self.bids = {price: size for price, size in bids if size}
        self.asks = {price: size for price, size in asks if size}
        self._best_bid = max(self.bids, default=None)
        self._best_ask = min(self.asks, default=None)
        self.trusted = True

    def set(self, side: BookSide, price: int, size: int) -> None:
        """Set a level's total; 0 removes it. Raises NegativeLevel if ``size`` is below zero."""
        if size < 0:
            raise NegativeLevel(f"{side} level of {decimal(size)}")
        levels = self.bids if side == "bid" else self.asks
        if size:
            levels[price] = size
            if side == "bid" and (self._best_bid is None or price > self._best_bid):
                self._best_bid = price
            elif side == "ask" and (self._best_ask is None or price < self._best_ask):
                self._best_ask = price
        elif levels.pop(price, None) is not None:
            if price == self._best_bid and side == "bid":
                self._best_bid = max(self.bids, default=None)
            elif price == self._best_ask and side == "ask":
                self._best_ask = min(self.asks, default=None)

    def add(self, side: BookSide, price: int, change: int) -> None:
        """Change a level's total. Raises NegativeLevel, leaving the level as it was."""
        levels = self.bids if side == "bid" else self.asks
        total = levels.get(price, 0) + change
        if total < 0:
            raise NegativeLevel(f"{side} level of {decimal(total)}")
        self.set(side, price, total)

    def top(self) -> Top:
        """Return the best level of each side."""
        bid, ask = self._best_bid, self._best_ask
        return Top(
            bid,
            None if bid is None else self.bids[bid],
            ask,
            None if ask is None else self.asks[ask],
        )

    @property
    def crossed(self) -> bool:
        """Whether the best bid is above the best ask (equal is locked, not crossed)."""
        return (
            self._best_bid is not None
            and self._best_ask is not None
            and self._best_bid > self._best_ask
        )

    def best_first(self, side: BookSide) -> list[Level]:
        """Return one side's levels, best price first."""
        if side == "bid":
            return sorted(self.bids.items(), reverse=True)
        return sorted(self.asks.items())
