"""The edge of Kalshi: signs, lists markets, keeps the sockets and asks for lost snapshots."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import aiohttp

from connectors.breaker import Breakers
from connectors.events import Frame, Reconnect, Request, SnapshotNeeded
from connectors.http import Refused, Rest
from connectors.kalshi import sign
from connectors.kalshi.commands import Commands
from connectors.kalshi.discovery import (
    Filter,
    by_ticker,
    choose,
    listing_of,
    names,
    unended,
)
from connectors.kalshi.parse import Parser
from connectors.kalshi.settings import KalshiSettings
from connectors.kalshi.upkeep import Upkeep
from connectors.market_list import read_list
from connectors.pipeline import Pipeline
from connectors.pool import SocketPlan, SocketPool
from connectors.settings import ConnectorSettings
from connectors.socket import Socket
from schemas.clock import now_us
from schemas.errors import ConfigurationError, Poison, Transient
from schemas.logs import get_logger

log = get_logger(__name__)

RETRY_SECONDS = 5
MOST_PAGES = 2_000
MOST_REVISITED = 500
"""Markets no longer listed as open that are asked for after one listing."""
FAILURES = (Transient, Refused, Poison)


class Feed:
    """Follows the venue; see KalshiSettings for what is followed."""

    def __init__(
        self,
        settings: ConnectorSettings,
        venue: KalshiSettings,
        pipeline: Pipeline,
        session: aiohttp.ClientSession,
    ) -> None:
        """Raises ConfigurationError if there is no usable key or the list can't be read."""
        self._venue = venue
        self._pipeline = pipeline
        self._parser = cast(Parser, pipeline.parser)
        self._key = read_key(venue.kalshi_key_id, venue.kalshi_private_key_file)
        self._wanted = Filter(
            tickers=frozenset(read_list(venue.kalshi_markets_file, "kalshi")),
            events=names(venue.kalshi_events),
            series=names(venue.kalshi_series),
            minimum_volume=venue.kalshi_minimum_volume,
        )
        self._following: set[str] = set()
        self._listed = asyncio.Event()
        self._left_out = 0
        self._rest_path = urlsplit(venue.kalshi_rest_url).path.rstrip("/")
        self._ws_path = urlsplit(venue.kalshi_ws_url).path
        breakers = Breakers(self._parser.platform, settings, pipeline.publish)
        self._rest = Rest(
            self._parser.platform,
            venue.kalshi_rest_url,
            session,
            settings,
            breakers,
            per_second=venue.kalshi_requests_per_second,
            headers=lambda method, path: self._signed(method, self._rest_path + path),
        )
        commands = Commands(venue.kalshi_markets_per_socket, self._parser.sid)
        plan = SocketPlan(
            endpoint="websocket",
            url=venue.kalshi_ws_url,
            silence_seconds=venue.kalshi_silence_seconds,
            headers=lambda: self._signed("GET", self._ws_path),
            really_silent=self._really_silent,
        )
        self._pool = SocketPool(
            plan, commands, pipeline, session, settings, breakers, self._requested
        )
        self._upkeep = Upkeep(
            self._parser, commands, self._pool, venue.kalshi_snapshot_retry_seconds
        )

    async def run(self) -> None:
        """Follow the venue until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pool.run())
            tasks.create_task(self._discover())
            tasks.create_task(self._choose_often())
            tasks.create_task(self._upkeep.run())

    def _signed(self, method: str, path: str) -> dict[str, str]:
        return sign.headers(self._venue.kalshi_key_id, self._key, now_us() // 1000, method, path)

    async def _discover(self) -> None:
        """List the open markets now and again."""
        while True:
            pause = self._venue.kalshi_markets_refresh_seconds
            try:
                listed: set[str] = set()
                for query in self._wanted.queries(combos=self._venue.kalshi_combos):
                    listed |= await self._list(query)
                # Closed while nobody listened: ask how they ended.
                gone = unended(
                    self._parser.markets.values(), self._wanted, now_us(), self._following, listed
                )
                for query in by_ticker(gone[:MOST_REVISITED]):
                    await self._list(query)
                log.info("markets listed", platform=self._parser.platform, open=len(listed))
                self._listed.set()
            except FAILURES as error:
                refused = isinstance(error, Refused) and error.status in (401, 403)
                log.warning(
                    "the venue refuses our key: see ECHOARB_KALSHI_KEY_ID and "
                    "ECHOARB_KALSHI_PRIVATE_KEY_FILE"
                    if refused
                    else "markets not listed, trying again",
                    platform=self._parser.platform,
                    error=str(error),
                )
                pause = min(RETRY_SECONDS, pause)
            await asyncio.sleep(pause)

    async def _list(self, query: dict[str, str]) -> set[str]:
        """Fetch every page of a listing; return the tickers on them.

        Raises Transient, Refused, or Poison if a page can't be read or the cursor goes in circles.
        """
        tickers: set[str] = set()
        cursors: set[str] = set()
        cursor: str | None = ""
        while cursor is not None:
            if cursor in cursors or len(cursors) >= MOST_PAGES:
                raise Poison("cursor", f"the listing does not end after {len(cursors)} pages")
            cursors.add(cursor)
            asked = query | ({"cursor": cursor} if cursor else {})
            received_us, text = await self._rest.get("markets", "/markets", asked)
            self._pipeline.receive(Frame(received_us, "rest:markets", text))
            found, cursor = listing_of(text)
            tickers |= found
        return tickers

    async def _choose_often(self) -> None:
        """Choose again as markets are created, open and close without a listing in between."""
        # Before the first whole listing, those with the largest volume may be missing.
        await self._listed.wait()
        while True:
            started = time.monotonic()
            self._choose()
            # With every market of the venue known this takes a while: at most 2 % of the time.
            await asyncio.sleep(max(1.0, 50 * (time.monotonic() - started)))

    def _choose(self) -> None:
        limit = self._venue.kalshi_sockets * self._pool.dialect.capacity
        chosen, left_out = choose(
            self._parser.markets.values(), self._wanted, now_us(), self._following, limit
        )
        if left_out and not self._left_out:
            log.warning(
                "more markets than sockets can follow: those with the least volume are left out",
                platform=self._parser.platform,
                followed=len(chosen),
                left_out=left_out,
            )
        self._left_out = left_out
        if self._following != set(chosen):
            self._following = set(chosen)
            self._pool.set_keys(chosen)

    async def _requested(self, socket: Socket, request: Request) -> None:
        if request.connection != socket.connection:
            return
        if isinstance(request, SnapshotNeeded):
            await self._upkeep.ask(socket, request.market_ids)
        elif isinstance(request, Reconnect):
            await socket.reconnect("subscription", request.reason)
        else:
            await self._upkeep.resubscribe(socket, request.reason)

    async def _really_silent(self, socket: Socket) -> bool:
        """Whether the socket does not even answer a request for one snapshot.

        Markets can rest for hours. The answer has to come through the stream itself, and says
        whether our book is still right.
        """
        asked_us = now_us()
        connection = socket.connection
        if not await self._upkeep.probe(socket):
            return True
        deadline = time.monotonic() + self._venue.kalshi_probe_seconds
        while time.monotonic() < deadline:
            await asyncio.sleep(0.05)
            if self._parser.last_us(connection) > asked_us:
                return False
        return True


def read_key(key_id: str, path: Path | None) -> sign.PrivateKey:
    """Return the private key. Raises ConfigurationError saying what to set and how to get it."""
    if not key_id or path is None:
        raise ConfigurationError(
            "ECHOARB_KALSHI_KEY_ID and ECHOARB_KALSHI_PRIVATE_KEY_FILE must both be set: Kalshi "
            "takes signed connections only. To make a key, log in at kalshi.com, open Account & "
            "security, API Keys, Create Key; the site shows the id and saves the private key. "
            "The scope read is enough."
        )
    try:
        pem = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"ECHOARB_KALSHI_PRIVATE_KEY_FILE: {path}: {error.strerror}"
        ) from error
    return sign.parse_private_key(pem)
