"""The venue's book hash: a free proof that our book is its book. Pure.

SHA-1 over the compact JSON of the book, last_trade_price being its last member (PROTOCOL section
7). That price is a moving part which other events announce late, so the digest of everything
before it is made once and finished with one candidate after another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from connectors.amounts import ONE
from connectors.book import Book, Level
from connectors.polymarket.wire import plain

Verdict = Literal["matched", "mismatched", "unknown_inputs", "no_hash", "search_skipped"]
"""unknown_inputs: minimum size, grid or neg_risk are not known yet. search_skipped: the likely
prices failed and the complete search was not allowed or can't be complete on this grid."""

_THOUSANDTH = ONE // 1000
_COMPLETE_GRIDS = ("0.1", "0.01", "0.001")
"""Grids on which every price has three decimals, so that a search through those is complete."""


@dataclass(slots=True)
class HashInputs:
    """What the hash needs beside levels and time; None = not known yet.

    ``last_trade_price`` is the last value that was stated or found for this token.
    """

    min_order_size: str | None = None
    neg_risk: bool | None = None
    tick_size: str | None = None
    last_trade_price: str | None = None

    def fill(self, known: HashInputs) -> None:
        """Take over what is not known yet: a book's own statements are newer than a listing."""
        if self.min_order_size is None:
            self.min_order_size = known.min_order_size
        if self.neg_risk is None:
            self.neg_risk = known.neg_risk
        if self.tick_size is None:
            self.tick_size = known.tick_size


@lru_cache(maxsize=200_000)
def _level(level: Level) -> str:
    return f'{{"price":"{plain(level[0])}","size":"{plain(level[1])}"}}'


def _side(levels: Iterable[Level]) -> str:
    return ",".join(map(_level, levels))


class Digest:
    """The hash of one state of a book, but for last_trade_price."""

    def __init__(
        self,
        market_id: str,
        token_id: str,
        time_ms: int,
        bids: Iterable[Level],
        asks: Iterable[Level],
        inputs: HashInputs,
    ) -> None:
        """Levels are hashed in the order given."""
        head = (
            f'{{"market":"{market_id}","asset_id":"{token_id}",'
            f'"timestamp":"{time_ms}","hash":"","bids":[{_side(bids)}],"asks":[{_side(asks)}],'
            f'"min_order_size":"{inputs.min_order_size}","tick_size":"{inputs.tick_size}",'
            f'"neg_risk":{"true" if inputs.neg_risk else "false"},"last_trade_price":"'
        )
        self._digest = hashlib.sha1(head.encode(), usedforsecurity=False)

    @classmethod
    def of(cls, book: Book, time_ms: int, inputs: HashInputs) -> Digest:
        """Return the digest of a book, its levels in the venue's order: best price last."""
        bids = sorted(book.bids.items())
        asks = sorted(book.asks.items(), reverse=True)
        return cls(book.market_id, book.outcome_id, time_ms, bids, asks, inputs)

    def with_last(self, last_trade_price: str) -> str:
        """Return the hash, 40 hex digits, for this last_trade_price."""
        digest = self._digest.copy()
        digest.update(f'{last_trade_price}"}}'.encode())
        return digest.hexdigest()


@lru_cache(maxsize=4096)
def three_decimals(amount: int) -> str:
    """Return a price in units as last_trade_price is written."""
    steps = (amount + _THOUSANDTH // 2) // _THOUSANDTH
    return f"{steps // 1000}.{steps % 1000:03d}"


GRID = tuple(three_decimals(step * _THOUSANDTH) for step in range(1001))


def verify(
    book: Book,
    time_ms: int,
    stated: str | None,
    inputs: HashInputs,
    likely: Iterable[int | None],
    *,
    search: Callable[[], bool],
) -> tuple[Verdict, str | None]:
    """Return whether ``stated`` is the hash of ``book``, and the last_trade_price that proves it.

    ``likely`` are prices in units at which the last trade may have been; the last known one is
    tried before them, and each price's complement after it, since either outcome's price may
    be meant. ``search()`` is asked whether all thousand prices may be tried after that (1 ms).
    """
    if stated is None:
        return "no_hash", None
    if inputs.min_order_size is None or inputs.tick_size is None or inputs.neg_risk is None:
        return "unknown_inputs", None
    digest = Digest.of(book, time_ms, inputs)
    known = inputs.last_trade_price
    if known is not None and digest.with_last(known) == stated:
        return "matched", known
    tried = {known}
    for candidate in _texts(known, likely):
        if candidate not in tried:
            tried.add(candidate)
            if digest.with_last(candidate) == stated:
                return "matched", candidate
    if inputs.tick_size not in _COMPLETE_GRIDS or not search():
        return "search_skipped", None
    for candidate in GRID:
        if candidate not in tried and digest.with_last(candidate) == stated:
            return "matched", candidate
    return "mismatched", None


def _texts(known: str | None, likely: Iterable[int | None]) -> Iterable[str]:
    if known in _WRITTEN:
        yield GRID[1000 - _WRITTEN[known]]
    for amount in likely:
        if amount is not None:
            yield three_decimals(amount)
            yield three_decimals(ONE - amount)
    yield ""


_WRITTEN: dict[str | None, int] = {text: step for step, text in enumerate(GRID)}
