"""One synthetic Kalshi market: its book, its totals, and how the venue writes its numbers."""

from __future__ import annotations

import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from connectors.amounts import decimal
from echoarb.simulators.market import TICKS, SyntheticBook
from schemas.clock import isoformat

NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
KEPT_TRADES = 1_000


def dollars(price: int) -> str:
    """Return 1/1000 dollars as the venue writes prices: four decimals."""
    return f"{price // TICKS}.{price % TICKS:03d}0"


def contracts(size: int) -> str:
    """Return 1/100 contracts as the venue writes sizes: two decimals, signed if negative."""
    sign, size = ("-", -size) if size < 0 else ("", size)
    return f"{sign}{size // 100}.{size % 100:02d}"


def rfc3339(ms: int) -> str:
    """Return a time as the venue writes it: trailing zeros of the fraction are trimmed."""
    text = isoformat(ms * 1000)[:-1].rstrip("0").rstrip(".")
    return text + "Z"


@dataclass(slots=True)
class SimulatedMarket:
    """``question`` is the index into QUESTIONS; times are Unix milliseconds."""

    ticker: str
    title: str
    question: int
    opened_ms: int
    closes_ms: int
    book: SyntheticBook
    status: str = "active"
    result: str = ""
    volume: int = 0
    open_interest: int = 0
    last_price: int = 0
    last_size: int = 0
    trades: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT_TRADES))

    @property
    def market_id(self) -> str:
        """The venue's UUID of the market."""
        return str(uuid.uuid5(NAMESPACE, self.ticker))

    @property
    def event_ticker(self) -> str:
        """Everything but the outcome."""
        return self.ticker.rpartition("-")[0]

    @property
    def series_ticker(self) -> str:
        """The first part."""
        return self.ticker.partition("-")[0]

    def levels(self, side: str, *, yes_prices: bool = False) -> list[list[str]]:
        """Return one ladder of bids, the best last: ascending at its own prices, which NO bids
        leave for YES prices when a subscription wants that."""
        if side == "yes":
            pairs = sorted(self.book.bids.items())
        else:
            pairs = sorted((TICKS - price, size) for price, size in self.book.asks.items())
        if side == "no" and yes_prices:
            pairs = [(TICKS - price, size) for price, size in pairs]
        return [[dollars(price), contracts(size)] for price, size in pairs]

    def top(self) -> tuple[str, str, str, str]:
        """Return bid, bid size, ask, ask size; a missing side is 0 or 1 with size 0."""
        bid, ask = self.book.best("bid"), self.book.best("ask")
        return (
            dollars(0 if bid is None else bid),
            contracts(0 if bid is None else self.book.bids[bid]),
            dollars(TICKS if ask is None else ask),
            contracts(0 if ask is None else self.book.asks[ask]),
        )

    def plain_book(self) -> dict[str, Any]:
        """Return the book as ``echoarb decode --what books`` prints it."""

        def text(pairs: list[tuple[int, int]]) -> list[list[str]]:
            return [
                [format(decimal(price * 10**5), "f"), format(decimal(size * 10**6), "f")]
                for price, size in pairs
            ]

        return {
            "market_id": self.ticker,
            "outcome_id": self.ticker,
            "bids": text(sorted(self.book.bids.items(), reverse=True)),
            "asks": text(sorted(self.book.asks.items())),
        }

    def price_ranges(self) -> list[dict[str, str]]:
        """Return the price grid."""
        return [{"end": "1.0000", "start": "0.0000", "step": dollars(self.book.grid)}]

    def structure(self) -> str:
        """Return the grid's label."""
        return "linear_cent" if self.book.grid == 10 else "deci_cent"

    def plain(self) -> dict[str, Any]:
        """Return the REST object, keys in the venue's (alphabetical) order."""
        bid, bid_size, ask, ask_size = self.top()
        no_bid = TICKS - (self.book.best("ask") or TICKS)
        no_ask = TICKS - (self.book.best("bid") or 0)
        value: dict[str, Any] = {}
        if self.result:
            value = {"settlement_value_dollars": "1.0000" if self.result == "yes" else "0.0000"}
        return dict(
            sorted(
                {
                    "can_close_early": True,
                    "close_time": rfc3339(self.closes_ms),
                    "created_time": rfc3339(self.opened_ms),
                    "event_ticker": self.event_ticker,
                    "exchange_index": 0,
                    "expected_expiration_time": rfc3339(self.closes_ms),
                    "expiration_time": rfc3339(self.closes_ms),
                    "expiration_value": "",
                    "last_price_dollars": dollars(self.last_price),
                    "latest_expiration_time": rfc3339(self.closes_ms),
                    "market_type": "binary",
                    "no_ask_dollars": dollars(no_ask),
                    "no_bid_dollars": dollars(no_bid),
                    "no_sub_title": self.title,
                    "notional_value_dollars": "1.0000",
                    "open_interest_fp": contracts(self.open_interest),
                    "open_time": rfc3339(self.opened_ms),
                    "price_level_structure": self.structure(),
                    "price_ranges": self.price_ranges(),
                    "result": self.result,
                    "rules_primary": f"If the answer to '{self.title}' is yes, Yes.",
                    "rules_secondary": "",
                    "settlement_timer_seconds": 1,
                    "status": self.status,
                    "strike_type": "custom",
                    "ticker": self.ticker,
                    "title": self.title,
                    "updated_time": rfc3339(self.opened_ms),
                    "volume_24h_fp": contracts(self.volume),
                    "volume_fp": contracts(self.volume),
                    "yes_ask_dollars": ask,
                    "yes_ask_size_fp": ask_size,
                    "yes_bid_dollars": bid,
                    "yes_bid_size_fp": bid_size,
                    "yes_sub_title": self.title,
                    **value,
                }.items()
            )
        )
