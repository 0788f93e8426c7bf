"""Keeps Kalshi's subscriptions whole: snapshots asked for, refusals answered, leftovers ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from connectors.kalshi.commands import Commands
from connectors.kalshi.control import COMMAND_FAILED, MARKET_LIMIT, TOO_MANY_REQUESTS
from connectors.kalshi.parse import Parser
from connectors.kalshi.sequence import BOOKS
from connectors.pool import SocketPool
from connectors.socket import Socket
from schemas.logs import get_logger

log = get_logger(__name__)

TOGETHER = 100
"""Markets per request for snapshots."""
AGAIN_SECONDS = 1.0
"""A market's snapshot is not asked for twice within this time, whatever the stream asks."""
LONGEST_PAUSE_SECONDS = 30.0


class Upkeep:
    """Looks after every socket of the pool."""

    def __init__(
        self, parser: Parser, commands: Commands, pool: SocketPool, retry_seconds: float
    ) -> None:
        self._parser = parser
        self._commands = commands
        self._pool = pool
        self._retry_seconds = retry_seconds
        self._asked: dict[str, float] = {}
        self._refusals: dict[str, int] = {}
        self._again_at: dict[str, float] = {}
        self._shrunk: set[str] = set()

    async def run(self) -> None:
        """Look after the sockets until cancelled."""
        while True:
            await asyncio.sleep(self._retry_seconds / 2)
            keys: set[str] = set()
            for socket in [*self._pool.sockets]:
                keys |= socket.keys
                if socket.connection:
                    await self._look_after(socket)
            for market in self._asked.keys() - keys:
                del self._asked[market]
            connections = {socket.connection for socket in self._pool.sockets}
            for state in (self._refusals, self._again_at):
                for connection in state.keys() - connections:
                    del state[connection]
            self._shrunk &= connections

    async def ask(self, socket: Socket, markets: Iterable[str]) -> None:
        """Ask for snapshots of those of the markets that were not asked for just now."""
        now = time.monotonic()
        due = [
            market
            for market in markets
            if market in socket.keys and now - self._asked.get(market, 0.0) >= AGAIN_SECONDS
        ]
        for start in range(0, len(due), TOGETHER):
            some = due[start : start + TOGETHER]
            for text in self._commands.get_snapshot(socket.connection, some):
                await socket.send(text)
                self._asked.update(dict.fromkeys(some, now))

    async def probe(self, socket: Socket) -> bool:
        """Ask for one snapshot; False if there is no subscription to ask."""
        for text in self._commands.get_snapshot(socket.connection, sorted(socket.keys)[:1]):
            await socket.send(text)
            return True
        return False

    async def resubscribe(self, socket: Socket, reason: str) -> None:
        """Act on a subscription that was refused or ended; ``reason`` is one of control.py."""
        log.warning(
            "subscription refused or ended",
            platform=self._parser.platform,
            connection=socket.connection,
            reason=reason,
        )
        if reason == MARKET_LIMIT:
            await self._shrink(socket)
        elif reason in (TOO_MANY_REQUESTS, COMMAND_FAILED):
            refusals = self._refusals[socket.connection] = (
                self._refusals.get(socket.connection, 0) + 1
            )
            pause = min(2.0 ** min(refusals - 1, 10), LONGEST_PAUSE_SECONDS)
            self._again_at[socket.connection] = time.monotonic() + pause
        else:
            await self._subscribe(socket)

    async def _subscribe(self, socket: Socket) -> None:
        for text in self._commands.opened(socket.connection, sorted(socket.keys)):
            await socket.send(text)

    async def _shrink(self, socket: Socket) -> None:
        """Follow half as many markets per subscription from now on; the rest gets other sockets.

        Each channel's subscription is refused on its own: the first refusal counts for all.
        """
        if socket.connection in self._shrunk:
            return
        self._shrunk.add(socket.connection)
        keep = max(len(socket.keys) // 2, 1)
        everything = {key for each in self._pool.sockets for key in each.keys}
        self._commands.capacity = min(self._commands.capacity, keep)
        socket.keys = set(sorted(socket.keys)[:keep])
        await socket.reconnect("subscription", "too many markets in one subscription")
        self._pool.set_keys(everything)

    async def _look_after(self, socket: Socket) -> None:
        now = time.monotonic()
        connection = socket.connection
        if connection in self._again_at:
            if now >= self._again_at[connection]:
                del self._again_at[connection]
                await self._subscribe(socket)
            return
        missing = []
        for market in socket.keys:
            book = self._parser.book(market)
            if book is not None and book.trusted:
                self._asked.pop(market, None)
            elif now - self._asked.setdefault(market, now) >= self._retry_seconds:
                missing.append(market)
        if missing and self._parser.sid(connection, BOOKS) is None:
            self._asked.update(dict.fromkeys(missing, now))
            await self._subscribe(socket)
        elif missing:
            await self.ask(socket, sorted(missing))
        # A market left before its subscription was acknowledged is still being sent.
        leftovers = self._parser.followed(connection) - socket.keys
        if leftovers:
            for text in self._commands.changed(connection, (), sorted(leftovers)):
                await socket.send(text)
