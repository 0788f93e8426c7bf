"""What every simulated venue shares: the server, its sockets, the clock of events, the faults."""

from __future__ import annotations

import asyncio
import contextlib
import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from aiohttp import WSMsgType, web

from echoarb.simulators.faults import FAULT_KINDS, Faults
from schemas.clock import now_us

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SEND_TIMEOUT_SECONDS = 10


class Client:
    """One socket of a client. Venues keep what it subscribed to in ``state``."""

    def __init__(
        self, websocket: web.WebSocketResponse, request: web.Request, faults: Faults
    ) -> None:
        self.websocket = websocket
        self._request = request
        self.state: dict[str, Any] = {}
        self._faults = faults

    async def send(self, text: str, *, data: bool = True) -> None:
        """Send a text frame. ``data`` frames are subject to the armed faults, others (answers,
        pongs) only to a stall."""
        if self.websocket.closed or (data and self._faults.lasting("stall")):
            return
        try:
            async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
                if data:
                    if self._faults.take("gap"):
                        return
                    if self._faults.take("garbage"):
                        await self.websocket.send_str('{"type": "orderbook_del\x00ta", "msg":')
                    if self._faults.take("duplicate"):
                        await self.websocket.send_str(text)
                await self.websocket.send_str(text)
        except (ConnectionError, TimeoutError):
            await self.cut()

    async def cut(self) -> None:
        """End the connection without a close frame, as a lost network does."""
        if self._request.transport is not None:
            self._request.transport.abort()


class SimulatedVenue(ABC):
    """A venue's server on loopback.

    A subclass adds its routes to ``self.app.router`` in ``__init__``, answers a socket's texts in
    ``received`` and makes market activity in ``act``. Control, for tests and demonstrations:
    ``GET /_health``, ``POST /_faults`` {"kind", "count"?, "seconds"?}, ``GET /_books``,
    ``POST /_rate`` {"rate"}.
    """

    platform: ClassVar[str]

    def __init__(self, *, rate: float = 50.0, seed: int = 1) -> None:
        """``rate`` is how often per second ``act`` is called; 0 = never (tests call it)."""
        self.rate = rate
        self.seed = seed
        self.chance = random.Random(f"{seed}/{self.platform}")
        self.faults = Faults()
        self.clients: list[Client] = []
        self.app = web.Application(middlewares=[self._http_faults], client_max_size=2**20)
        self.app.router.add_get("/_health", self._health)
        self.app.router.add_post("/_faults", self._begin_fault)
        self.app.router.add_get("/_books", self._books)
        self.app.router.add_post("/_rate", self._set_rate)
        self._runner: web.AppRunner | None = None
        self._actor: asyncio.Task[None] | None = None
        self.port = 0

    @abstractmethod
    async def act(self) -> None:
        """Let one thing happen in the market and tell the clients."""

    @abstractmethod
    async def received(self, client: Client, text: str) -> None:
        """Answer one text frame of a client."""

    async def opened(self, client: Client) -> None:  # noqa: B027  a hook, not a duty
        """A client's socket is open (nothing is sent by default)."""

    @abstractmethod
    def books(self) -> list[dict[str, Any]]:
        """Return the true state as ``echoarb decode --what books`` prints it: a list of
        {"market_id", "outcome_id", "bids": [[price, size]], "asks": [...]}, decimals as text,
        best first."""

    def refusal(self, request: web.Request) -> web.Response | None:
        """Return the venue's answer to a handshake that it refuses, None to accept it."""
        return None

    def too_many_requests(self) -> web.Response:
        """Return the venue's answer 429."""
        return web.json_response({"error": "too many requests"}, status=429)

    def now_ms(self) -> int:
        """Return the venue's clock, UTC milliseconds."""
        return now_us() // 1000

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen and begin to act; return the port."""
        self._runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        if self.rate > 0:
            self._actor = asyncio.create_task(self._act_at_rate())
        return self.port

    async def pause(self) -> None:
        """Stop acting; sockets stay open and requests are answered."""
        if self._actor is not None:
            self._actor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._actor
            self._actor = None

    async def stop(self) -> None:
        """Stop acting, close every socket and the server."""
        await self.pause()
        for client in [*self.clients]:
            await client.cut()
        if self._runner is not None:
            await self._runner.cleanup()

    async def socket(self, request: web.Request) -> web.StreamResponse:
        """Route handler of the venue's WebSocket path."""
        refused = self.refusal(request)
        if refused is not None:
            return refused
        websocket = web.WebSocketResponse(max_msg_size=2**20, autoping=True)
        await websocket.prepare(request)
        client = Client(websocket, request, self.faults)
        self.clients.append(client)
        try:
            await self.opened(client)
            async for message in websocket:
                if message.type is WSMsgType.TEXT:
                    await self.received(client, message.data)
        finally:
            self.clients.remove(client)
            await self.closed(client)
        return websocket

    async def closed(self, client: Client) -> None:  # noqa: B027  a hook, not a duty
        """A client's socket is gone."""

    async def drop_all(self) -> None:
        """Cut every socket."""
        for client in [*self.clients]:
            await client.cut()

    async def _act_at_rate(self) -> None:
        loop = asyncio.get_running_loop()
        started, done = loop.time(), 0
        while True:
            due = int((loop.time() - started) * self.rate)
            # After a pause of the machine, carry on at the rate and don't rush to catch up.
            if due - done > self.rate:
                done = due - 1
            while done < due:
                await self.act()
                done += 1
            await asyncio.sleep(max(1 / self.rate, 0.005))

    @web.middleware
    async def _http_faults(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith("/_"):
            if self.faults.take("http_429"):
                return self.too_many_requests()
            if self.faults.take("http_500"):
                return web.json_response({"error": "internal"}, status=500)
        return await handler(request)

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"platform": self.platform, "sockets": len(self.clients)})

    async def _begin_fault(self, request: web.Request) -> web.Response:
        body = await request.json()
        kind = body.get("kind")
        if kind not in FAULT_KINDS:
            return web.json_response({"error": f"kind must be one of {FAULT_KINDS}"}, status=400)
        self.faults.begin(kind, int(body.get("count", 1)), float(body.get("seconds", 10)))
        if kind == "drop":
            await self.drop_all()
        return web.json_response({"armed": kind})

    async def _set_rate(self, request: web.Request) -> web.Response:
        rate = float((await request.json())["rate"])
        if not 0 <= rate <= 100_000:
            return web.json_response({"error": "rate must be 0 to 100000"}, status=400)
        await self.pause()
        self.rate = rate
        if rate > 0:
            self._actor = asyncio.create_task(self._act_at_rate())
        return web.json_response({"rate": rate})

    async def _books(self, request: web.Request) -> web.Response:
        return web.json_response(self.books())
