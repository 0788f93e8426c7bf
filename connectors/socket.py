"""One supervised WebSocket: connect, follow, notice silence, reconnect as a new epoch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import aiohttp
from tenacity import AsyncRetrying, retry_if_exception_type
from tenacity.wait import wait_random_exponential

from connectors import metrics
from connectors.breaker import BreakerOpen
from connectors.events import Frame
from schemas.clock import now_us
from schemas.errors import Transient
from schemas.gap import GapReason
from schemas.logs import get_logger

if TYPE_CHECKING:
    from connectors.pool import SocketPool

log = get_logger(__name__)


class _Lost(Transient):
    """The connection ended, or never began, before it was healthy."""


class Socket:
    """One slot of a pool. Each connection it makes is an epoch: ``ws-0/1790000000000``."""

    def __init__(self, slot: str, pool: SocketPool, keys: set[str]) -> None:
        self.slot = slot
        self.keys = keys
        self.connection = ""
        """Name of the open connection, empty while there is none."""
        self._pool = pool
        self._platform = pool.pipeline.parser.platform
        self._websocket: aiohttp.ClientWebSocketResponse | None = None
        self._last_data = 0.0
        self._last_data_us = 0
        self._give_up: tuple[GapReason, str] | None = None

    async def run(self) -> None:
        """Connect again and again until cancelled.

        A session that was healthy ends the retry loop, so the next one starts with the first,
        short pause again; one that was not makes the pause grow, jittered and capped.
        """
        settings = self._pool.settings
        while True:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(_Lost),
                wait=wait_random_exponential(
                    multiplier=settings.backoff_first_seconds, max=settings.backoff_cap_seconds
                ),
            ):
                with attempt:
                    await self._session()
            await asyncio.sleep(settings.backoff_first_seconds)

    async def send(self, text: str) -> None:
        """Send a text frame; without an open connection it is dropped, since every new
        connection says all that is needed by itself."""
        websocket = self._websocket
        if websocket is None or websocket.closed:
            return
        try:
            await websocket.send_str(text)
        except (ConnectionError, aiohttp.ClientError) as error:
            log.info("send failed", platform=self._platform, slot=self.slot, error=str(error))

    async def change(self, added: Sequence[str], removed: Sequence[str]) -> None:
        """Follow ``added`` too and ``removed`` no more."""
        self.keys |= set(added)
        self.keys -= set(removed)
        if self.connection:
            for text in self._pool.dialect.changed(self.connection, added, removed):
                await self.send(text)

    async def reconnect(self, reason: GapReason, detail: str) -> None:
        """Give the open connection up; ``run`` opens another."""
        self._give_up = (reason, detail)
        if self._websocket is not None:
            await self._websocket.close()

    async def _session(self) -> None:
        """Connect once and follow until it ends. Raises _Lost unless the session was healthy."""
        websocket = await self._connect()
        started = self._last_data = time.monotonic()
        self._last_data_us = now_us()
        self._give_up = None
        self._websocket = websocket
        self.connection = f"{self.slot}/{self._last_data_us // 1000}"
        metrics.SOCKETS.labels(self._platform).inc()
        reason: GapReason = "disconnect"
        detail = "this connector stopped"
        try:
            async with asyncio.TaskGroup() as tasks:
                helpers = [
                    tasks.create_task(self._keepalive()),
                    tasks.create_task(self._watch()),
                ]
                for text in self._pool.dialect.opened(self.connection, sorted(self.keys)):
                    await self.send(text)
                detail = await self._receive(websocket)
                for helper in helpers:
                    helper.cancel()
        finally:
            self._websocket = None
            connection, self.connection = self.connection, ""
            metrics.SOCKETS.labels(self._platform).dec()
            # A close is noticed when it happens; silence began with the last data.
            trusted_until = now_us()
            if self._give_up is not None:
                reason, detail = self._give_up
                trusted_until = self._last_data_us
            self._pool.pipeline.disconnected(connection, trusted_until, reason, detail)
            await websocket.close()
        log.warning(
            "connection ended",
            platform=self._platform,
            connection=connection,
            reason=reason,
            detail=detail,
        )
        if self._last_data - started < self._pool.settings.healthy_seconds:
            raise _Lost(detail)

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        plan = self._pool.plan
        settings = self._pool.settings
        try:
            breaker = await self._pool.breakers.of(plan.endpoint)
            async with breaker, asyncio.timeout(settings.connect_timeout_seconds):
                websocket = await self._pool.session.ws_connect(
                    plan.url,
                    headers=plan.headers() if plan.headers else None,
                    max_msg_size=settings.frame_limit_bytes,
                    autoping=True,
                    # A stalled venue does not answer our close either.
                    timeout=aiohttp.ClientWSTimeout(ws_close=2),
                )
        except BreakerOpen as error:
            metrics.CONNECTS.labels(self._platform, "breaker_open").inc()
            raise _Lost(f"{plan.endpoint}: breaker open") from error
        except aiohttp.WSServerHandshakeError as error:
            metrics.CONNECTS.labels(self._platform, str(error.status)).inc()
            refused = error.status in (401, 403)
            log.warning(
                "the venue refuses our credentials" if refused else "handshake failed",
                platform=self._platform,
                url=plan.url,
                status=error.status,
            )
            raise _Lost(f"handshake: HTTP {error.status}") from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            metrics.CONNECTS.labels(self._platform, type(error).__name__).inc()
            log.warning(
                "cannot connect",
                platform=self._platform,
                url=plan.url,
                error=f"{type(error).__name__}: {error}",
            )
            raise _Lost(f"{type(error).__name__}: {error}") from error
        metrics.CONNECTS.labels(self._platform, "connected").inc()
        return websocket

    async def _receive(self, websocket: aiohttp.ClientWebSocketResponse) -> str:
        """Hand every text frame to the pipeline; return why there are no more."""
        while True:
            message = await websocket.receive()
            received_us = now_us()
            if message.type is aiohttp.WSMsgType.TEXT:
                text = message.data
            elif message.type is aiohttp.WSMsgType.BINARY:
                text = message.data.decode(errors="replace")
            elif message.type is aiohttp.WSMsgType.ERROR:
                return f"error: {websocket.exception()!r}"
            else:
                return f"closed with code {websocket.close_code}"
            received = self._pool.pipeline.receive(Frame(received_us, self.connection, text))
            if received.data:
                self._last_data = time.monotonic()
                self._last_data_us = received_us
            for request in received.requests:
                await self._pool.on_request(self, request)

    async def _keepalive(self) -> None:
        seconds = self._pool.dialect.keepalive_seconds
        while seconds is not None:
            await asyncio.sleep(seconds)
            await self.send(self._pool.dialect.keepalive(self.connection))

    async def _watch(self) -> None:
        """The data watchdog: pings prove that a socket is open, only data that it works."""
        limit = self._pool.plan.silence_seconds
        while True:
            await asyncio.sleep(min(limit / 4, 5))
            if not self.keys or time.monotonic() - self._last_data < limit:
                continue
            really_silent = self._pool.plan.really_silent
            if really_silent is not None and not await really_silent(self):
                # There was nothing to tell: until now it could be trusted.
                self._last_data = time.monotonic()
                self._last_data_us = now_us()
                continue
            await self.reconnect("silence", f"no data for {limit:g} s on an open socket")
            return
