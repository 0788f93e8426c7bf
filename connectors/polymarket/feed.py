"""The edge of Polymarket: lists markets, keeps the sockets, has books read by REST."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import aiohttp

from connectors.breaker import Breakers
from connectors.events import Frame, Request, SnapshotNeeded
from connectors.http import Refused, Rest
from connectors.market_list import read_list
from connectors.pipeline import Pipeline
from connectors.polymarket.commands import Commands
from connectors.polymarket.discovery import (
    PAGE,
    Page,
    Query,
    is_wanted,
    listing_query,
    named_queries,
    read_page,
    token_ids,
)
from connectors.polymarket.metadata import Listed
from connectors.polymarket.parse import Parser
from connectors.polymarket.settings import PolymarketSettings
from connectors.polymarket.upkeep import Upkeep
from connectors.pool import SocketPlan, SocketPool
from connectors.settings import ConnectorSettings
from connectors.socket import Socket
from schemas.errors import Poison, Transient
from schemas.logs import get_logger

log = get_logger(__name__)

RETRY_SECONDS = 5
MOST_PAGES = 3_000
MOST_REVISITED = 500
"""Followed markets no longer listed that are asked for after one listing."""


class Feed:
    """Follows the venue; see PolymarketSettings for what is followed."""

    def __init__(
        self,
        settings: ConnectorSettings,
        venue: PolymarketSettings,
        pipeline: Pipeline,
        session: aiohttp.ClientSession,
    ) -> None:
        """Raises ConfigurationError if the list of markets can't be read."""
        self._venue = venue
        self._pipeline = pipeline
        self._parser = cast(Parser, pipeline.parser)
        self._names = read_list(venue.polymarket_markets_file, "polymarket")
        self._followed: dict[str, Listed] = {}
        self._keyset = True
        """Whether the venue has its newer paging; False once it refused it."""
        platform = self._parser.platform
        breakers = Breakers(platform, settings, pipeline.publish)
        self._gamma = Rest(
            platform,
            venue.polymarket_gamma_url,
            session,
            settings,
            breakers,
            per_second=venue.polymarket_listings_per_second,
        )
        clob = Rest(
            platform,
            venue.polymarket_clob_url,
            session,
            settings,
            breakers,
            per_second=venue.polymarket_books_per_second,
        )
        commands = Commands(
            venue.polymarket_tokens_per_socket,
            venue.polymarket_tokens_per_frame,
            venue.polymarket_ping_seconds,
        )
        plan = SocketPlan(
            endpoint="websocket",
            url=venue.polymarket_ws_url,
            silence_seconds=venue.polymarket_silence_seconds,
            really_silent=self._really_silent,
        )
        self._pool = SocketPool(
            plan, commands, pipeline, session, settings, breakers, self._requested
        )
        self._upkeep = Upkeep(self._parser, pipeline, self._pool, clob, venue)

    async def run(self) -> None:
        """Follow the venue until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pool.run())
            tasks.create_task(self._upkeep.run())
            tasks.create_task(self._discover())

    async def _requested(self, socket: Socket, request: Request) -> None:
        if isinstance(request, SnapshotNeeded):
            self._upkeep.request(request.market_ids)

    async def _really_silent(self, socket: Socket) -> bool:
        return await self._upkeep.really_silent(socket)

    async def _discover(self) -> None:
        """List the open markets now and again, and follow what is new."""
        while True:
            pause = self._venue.polymarket_markets_refresh_seconds
            try:
                listed = await self._list()
                await self._revisit([name for name in self._followed if name not in listed])
                log.info(
                    "markets followed",
                    platform=self._parser.platform,
                    markets=len(self._followed),
                )
            except (Transient, Refused, Poison) as error:
                log.warning(
                    "markets not listed, trying again",
                    platform=self._parser.platform,
                    error=str(error),
                )
                pause = min(pause, RETRY_SECONDS)
            await asyncio.sleep(pause)

    async def _list(self) -> set[str]:
        """Go through the whole listing, following what it shows page by page; return the ids of
        the markets that it showed."""
        seen: set[str] = set()
        left_out = 0
        async for page in self._pages():
            for listed in page.markets:
                market_id = listed.market.market_id
                seen.add(market_id)
                if not is_wanted(listed, self._venue):
                    continue
                if market_id in self._followed or self._has_room():
                    self._followed[market_id] = listed
                else:
                    left_out += 1
            self._pool.set_keys(token_ids(self._followed.values()))
        if left_out:
            log.warning(
                "more markets than polymarket_most_markets: the rest is left out",
                platform=self._parser.platform,
                left_out=left_out,
            )
        return seen

    async def _pages(self) -> AsyncIterator[Page]:
        if self._names:
            for query in named_queries(self._names, closed=False):
                yield await self._page("/markets", query)
            return
        query = listing_query(self._venue)
        if self._keyset:
            try:
                async for page in self._keyset_pages(query):
                    yield page
                return
            except Refused as error:
                if error.status not in (404, 405, 422):
                    raise
                log.warning(
                    "no keyset paging, using offsets",
                    platform=self._parser.platform,
                    status=error.status,
                )
                self._keyset = False
        async for page in self._offset_pages(query):
            yield page

    async def _keyset_pages(self, query: Query) -> AsyncIterator[Page]:
        cursors: set[str] = set()
        cursor: str | None = ""
        while cursor is not None:
            if cursor in cursors or len(cursors) >= MOST_PAGES:
                raise Poison("cursor", f"the listing does not end after {len(cursors)} pages")
            cursors.add(cursor)
            asked = [*query, ("after_cursor", cursor)] if cursor else query
            page = await self._page("/markets/keyset", asked)
            yield page
            cursor = page.next_cursor

    async def _offset_pages(self, query: Query) -> AsyncIterator[Page]:
        for number in range(MOST_PAGES):
            page = await self._page("/markets", [*query, ("offset", str(number * PAGE))])
            yield page
            if page.rows < PAGE:
                return

    async def _page(self, path: str, query: Query) -> Page:
        received_us, text = await self._gamma.get("markets", path, query)
        self._pipeline.receive(Frame(received_us, "rest:markets", text))
        return read_page(text)

    async def _revisit(self, gone: list[str]) -> None:
        """Ask how markets ended that are no longer listed. One that is neither closed nor open
        stays followed: offset paging over a changing list skips rows."""
        names = sorted(gone)[:MOST_REVISITED]
        for query in named_queries(names, closed=True):
            for listed in (await self._page("/markets", query)).markets:
                if not listed.followable:
                    self._followed.pop(listed.market.market_id, None)
        self._pool.set_keys(token_ids(self._followed.values()))

    def _has_room(self) -> bool:
        return len(self._followed) < self._venue.polymarket_most_markets
