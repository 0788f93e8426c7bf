"""The sockets of one venue: as many as its keys need, each supervised on its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import aiohttp

from connectors.breaker import Breakers
from connectors.contract import Dialect
from connectors.events import Request
from connectors.pipeline import Pipeline
from connectors.settings import ConnectorSettings
from connectors.socket import Socket


@dataclass(frozen=True, slots=True)
class SocketPlan:
    """How a venue's sockets are opened and judged.

    ``headers()`` is called for each handshake. ``silence_seconds`` is the data watchdog's limit.
    ``really_silent(socket)``, if given, is asked before a silent socket is given up: it may check
    by REST and answer False when there was nothing to tell.
    """

    endpoint: str
    url: str
    silence_seconds: float
    headers: Callable[[], dict[str, str]] | None = None
    really_silent: Callable[[Socket], Awaitable[bool]] | None = None


class SocketPool:
    """Spreads keys over sockets and keeps every socket open until cancelled.

    ``on_request(socket, request)`` is awaited for each request that the parser makes of a frame
    which arrived on ``socket``.
    """

    def __init__(
        self,
        plan: SocketPlan,
        dialect: Dialect,
        pipeline: Pipeline,
        session: aiohttp.ClientSession,
        settings: ConnectorSettings,
        breakers: Breakers,
        on_request: Callable[[Socket, Request], Awaitable[None]],
    ) -> None:
        self.plan = plan
        self.dialect = dialect
        self.pipeline = pipeline
        self.session = session
        self.settings = settings
        self.breakers = breakers
        self.on_request = on_request
        self.sockets: list[Socket] = []
        self._wanted: set[str] = set()
        self._changed = asyncio.Event()

    def set_keys(self, keys: Iterable[str]) -> None:
        """Follow exactly these keys from now on."""
        self._wanted = set(keys)
        self._changed.set()

    def socket_of(self, connection: str) -> Socket | None:
        """Return the socket that has (or last had) this connection, by its slot."""
        slot = connection.partition("/")[0]
        return next((socket for socket in self.sockets if socket.slot == slot), None)

    async def run(self) -> None:
        """Keep the sockets until cancelled. An error of one socket never ends another: sockets
        handle theirs themselves; what escapes is a defect and ends the venue loudly."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._changed.wait()
                self._changed.clear()
                for socket in await self._assign():
                    tasks.create_task(socket.run(), name=socket.slot)

    async def _assign(self) -> list[Socket]:
        """Give new keys a place and take closed ones away; return the sockets newly made."""
        wanted = set(self._wanted)
        for socket in self.sockets:
            gone = socket.keys - wanted
            wanted -= socket.keys
            if gone:
                await socket.change((), sorted(gone))
        fresh: list[Socket] = []
        left = sorted(wanted)
        for socket in [*self.sockets]:
            room = self.dialect.capacity - len(socket.keys)
            if room > 0 and left:
                taken, left = left[:room], left[room:]
                await socket.change(taken, ())
        while left:
            taken, left = left[: self.dialect.capacity], left[self.dialect.capacity :]
            socket = Socket(f"ws-{len(self.sockets)}", self, set(taken))
            self.sockets.append(socket)
            fresh.append(socket)
        return fresh
