"""One simulated binary market: two mirrored token books, their hashes, and what the socket says.

Texts have the keys, their order and the forms of the recordings (PROTOCOL sections 4 to 7).
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from echoarb.simulators.market import TICKS, Change, Fill, SyntheticBook

MINIMUM_SIZE = "5"
TokenSide = Literal["BUY", "SELL"]
Levels = list[dict[str, str]]


def digits(*parts: object) -> str:
    """Return a token id: a decimal number of 77 digits."""
    number = int(hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest(), 16)
    return str(10**76 + number % (9 * 10**76))


def hexadecimal(*parts: object) -> str:
    """Return a condition id or transaction hash: 0x and 64 digits."""
    return "0x" + hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()


def plain(number: int, scale: int) -> str:
    """Return ``number`` / ``scale`` (a power of ten) without zeros at the end."""
    places = len(str(scale)) - 1
    text = f"{number // scale}.{number % scale:0{places}d}".rstrip("0")
    return text.rstrip(".")


def price_text(price: int) -> str:
    """Return a price in 1/1000 as the venue writes it in a book."""
    return plain(price, TICKS)


def last_text(price: int) -> str:
    """Return a price in 1/1000 as last_trade_price is written: always three decimals."""
    return f"0.{price:03d}"


def to_text(value: object) -> str:
    """Return an object as a frame of its own is written."""
    return json.dumps(value, separators=(",", ":"))


@dataclass(slots=True)
class TokenState:
    """What the venue knows of one token's book beside its levels."""

    token_id: str
    mirrored: bool
    """Whether it is the second outcome: its bids are the first one's asks, at 1 - price."""
    timestamp: str = "0"
    hash: str = ""
    last_trade_price: str = ""


@dataclass(slots=True)
class SimulatedMarket:
    """A market. ``levels`` are the first outcome's orders; prices in 1/1000, sizes in 1/100."""

    condition_id: str
    number: int
    slug: str
    title: str
    neg_risk: bool
    tick_size: str
    tokens: tuple[TokenState, TokenState]
    orders: SyntheticBook
    levels: SyntheticBook = field(default_factory=SyntheticBook)
    """As told to the clients so far: ``orders`` runs ahead of it by one batch."""
    last_trade_price: str = ""
    closed: bool = False
    winner: str | None = None

    def side(self, token: TokenState, side: TokenSide) -> Levels:
        """Return one side of a token's book, best price last, as the venue orders it."""
        buys = side == "BUY"
        mine = self.levels.bids if buys != token.mirrored else self.levels.asks
        levels = {TICKS - price if token.mirrored else price: size for price, size in mine.items()}
        return [
            {"price": price_text(price), "size": plain(levels[price], 100)}
            for price in sorted(levels, reverse=not buys)
        ]

    def rest_book(self, token: TokenState) -> dict[str, Any]:
        """Return a token's book as REST gives it."""
        return {
            "market": self.condition_id,
            "asset_id": token.token_id,
            "timestamp": token.timestamp,
            "hash": token.hash,
            "bids": self.side(token, "BUY"),
            "asks": self.side(token, "SELL"),
            "min_order_size": MINIMUM_SIZE,
            "tick_size": self.tick_size,
            "neg_risk": self.neg_risk,
            "last_trade_price": token.last_trade_price,
        }

    def first_book(self, token: TokenState) -> dict[str, Any]:
        """Return a token's book as the socket gives it on subscription."""
        book = self.rest_book(token)
        del book["min_order_size"], book["neg_risk"]
        last = book.pop("last_trade_price")
        return book | {"event_type": "book", "last_trade_price": last}

    def traded_book(self, token: TokenState) -> dict[str, Any]:
        """Return a token's book as the socket gives it after a trade: without the tick size."""
        return {
            "market": self.condition_id,
            "asset_id": token.token_id,
            "bids": self.side(token, "BUY"),
            "asks": self.side(token, "SELL"),
            "hash": token.hash,
            "timestamp": token.timestamp,
            "event_type": "book",
        }

    def stamp(self, timestamp: int) -> None:
        """Give both books their time and hash, as they stand now."""
        for token in self.tokens:
            token.timestamp = str(timestamp)
            token.last_trade_price = self.last_trade_price
            unsigned = self.rest_book(token) | {"hash": ""}
            token.hash = hashlib.sha1(  # noqa: S324  the venue's choice
                to_text(unsigned).encode()
            ).hexdigest()

    def price_change(self, changes: Iterable[Change], timestamp: int) -> dict[str, Any]:
        """Apply the changes and return the message of them: an entry for each of both books."""
        entries: list[dict[str, str]] = []
        for change in changes:
            side = self.levels.bids if change.side == "bid" else self.levels.asks
            if change.total:
                side[change.price] = change.total
            else:
                side.pop(change.price, None)
            self.stamp(timestamp)
            for token in self.tokens:
                buys = (change.side == "bid") != token.mirrored
                price = TICKS - change.price if token.mirrored else change.price
                entries.append(
                    {
                        "asset_id": token.token_id,
                        "price": price_text(price),
                        "size": plain(change.total, 100),
                        "side": "BUY" if buys else "SELL",
                        "hash": token.hash,
                    }
                )
        for entry in entries:
            token = self.token(entry["asset_id"])
            entry["best_bid"], entry["best_ask"] = self.top(token)
        return {
            "market": self.condition_id,
            "price_changes": entries,
            "timestamp": str(timestamp),
            "event_type": "price_change",
        }

    def token(self, token_id: str) -> TokenState:
        """Return the token of this market with this id."""
        return next(token for token in self.tokens if token.token_id == token_id)

    def top(self, token: TokenState) -> tuple[str, str]:
        """Return best bid and ask as price_change states them: "0" and "1" for an empty side."""
        bids, asks = self.side(token, "BUY"), self.side(token, "SELL")
        return bids[-1]["price"] if bids else "0", asks[-1]["price"] if asks else "1"

    def best_bid_ask(self, token: TokenState) -> dict[str, Any]:
        """Return the event of the top of a book."""
        bid, ask = self.top(token)
        spread = round(float(ask) * TICKS) - round(float(bid) * TICKS)
        return {
            "market": self.condition_id,
            "asset_id": token.token_id,
            "best_bid": bid,
            "best_ask": ask,
            "spread": price_text(spread),
            "timestamp": token.timestamp,
            "event_type": "best_bid_ask",
        }

    def trade(
        self, fill: Fill, timestamp: int, number: int, chance: random.Random
    ) -> dict[str, Any]:
        """Return the event of a fill, told for either outcome's token."""
        token = chance.choice(self.tokens)
        buys = (fill.taker == "bid") != token.mirrored
        return {
            "market": self.condition_id,
            "asset_id": token.token_id,
            "price": price_text(TICKS - fill.price if token.mirrored else fill.price),
            "size": plain(fill.size, 100),
            "fee_rate_bps": "0",
            "side": "BUY" if buys else "SELL",
            "timestamp": str(timestamp),
            "event_type": "last_trade_price",
            "transaction_hash": hexadecimal("transaction", self.condition_id, timestamp, number),
        }

    def tick_size_changes(self, new: str, timestamp: int) -> list[dict[str, Any]]:
        """Change the grid and return the events, which the venue sends as two equal pairs."""
        old, self.tick_size = self.tick_size, new
        self.stamp(timestamp)
        return [
            {
                "market": self.condition_id,
                "asset_id": token.token_id,
                "old_tick_size": old,
                "new_tick_size": new,
                "timestamp": str(timestamp),
                "event_type": "tick_size_change",
            }
            for token in (*self.tokens, *self.tokens)
        ]
