"""Reads books by REST where the stream does not: lost, late or doubted ones, and quiet ones."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable
from contextlib import suppress

from connectors import metrics
from connectors.events import Frame, SnapshotNeeded
from connectors.http import Refused, Rest
from connectors.pipeline import Pipeline
from connectors.polymarket.commands import in_batches
from connectors.polymarket.parse import Parser
from connectors.polymarket.settings import PolymarketSettings
from connectors.polymarket.token import IN_FLIGHT_US
from connectors.pool import SocketPool
from connectors.socket import Socket
from schemas.clock import now_us
from schemas.errors import Transient
from schemas.logs import get_logger

log = get_logger(__name__)

ROUND_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0


class Upkeep:
    """Asks for the books of followed tokens, each at growing intervals while it doesn't help."""

    def __init__(
        self,
        parser: Parser,
        pipeline: Pipeline,
        pool: SocketPool,
        rest: Rest,
        venue: PolymarketSettings,
    ) -> None:
        self._parser = parser
        self._pipeline = pipeline
        self._pool = pool
        self._rest = rest
        self._venue = venue
        self._urgent: set[str] = set()
        self._asked: dict[str, tuple[int, float]] = {}
        """How often in a row a token was asked for, and when it may be again."""
        self._wake = asyncio.Event()

    def request(self, market_ids: Iterable[str]) -> None:
        """Ask for the doubted books of these markets as soon as possible."""
        for market_id in market_ids:
            for token in self._parser.following.tokens.of_market(market_id):
                if not token.book.trusted:
                    self._urgent.add(token.book.outcome_id)
        self._wake.set()

    async def run(self) -> None:
        """Look after sockets and books until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(ROUND_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            urgent, self._urgent = self._urgent, set()
            concerned = [one for one in self._pool.sockets if not one.keys.isdisjoint(urgent)]
            for socket in concerned:
                await self._look_after(socket, urgent)
            for socket in [*self._pool.sockets]:
                if socket not in concerned:
                    await self._look_after(socket, urgent)
                    if self._wake.is_set():
                        break  # doubted books come before quiet ones

    async def _look_after(self, socket: Socket, urgent: Collection[str]) -> None:
        if not socket.connection:
            # Nothing would keep a book right.
            return
        connected_us = int(socket.connection.partition("/")[2]) * 1000
        heard_us = self._parser.heard_us(socket.connection) or connected_us
        limit = self._venue.polymarket_pong_seconds
        if now_us() - heard_us > limit * 1_000_000:
            await socket.reconnect("silence", f"no answer to PING for {limit:g} s")
        elif due := self._due(socket, urgent, connected_us):
            silences = self._silences(due)
            await self._ask(socket, due)
            if silent := [key for key, before in silences.items() if self._silence(key) > before]:
                await self._revive(socket, silent, connected_us)

    async def _revive(self, socket: Socket, silent: list[str], connected_us: int) -> None:
        """Act on tokens of which the stream keeps what REST knows. If it tells of no other book
        either, the socket is given up: its watchdog takes the announcements of new markets, which
        nobody subscribes to, for data."""
        following = self._parser.following
        told = (token.told_us for key in socket.keys if (token := following.tokens.get(key)))
        limit = self._venue.polymarket_silence_seconds
        if now_us() - max(connected_us, *told) > limit * 1_000_000:
            await socket.reconnect("silence", f"no data of any book for {limit:g} s")
            return
        # Adding a token that is followed already is refused, so it is taken away first.
        for text in self._pool.dialect.changed(socket.connection, silent, silent):
            await socket.send(text)

    def _silence(self, key: str) -> int:
        token = self._parser.following.tokens.get(key)
        return 0 if token is None else token.silences

    def _silences(self, keys: Iterable[str]) -> dict[str, int]:
        return {key: self._silence(key) for key in keys}

    async def really_silent(self, socket: Socket) -> bool:
        """Whether REST knows of changes that a silent socket kept from us. Where it can't be
        asked nothing speaks for the socket."""
        silences = self._silences(sorted(socket.keys))
        answered = await self._ask(socket, silences)
        behind = [key for key in silences if self._is_behind(key)]
        if answered and behind and self._silences(silences) == silences:
            # Perhaps the changes are on their way: if they are, they will have come by then.
            await asyncio.sleep(IN_FLIGHT_US / 1e6 + 0.1)
            answered = await self._ask(socket, behind)
        return not answered or self._silences(silences) != silences

    def _is_behind(self, key: str) -> bool:
        token = self._parser.following.tokens.get(key)
        return token is not None and token.ahead_us is not None

    def _due(self, socket: Socket, urgent: Collection[str], connected_us: int) -> list[str]:
        """Return which of the socket's tokens to ask for now."""
        venue, tokens = self._venue, self._parser.following.tokens
        now, clock = now_us(), time.monotonic()
        late = now - connected_us > venue.polymarket_snapshot_seconds * 1_000_000
        quiet_since = now - venue.polymarket_quiet_seconds * 1_000_000
        due = []
        for key in socket.keys:
            token = tokens.get(key)
            if token is not None and token.book.trusted and token.ahead_us is None:
                if token.seen_us > quiet_since:
                    self._asked.pop(key, None)
                    continue
            elif not late and key not in urgent and key not in self._asked:
                continue
            if self._asked.get(key, (0, 0.0))[1] <= clock:
                due.append(key)
        return due

    async def _ask(self, socket: Socket, keys: Iterable[str]) -> bool:
        """Read the books of these tokens; return whether every request was answered."""
        answered = True
        clock = time.monotonic()
        for batch in in_batches(sorted(keys), self._venue.polymarket_tokens_per_frame):
            for key in batch:
                times = self._asked.get(key, (0, 0.0))[0]
                pause = min(ROUND_SECONDS * 2 ** min(times, 10), LONGEST_PAUSE_SECONDS)
                self._asked[key] = (times + 1, clock + pause)
            connection = socket.connection
            try:
                body = [{"token_id": key} for key in batch]
                received_us, text = await self._rest.post("books", "/books", body)
            except (Transient, Refused) as error:
                log.warning("books not given", platform=self._parser.platform, error=str(error))
                answered = False
                continue
            if socket.connection != connection:
                # Nothing followed these books meanwhile: the new connection brings its own.
                metrics.IGNORED.labels(self._parser.platform, "outdated_answer").inc()
                return False
            received = self._pipeline.receive(Frame(received_us, "rest:books", text))
            for request in received.requests:
                if isinstance(request, SnapshotNeeded):
                    self.request(request.market_ids)
        self._forget_strangers()
        return answered

    def _forget_strangers(self) -> None:
        followed = sum(len(socket.keys) for socket in self._pool.sockets)
        if len(self._asked) > 2 * followed + 1000:
            keys = {key for socket in self._pool.sockets for key in socket.keys}
            self._asked = {key: entry for key, entry in self._asked.items() if key in keys}
