"""A Polymarket server on loopback: Gamma listings, books by REST and the market socket."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from typing import Any

from aiohttp import web

from echoarb.simulators.base import Client, SimulatedVenue
from echoarb.simulators.market import QUESTIONS, SyntheticBook, belief, next_orders, seed_book
from echoarb.simulators.polymarket.gamma import market_resolved, new_market
from echoarb.simulators.polymarket.market import (
    SimulatedMarket,
    TokenState,
    digits,
    hexadecimal,
    last_text,
    to_text,
)
from echoarb.simulators.polymarket.rest import Rest
from schemas.clock import now_us

TRADE_DELAY_MS = 200
"""A trade is told this much later than the book it changed."""
PATIENCE_SECONDS = 180
"""A client that sent no PING for this long is cut."""
SNAPSHOT_LIMIT = 750
"""Tokens of one socket above which snapshots silently never come, while changes do."""
FRAME_LIMIT = 1_000
"""Ids in one frame above which the venue closes the connection."""


class Simulator(SimulatedVenue):
    """The simulated venue. ``markets`` are all its markets, by condition id."""

    platform = "polymarket"

    def __init__(self, *, rate: float = 50.0, seed: int = 1) -> None:
        super().__init__(rate=rate, seed=seed)
        self.snapshot_limit = SNAPSHOT_LIMIT
        self.answers_ping = True
        self.markets: dict[str, SimulatedMarket] = {}
        self._order = asyncio.Lock()
        self._trades: deque[tuple[int, SimulatedMarket, dict[str, Any]]] = deque()
        self._last_ms = 0
        self._trade_number = 0
        for number in range(len(QUESTIONS)):
            self.add_market(number)
        self.app.router.add_get("/ws/market", self.socket)
        self.rest = Rest(self)
        self.rest.add_routes(self.app.router)

    def add_market(self, number: int, *, slug: str | None = None) -> SimulatedMarket:
        """List another market; the synthetic questions come first."""
        name, title = QUESTIONS[number % len(QUESTIONS)]
        name = slug or name
        orders = SyntheticBook(grid=1 if number % 4 == 3 else 10)
        seed_book(orders, self._belief(number), self.chance)
        market = SimulatedMarket(
            condition_id=hexadecimal("condition", self.seed, name),
            number=500_000 + number,
            slug=name,
            title=title,
            neg_risk=number % 2 == 1,
            tick_size="0.001" if orders.grid == 1 else "0.01",
            tokens=(
                TokenState(digits("yes", self.seed, name), mirrored=False),
                TokenState(digits("no", self.seed, name), mirrored=True),
            ),
            orders=orders,
            levels=SyntheticBook(orders.grid, dict(orders.bids), dict(orders.asks)),
        )
        market.stamp(self._next_ms())
        self.markets[market.condition_id] = market
        return market

    def find(self, token_id: object) -> tuple[SimulatedMarket, TokenState] | None:
        """Return the open market and token with this id."""
        for market in self.markets.values():
            for token in market.tokens:
                if token.token_id == token_id and not market.closed:
                    return market, token
        return None

    def books(self) -> list[dict[str, Any]]:
        """Return the true books of the open markets, best level first."""
        return [
            {
                "market_id": market.condition_id,
                "outcome_id": token.token_id,
                "bids": [[level["price"], level["size"]] for level in reversed(bids)],
                "asks": [[level["price"], level["size"]] for level in reversed(asks)],
            }
            for market in self.markets.values()
            if not market.closed
            for token in market.tokens
            for bids, asks in [(market.side(token, "BUY"), market.side(token, "SELL"))]
        ]

    def refusal(self, request: web.Request) -> web.Response | None:
        """The feed needs no key: what stands for a bad one is a refusal at the door."""
        if self.faults.lasting("bad_key"):
            return web.Response(status=403, text="Forbidden")
        return None

    def too_many_requests(self) -> web.Response:
        """Return 429 with the pause that is asked for."""
        return web.json_response(
            {"error": "Too Many Requests"}, status=429, headers={"Retry-After": "1"}
        )

    async def act(self) -> None:
        """Let participants of one market act, and tell it as the venue does."""
        async with self._order:
            await self._tell_trades()
            number = self.chance.randrange(len(self.markets))
            market = list(self.markets.values())[number]
            if market.closed:
                return
            changes, fills = next_orders(market.orders, self._belief(number), self.chance)
            if fills:
                # Hashes know of a trade some 200 ms before it is told.
                market.last_trade_price = last_text(fills[-1].price)
            for change in changes:
                now = self._next_ms()
                await self._tell(market, market.price_change([change], now))
            if fills:
                for token in market.tokens:
                    await self._tell(market, market.traded_book(token), token)
                for fill in fills:
                    self._trade_number += 1
                    trade = market.trade(fill, self._last_ms, self._trade_number, self.chance)
                    self._trades.append((self._last_ms + TRADE_DELAY_MS, market, trade))
            if self.chance.random() < 0.2:
                token = self.chance.choice(market.tokens)
                await self._tell(market, market.best_bid_ask(token), token, flagged=True)
            if self.chance.random() < 0.01:
                await self._announce(market)
            await self._cut_silent()

    async def change_tick_size(self, market: SimulatedMarket, new: str) -> None:
        """Change a market's price grid."""
        async with self._order:
            for event in market.tick_size_changes(new, self._next_ms()):
                await self._tell(market, event, market.token(event["asset_id"]))

    async def announce(self, market: SimulatedMarket) -> None:
        """Announce a market to everybody, several times, as the venue does."""
        async with self._order:
            for _ in range(3):
                await self._announce(market)

    async def resolve(self, market: SimulatedMarket, winner: int) -> None:
        """End a market: its books are gone and the outcome of this index is paid."""
        async with self._order:
            market.closed = True
            market.winner = market.tokens[winner].token_id
            event = market_resolved(market, self._next_ms())
            await self._tell(market, event, flagged=True)

    async def received(self, client: Client, text: str) -> None:
        """Answer PING, take subscriptions; anything else is met with silence."""
        client.state["heard"] = time.monotonic()
        if text == "PING":
            if not self.answers_ping:
                return
            await client.send("PONG", data=False)
            return
        try:
            message = json.loads(text)
            token_ids = message["assets_ids"]
        except (ValueError, TypeError, KeyError):
            return
        if not isinstance(token_ids, list):
            return
        if len(token_ids) > FRAME_LIMIT:
            await client.websocket.close()
            return
        async with self._order:
            kinds = (message.get("type"), message.get("operation"))
            if kinds[0] in ("market", "MARKET") or kinds[1] == "subscribe":
                await self._subscribe(client, message, token_ids)
            elif kinds[1] == "unsubscribe":
                client.state.get("tokens", set()).difference_update(token_ids)

    async def _subscribe(self, client: Client, message: Any, token_ids: list[Any]) -> None:
        tokens: set[Any] = client.state.setdefault("tokens", set())
        if message.get("custom_feature_enabled") is True:
            client.state["flagged"] = True
        books = []
        for token_id in token_ids:
            found = self.find(token_id)
            if found is None or token_id in tokens:
                continue
            tokens.add(token_id)
            if len(tokens) <= self.snapshot_limit and message.get("initial_dump", True):
                market, token = found
                books.append(market.first_book(token))
        # With a space after each colon and comma, unlike single events. A subscription of
        # nothing that is open is answered as well: with an empty array.
        await client.send(json.dumps(books))

    async def _tell(
        self,
        market: SimulatedMarket,
        event: dict[str, Any],
        token: TokenState | None = None,
        *,
        flagged: bool = False,
    ) -> None:
        """Send an event to those who follow ``token``, or any of the market's if not given."""
        text = to_text(event)
        concerned = {one.token_id for one in ((token,) if token else market.tokens)}
        for client in [*self.clients]:
            if flagged and not client.state.get("flagged"):
                continue
            if concerned & client.state.get("tokens", set()):
                if self.faults.take("slow_reader"):
                    await client.websocket.close(code=1008, message=b"slow consumer")
                else:
                    await client.send(text)

    async def _tell_trades(self) -> None:
        while self._trades and self._trades[0][0] <= self.now_ms():
            _, market, trade = self._trades.popleft()
            await self._tell(market, trade)

    async def _announce(self, market: SimulatedMarket) -> None:
        text = to_text(new_market(market, self._next_ms()))
        for client in [*self.clients]:
            if client.state.get("flagged"):
                await client.send(text)

    async def _cut_silent(self) -> None:
        for client in [*self.clients]:
            if time.monotonic() - client.state.get("heard", time.monotonic()) > PATIENCE_SECONDS:
                await client.cut()

    def _belief(self, number: int) -> float:
        question = number % len(QUESTIONS)
        return belief(self.seed, question, self.platform, now_us() / 1e6)

    def _next_ms(self) -> int:
        """Return the venue's clock, which never goes backwards."""
        self._last_ms = max(self._last_ms, self.now_ms())
        return self._last_ms
