"""The simulated Kalshi: one server over the synthetic market, speaking the venue's protocol."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from pathlib import Path
from typing import Any, ClassVar

from aiohttp import web

from echoarb.simulators.base import Client, SimulatedVenue
from echoarb.simulators.kalshi import frames
from echoarb.simulators.kalshi.market import (
    NAMESPACE,
    SimulatedMarket,
    contracts,
    dollars,
    rfc3339,
)
from echoarb.simulators.kalshi.rest import Rest, problem
from echoarb.simulators.kalshi.session import (
    BOOKS,
    LIFECYCLE,
    Limits,
    Session,
    Subscription,
)
from echoarb.simulators.kalshi.signature import Gate
from echoarb.simulators.market import (
    QUESTIONS,
    TICKS,
    Change,
    Fill,
    SyntheticBook,
    belief,
    next_orders,
    seed_book,
)

BASE = "/trade-api/v2"
SOCKET = "/trade-api/ws/v2"
HEARTBEAT_SECONDS = 10
CLOSES_MS = 1_893_445_200_000  # 2029-12-31T21:00:00Z


class Simulator(SimulatedVenue):
    """Eight open markets, one per question. ``limits`` are the venue's unpublished ones."""

    platform: ClassVar[str] = "kalshi"

    def __init__(
        self,
        *,
        rate: float = 50.0,
        seed: int = 1,
        public_key: Path | None = None,
        key_id: str = "",
    ) -> None:
        """With ``public_key`` only requests signed by ``key_id`` pass; without, any signed one."""
        super().__init__(rate=rate, seed=seed)
        self.limits = Limits()
        self.markets: dict[str, SimulatedMarket] = {}
        self._gate = Gate(public_key, key_id)
        self._sessions: dict[Client, Session] = {}
        self._heartbeats: dict[Client, asyncio.Task[None]] = {}
        self._trade_count = 0
        # Books change and numbers are counted while frames are being sent: one at a time.
        self._turn = asyncio.Lock()
        for question, (slug, title) in enumerate(QUESTIONS):
            self._add(f"KX{slug.replace('-', '').upper()}-29DEC31-Y", title, question)
        self.app.router.add_get(SOCKET, self.socket)
        self.app.router.add_routes(Rest(self.markets, self.limits).routes(BASE))
        self.app.middlewares.append(self._check_signature)

    def books(self) -> list[dict[str, Any]]:
        """Return the books of the open markets."""
        return [item.plain_book() for item in self.markets.values() if item.status == "active"]

    def refusal(self, request: web.Request) -> web.Response | None:
        """Refuse a socket without a valid signature: public channels need one too."""
        if not self._signed(request):
            return _unauthorised()
        return None

    def too_many_requests(self) -> web.Response:
        """Return the answer as recorded: without Retry-After."""
        return problem(429, "too_many_requests", "too many requests")

    async def opened(self, client: Client) -> None:
        """Begin a session and its heartbeat."""
        self._sessions[client] = Session(client, self.markets, self.limits)
        self._heartbeats[client] = asyncio.create_task(_heartbeat(client))

    async def closed(self, client: Client) -> None:
        """Forget the session."""
        self._sessions.pop(client, None)
        heartbeat = self._heartbeats.pop(client, None)
        if heartbeat is not None:
            heartbeat.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await heartbeat

    async def received(self, client: Client, text: str) -> None:
        """Answer a command."""
        async with self._turn:
            await self._sessions[client].command(text, self.now_ms())

    async def act(self) -> None:
        """Let participants of one market act."""
        async with self._turn:
            await self._end_slow_subscriptions()
            open_markets = [item for item in self.markets.values() if item.status == "active"]
            if open_markets:
                await self._trade(self.chance.choice(open_markets))

    async def open_market(
        self, question: int, outcome: str, *, announced: bool = True
    ) -> SimulatedMarket:
        """Create a market on a question, open at once; the lifecycle channel says so."""
        async with self._turn:
            slug, title = QUESTIONS[question]
            ticker = f"KX{slug.replace('-', '').upper()}-29DEC31-{outcome}"
            market = self._add(ticker, title, question)
            if announced:
                await self._lifecycle(frames.created(market))
            return market

    async def close_market(self, ticker: str, result: str, *, announced: bool = True) -> None:
        """Close a market early, then settle it: an empty book, and three lifecycle messages."""
        async with self._turn:
            market = self.markets[ticker]
            now = self.now_ms()
            market.closes_ms = now
            market.book.bids.clear()
            market.book.asks.clear()
            if announced:
                await self._lifecycle(_event(market, "close_date_updated", close_ts=now // 1000))
            market.status, market.result = "finalized", result
            for session in [*self._sessions.values()]:
                subscription = session.of_channel(BOOKS)
                if subscription is not None and subscription.follows(ticker):
                    await session.snapshot(subscription, market, now)
            await self._ticker(market, now)
            if not announced:
                return
            value = "1.0000" if result == "yes" else "0.0000"
            await self._lifecycle(
                {
                    "market_ticker": ticker,
                    "determination_ts": now // 1000,
                    "result": result,
                    "settlement_value": value,
                    "event_type": "determined",
                }
            )
            await self._lifecycle(_event(market, "settled", settled_ts=now // 1000))

    def _add(self, ticker: str, title: str, question: int) -> SimulatedMarket:
        now = self.now_ms()
        # One finer price grid, as the venue has it here and there.
        grid = 1 if question == len(QUESTIONS) - 1 else 10
        market = SimulatedMarket(ticker, title, question, now, CLOSES_MS, SyntheticBook(grid))
        seed_book(market.book, belief(self.seed, question, self.platform, now / 1000), self.chance)
        self.markets[ticker] = market
        return market

    async def _trade(self, market: SimulatedMarket) -> None:
        now = self.now_ms()
        value = belief(self.seed, market.question, self.platform, now / 1000)
        changes, fills = next_orders(market.book, value, self.chance)
        for change in changes:
            await self._change(market, change, now)
        for fill in fills:
            message = self._fill(market, fill, now)
            await self._numbered("trade", "trade", market.ticker, message)
        await self._ticker(market, now)

    def _fill(self, market: SimulatedMarket, fill: Fill, now: int) -> dict[str, Any]:
        """Book a trade; return its socket message."""
        self._trade_count += 1
        market.volume += fill.size
        market.open_interest += fill.size
        market.last_price, market.last_size = fill.price, fill.size
        # Port and time: a venue started anew has other trades.
        name = f"{market.ticker}/{self.port}/{now}/{self._trade_count}"
        trade_id = str(uuid.uuid5(NAMESPACE, name))
        side = "yes" if fill.taker == "bid" else "no"
        market.trades.append(
            {
                "count_fp": contracts(fill.size),
                "created_time": rfc3339(now),
                "is_block_trade": False,
                "no_price_dollars": dollars(TICKS - fill.price),
                "taker_book_side": fill.taker,
                "taker_outcome_side": side,
                "taker_side": side,
                "ticker": market.ticker,
                "trade_id": trade_id,
                "yes_price_dollars": dollars(fill.price),
                "ts_ms": now,
            }
        )
        return frames.trade(market, fill, trade_id, now)

    async def _change(self, market: SimulatedMarket, change: Change, now: int) -> None:
        for session in [*self._sessions.values()]:
            subscription = session.of_channel(BOOKS)
            if subscription is not None and subscription.follows(market.ticker):
                message = frames.delta(
                    market, change, now, yes_prices=session.yes_prices(subscription)
                )
                await self._send_numbered(session, subscription, "orderbook_delta", message)

    async def _numbered(
        self, channel: str, kind: str, ticker: str, message: dict[str, Any]
    ) -> None:
        for session in [*self._sessions.values()]:
            subscription = session.of_channel(channel)
            if subscription is not None and subscription.follows(ticker):
                await self._send_numbered(session, subscription, kind, message)

    async def _send_numbered(
        self, session: Session, subscription: Subscription, kind: str, message: dict[str, Any]
    ) -> None:
        seq = subscription.next_seq()
        text = frames.numbered(kind, subscription.sid, seq, self.now_ms(), message)
        await session.client.send(text)

    async def _ticker(self, market: SimulatedMarket, now: int) -> None:
        for session in [*self._sessions.values()]:
            subscription = session.of_channel("ticker")
            if subscription is not None and subscription.follows(market.ticker):
                await session.client.send(frames.ticker(market, subscription.sid, now))

    async def _lifecycle(self, message: dict[str, Any]) -> None:
        await self._numbered(LIFECYCLE, LIFECYCLE, message["market_ticker"], message)

    async def _end_slow_subscriptions(self) -> None:
        """The fault slow_reader: one subscription per client dies of its full buffer."""
        slow = [session for session in self._sessions.values() if session.of_channel(BOOKS)]
        if not slow or not self.faults.take("slow_reader"):
            return
        for session in slow:
            subscription = session.of_channel(BOOKS)
            if subscription is not None:
                await session.fail(subscription, 25)
                session.subscriptions.pop(subscription.sid, None)

    def _signed(self, request: web.Request) -> bool:
        return not self.faults.lasting("bad_key") and self._gate.admits(
            request.headers, request.method, request.path, self.now_ms()
        )

    @web.middleware
    async def _check_signature(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """REST market data needs no key, but a wrong signature is refused."""
        signed = "KALSHI-ACCESS-KEY" in request.headers
        if request.path.startswith(BASE) and signed and not self._signed(request):
            return _unauthorised()
        response: web.StreamResponse = await handler(request)
        return response


def _event(market: SimulatedMarket, event_type: str, **times: int) -> dict[str, Any]:
    return {"market_ticker": market.ticker, **times, "event_type": event_type}


def _unauthorised() -> web.Response:
    return web.json_response({"code": "token_authentication_failure"}, status=401)


async def _heartbeat(client: Client) -> None:
    while True:
        await asyncio.sleep(HEARTBEAT_SECONDS)
        with contextlib.suppress(ConnectionError):
            await client.websocket.ping(b"heartbeat")
