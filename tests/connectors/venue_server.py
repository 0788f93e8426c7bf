"""A minimal venue for testing the shared edge: one real server, one parser of numbered frames."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar

from aiohttp import web

from connectors.book import Book
from connectors.events import Applied, Event, Frame, Ignored, Rejected, SnapshotNeeded
from connectors.gaps import GapLedger
from connectors.settings import ConnectorSettings
from schemas.gap import GapReason
from schemas.market import Market


def settings(**changes: object) -> ConnectorSettings:
    """Return connector settings with short pauses."""
    return ConnectorSettings.load(
        **{
            "backoff_first_seconds": 0.01,
            "backoff_cap_seconds": 0.05,
            "healthy_seconds": 0.2,
            "breaker_failures": 3,
            "breaker_open_seconds": 0.3,
            "metrics_port": 0,
        }
        | changes
    )


class NumberParser:
    """Frames are ``data``, ``pong``, ``resync`` or rubbish."""

    platform: ClassVar[str] = "kalshi"

    def __init__(self) -> None:
        self.markets: dict[str, Market] = {}
        self.frames: list[Frame] = []
        self.lost: list[tuple[str, int, str, str]] = []
        self.ledger = GapLedger(self.platform)

    def receive(self, frame: Frame) -> list[Event]:
        self.frames.append(frame)
        if frame.text == "data":
            return [Applied("data"), *self.ledger.close(frame.connection, frame.received_us)]
        if frame.text == "pong":
            return [Ignored("pong")]
        if frame.text == "resync":
            return [SnapshotNeeded(frame.connection, ("M",))]
        return [Rejected("not_json", frame.text[:10])]

    def disconnected(
        self, connection: str, at_us: int, reason: GapReason, detail: str
    ) -> list[Event]:
        self.lost.append((connection, at_us, reason, detail))
        return [*self.ledger.open(connection, connection, reason, at_us)]

    def books(self) -> Iterable[Book]:
        return ()


class WordDialect:
    """Says ``follow A,B`` and ``add``/``drop``."""

    capacity = 2
    keepalive_seconds: float | None = 0.05

    def opened(self, connection: str, keys: Sequence[str]) -> list[str]:
        return ["follow " + ",".join(keys)]

    def changed(self, connection: str, added: Sequence[str], removed: Sequence[str]) -> list[str]:
        return [f"add {key}" for key in added] + [f"drop {key}" for key in removed]

    def keepalive(self, connection: str) -> str:
        return "ping"


class Server:
    """Records what clients say; answers as the test tells it to."""

    def __init__(self) -> None:
        self.said: list[tuple[int, str]] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.connections = 0
        self.refuse_with: int | None = None
        self.spoke = asyncio.Event()
        self.answer: Callable[[web.Request], Awaitable[web.Response]] | None = None
        self.url = ""

    async def socket(self, request: web.Request) -> web.StreamResponse:
        self.connections += 1
        number = self.connections
        self.spoke.set()
        if self.refuse_with is not None:
            return web.Response(status=self.refuse_with)
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        self.sockets.append(websocket)
        async for message in websocket:
            self.said.append((number, message.data))
            self.spoke.set()
        return websocket

    async def rest(self, request: web.Request) -> web.Response:
        assert self.answer is not None
        return await self.answer(request)

    async def until(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        """Wait until the condition holds, looking at every message and ten times a second."""
        async with asyncio.timeout(seconds):
            while not condition():
                self.spoke.clear()
                try:
                    async with asyncio.timeout(0.05):
                        await self.spoke.wait()
                except TimeoutError:
                    continue


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    """Run a Server on a free port of loopback."""
    server = Server()
    app = web.Application()
    app.router.add_get("/ws", server.socket)
    app.router.add_route("*", "/rest/{name}", server.rest)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        for websocket in server.sockets:
            await websocket.close()
        await runner.cleanup()
