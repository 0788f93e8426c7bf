"""The synthetic market behind the simulated venues: beliefs that move, and orders around them.

A belief is a pure function of seed, question, venue and time, so simulators in separate processes
agree on it without talking, and disagree now and then on purpose.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import Literal

Side = Literal["bid", "ask"]
TICKS = 1000
"""Prices are integers of 1/1000 of the payout."""

QUESTIONS = (
    ("rain-in-lisbon", "Will it rain in Lisbon tomorrow?"),
    ("rate-cut", "Will the central bank cut its rate at the next meeting?"),
    ("harbour-bridge", "Will the harbour bridge reopen this month?"),
    ("chess-title", "Will the challenger win the chess title?"),
    ("rocket-launch", "Will the rocket launch before the end of the week?"),
    ("wheat-price", "Will wheat close above its yearly mean?"),
    ("mayor-runoff", "Will the mayoral election go to a run-off?"),
    ("film-award", "Will a documentary win the main award?"),
)
"""Slug and title of each synthetic question; every venue lists all of them."""


def belief(seed: int, question: int, platform: str, at_seconds: float) -> float:
    """Return the probability, 0.05..0.95, that ``platform`` gives ``question`` at a time.

    A sum of slow sines, the same for all venues, plus each venue's own small one; every four
    minutes one venue is off by 0.06 for half a minute.
    """
    shape = random.Random(f"{seed}/{question}")
    value = 0.25 + 0.5 * shape.random()
    for period in (37.0, 149.0, 611.0):
        value += 0.06 * math.sin(2 * math.pi * at_seconds / period + shape.uniform(0, 6.28))
    own = random.Random(f"{seed}/{question}/{platform}")
    value += 0.008 * math.sin(2 * math.pi * at_seconds / 53.0 + own.uniform(0, 6.28))
    if (at_seconds + own.uniform(0, 240)) % 240 < 30:
        value += 0.06
    return min(max(value, 0.05), 0.95)


@dataclass(frozen=True, slots=True)
class Change:
    """A level's total changed. Prices in 1/1000, sizes in 1/100 contracts."""

    side: Side
    price: int
    delta: int
    total: int


@dataclass(frozen=True, slots=True)
class Fill:
    """A taker met a resting order. ``taker`` is the side the taker was on (bid = buys)."""

    price: int
    size: int
    taker: Side


@dataclass(slots=True)
class SyntheticBook:
    """The resting orders of one question on one venue. ``grid`` is the price step in 1/1000."""

    grid: int = 10
    bids: dict[int, int] = field(default_factory=dict)
    asks: dict[int, int] = field(default_factory=dict)

    def change(self, side: Side, price: int, delta: int) -> Change:
        """Add to (or take from) a level, never below nothing."""
        levels = self.bids if side == "bid" else self.asks
        before = levels.get(price, 0)
        total = max(before + delta, 0)
        if total:
            levels[price] = total
        else:
            levels.pop(price, None)
        return Change(side, price, total - before, total)

    def best(self, side: Side) -> int | None:
        """Return the best price of a side."""
        if side == "bid":
            return max(self.bids, default=None)
        return min(self.asks, default=None)


def seed_book(book: SyntheticBook, value: float, chance: random.Random, depth: int = 6) -> None:
    """Fill an empty book with ``depth`` levels a side around ``value``."""
    middle = _on_grid(value, book.grid)
    for step in range(1, depth + 1):
        for side, price in (("bid", middle - step * book.grid), ("ask", middle + step * book.grid)):
            if 0 < price < TICKS:
                book.change("bid" if side == "bid" else "ask", price, chance.randint(100, 90_000))


def next_orders(
    book: SyntheticBook, value: float, chance: random.Random
) -> tuple[list[Change], list[Fill]]:
    """Return what participants do next, given that they believe ``value``; applied to ``book``.

    The changes are in the order in which they happened; the book is never crossed or locked
    after them. Each fill's change is among the changes.
    """
    middle = _on_grid(value, book.grid)
    changes: list[Change] = []
    fills: list[Fill] = []
    # Resting orders on the wrong side of what is believed now are taken.
    for side in ("bid", "ask"):
        resting: Side = "bid" if side == "bid" else "ask"
        best = book.best(resting)
        while best is not None and (best >= middle if resting == "bid" else best <= middle):
            size = (book.bids if resting == "bid" else book.asks)[best]
            changes.append(book.change(resting, best, -size))
            fills.append(Fill(best, size, "ask" if resting == "bid" else "bid"))
            best = book.best(resting)
    draw = chance.random()
    side_drawn: Side = "bid" if chance.random() < 0.5 else "ask"
    best = book.best(side_drawn)
    if draw < 0.12 and best is not None:
        levels = book.bids if side_drawn == "bid" else book.asks
        size = min(levels[best], chance.randint(1, 5_000))
        changes.append(book.change(side_drawn, best, -size))
        fills.append(Fill(best, size, "ask" if side_drawn == "bid" else "bid"))
    elif draw < 0.35 and best is not None:
        levels = book.bids if side_drawn == "bid" else book.asks
        price = chance.choice(sorted(levels))
        changes.append(book.change(side_drawn, price, -chance.randint(1, levels[price])))
    distance = book.grid * chance.randint(1, 6)
    price = middle - distance if side_drawn == "bid" else middle + distance
    if 0 < price < TICKS:
        changes.append(book.change(side_drawn, price, chance.randint(100, 30_000)))
    return changes, fills


def _on_grid(value: float, grid: int) -> int:
    return round(value * TICKS / grid) * grid
