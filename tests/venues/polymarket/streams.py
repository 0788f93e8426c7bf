"""One simulated market as a source of frames, for tests without a network."""

from __future__ import annotations

import json
import random

from connectors.book import Book
from connectors.events import Frame
from connectors.polymarket.parse import Parser
from connectors.polymarket.wire import plain
from echoarb.simulators.market import Change, Fill, next_orders
from echoarb.simulators.polymarket.gamma import gamma_market
from echoarb.simulators.polymarket.market import SimulatedMarket, TokenState, last_text
from echoarb.simulators.polymarket.venue import Simulator

START_MS = 1_790_000_000_000
SOCKET = "ws-0/1"


class Stream:
    """A market that changes on demand. Every call moves the clock by at most 2 ms."""

    def __init__(self, seed: int = 1) -> None:
        self.chance = random.Random(seed)
        self.market: SimulatedMarket = next(iter(Simulator(rate=0, seed=seed).markets.values()))
        self.now_ms = START_MS
        self.connection = SOCKET
        self.market.stamp(self.now_ms)

    @property
    def first(self) -> TokenState:
        return self.market.tokens[0]

    def frame(self, value: object, connection: str | None = None) -> Frame:
        """Return a frame that arrives now; a text is sent as it is."""
        text = value if isinstance(value, str) else json.dumps(value)
        return Frame(self.now_ms * 1000 + 150, connection or self.connection, text)

    def listing(self) -> Frame:
        """Return the Gamma page of the market."""
        page = [gamma_market(self.market, self.now_ms * 1000)]
        return self.frame(page, "rest:markets")

    def snapshot(self) -> Frame:
        """Return the first frame of a connection that follows both tokens."""
        return self.frame([self.market.first_book(token) for token in self.market.tokens])

    def rest(self) -> Frame:
        """Return the answer of POST /books as of now."""
        books = [self.market.rest_book(token) for token in self.market.tokens]
        return self.frame(books, "rest:books")

    def step(self) -> list[Frame]:
        """Let participants act; return the frames about it, in order."""
        changes: list[Change] = []
        fills: list[Fill] = []
        while not changes:
            changes, fills = next_orders(self.market.orders, 0.5, self.chance)
        if fills:
            self.market.last_trade_price = last_text(fills[-1].price)
        frames = []
        for change in changes:
            self.now_ms += self.chance.randint(0, 2)
            frames.append(self.frame(self.market.price_change([change], self.now_ms)))
        if fills:
            frames += [self.frame(self.market.traded_book(token)) for token in self.market.tokens]
        return frames

    def agrees(self, book: Book) -> bool:
        """Whether the book is the true one."""
        token = self.market.token(book.outcome_id)
        bids = [[plain(price), plain(size)] for price, size in book.best_first("bid")]
        asks = [[plain(price), plain(size)] for price, size in book.best_first("ask")]
        return bids == [
            [level["price"], level["size"]] for level in reversed(self.market.side(token, "BUY"))
        ] and asks == [
            [level["price"], level["size"]] for level in reversed(self.market.side(token, "SELL"))
        ]


def following() -> tuple[Stream, Parser]:
    """Return a stream and a parser that has its listing and first snapshot."""
    stream, parser = Stream(), Parser()
    parser.receive(stream.listing())
    parser.receive(stream.snapshot())
    return stream, parser
