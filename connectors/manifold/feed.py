"""The edge of Manifold: lists markets, keeps the sockets, reads by REST what is not pushed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import aiohttp

from connectors.breaker import Breakers
from connectors.events import Frame, Reconnect, Request, SnapshotNeeded
from connectors.http import Refused, Rest
from connectors.manifold.commands import Commands
from connectors.manifold.discovery import (
    Query,
    is_slug,
    is_wanted,
    listed_ids,
    markets_query,
    newest_ms,
    next_before,
)
from connectors.manifold.parse import Parser
from connectors.manifold.reconcile import FAILURES, MARKETS_A_REQUEST, Reconciler
from connectors.manifold.settings import ManifoldSettings
from connectors.manifold.topics import GLOBAL, bets_told_by, topics_of
from connectors.market_list import read_list
from connectors.pipeline import Pipeline, Received
from connectors.pool import SocketPlan, SocketPool
from connectors.settings import ConnectorSettings
from connectors.socket import Socket
from schemas.logs import get_logger

log = get_logger(__name__)

RETRY_SECONDS = 5
FEW = 200
"""Up to this many doubtful markets are read one by one, more all in one go."""
MOST_REVISITED = 100
"""Markets no longer listed as open that are read again after one listing."""


class Feed:
    """Follows the venue; see ManifoldSettings for what is followed."""

    def __init__(
        self,
        settings: ConnectorSettings,
        venue: ManifoldSettings,
        pipeline: Pipeline,
        session: aiohttp.ClientSession,
    ) -> None:
        """Raises ConfigurationError if the list of markets can't be read."""
        self._venue = venue
        self._pipeline = pipeline
        self._parser = cast(Parser, pipeline.parser)
        self._list = read_list(venue.manifold_markets_file, "manifold")
        self._by_market = bool(self._list) or venue.filtered
        self._chosen: set[str] = set()
        self._listings = 0
        self._visited: dict[str, int] = {}
        """After which listing each market that is no longer listed was last read; 0 for never."""
        self._relist = asyncio.Event()
        self._newest_bet_ms: dict[str, int] = {}
        """Venue time of the newest bet when a socket was silent, by slot; none if it never was."""
        breakers = Breakers(self._parser.platform, settings, pipeline.publish)
        self._rest = Rest(
            self._parser.platform,
            venue.manifold_rest_url,
            session,
            settings,
            breakers,
            per_second=venue.manifold_requests_per_minute / 60,
        )
        self._commands = Commands(venue.manifold_topics_per_socket, venue.manifold_ping_seconds)
        plan = SocketPlan(
            endpoint="websocket",
            url=venue.manifold_ws_url,
            silence_seconds=venue.manifold_silence_seconds,
            really_silent=self._really_silent,
        )
        self._pool = SocketPool(
            plan, self._commands, pipeline, session, settings, breakers, self._requested
        )
        self._reconciler = Reconciler(
            self._parser, venue, self._read, self._followed, by_market=self._by_market
        )

    async def run(self) -> None:
        """Follow the venue until cancelled."""
        if not self._by_market:
            self._pool.set_keys(GLOBAL)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pool.run())
            tasks.create_task(self._discover())
            tasks.create_task(self._reconciler.run())
            tasks.create_task(self._reconciler.sweep())
            tasks.create_task(self._watch_pings())

    def _followed(self) -> list[str]:
        """Return the ids of the open markets that are followed."""
        markets = self._parser.markets
        chosen = sorted(self._chosen) if self._by_market else list(markets)
        return [
            market_id
            for market_id in chosen
            if (market := markets.get(market_id)) and is_wanted(market, self._venue)
        ]

    async def _discover(self) -> None:
        """List markets now and again, and follow what is new."""
        while True:
            pause = self._venue.manifold_markets_refresh_seconds
            try:
                await (self._visit_list() if self._list else self._list_open())
            except FAILURES as error:
                log.warning("markets not listed, trying again", error=str(error))
                pause = RETRY_SECONDS
            followed = self._followed()
            if self._by_market:
                self._pool.set_keys(topics_of(followed))
            log.info("markets followed", platform="manifold", markets=len(followed))
            fresh = self._parser.doubtful(followed)
            if fresh:
                self._reconciler.request(fresh if len(fresh) <= FEW else ())
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._relist.wait()
            self._relist.clear()

    async def _visit_list(self) -> None:
        for name in self._list:
            for kind in ("slug",) if is_slug(name) else ("market", "slug"):
                try:
                    text = await self._read(kind, f"/{kind}/{name}", [], lambda: "")
                except Refused as error:
                    log.warning("market not given", kind=kind, market=name, status=error.status)
                    continue
                self._chosen.update(listed_ids(f"[{text}]"))
                break

    async def _list_open(self) -> None:
        seen: set[str] = set()
        before: int | None = None
        while True:
            query = markets_query(self._venue, before)
            page = await self._read("search-markets", "/search-markets", query, lambda: "")
            seen.update(listed_ids(page))
            before = next_before(page, before)
            if before is None:
                break
        self._chosen = seen
        unlisted = [
            market_id
            for market_id, market in self._parser.markets.items()
            if market.status in ("open", "closed") and market_id not in seen
        ]
        # Resolved or closed early while nobody listened, closed by its time and to be resolved
        # some day, or not listed for another reason: in turn, for there may be many.
        self._listings += 1
        self._visited = {each: self._visited.get(each, 0) for each in unlisted}
        for market_id in sorted(unlisted, key=self._visited.__getitem__)[:MOST_REVISITED]:
            self._visited[market_id] = self._listings
            try:
                await self._read("market", f"/market/{market_id}", [], lambda: "")
            except Refused as error:
                log.info("market not given", market_id=market_id, status=error.status)

    async def _read(self, endpoint: str, path: str, query: Query, stage: Callable[[], str]) -> str:
        received_us, text = await self._rest.get(endpoint, path, query)
        name = ".".join(part for part in (endpoint, stage()) if part)
        self._hand_on(Frame(received_us, f"rest:{name}", text))
        return text

    def _hand_on(self, frame: Frame) -> Received:
        received = self._pipeline.receive(frame)
        for request in received.requests:
            if isinstance(request, SnapshotNeeded):
                self._reconciler.request(request.market_ids)
        return received

    async def _requested(self, socket: Socket, request: Request) -> None:
        if isinstance(request, SnapshotNeeded):
            self._reconciler.request(request.market_ids)
            if not request.market_ids and self._parser.losses:
                self._relist.set()  # markets opened and closed meanwhile, too
        elif isinstance(request, Reconnect) and request.connection == socket.connection:
            await socket.reconnect("subscription", request.reason)

    async def _really_silent(self, socket: Socket) -> bool:
        """Whether bets were made that the stream did not tell, or REST does not answer either."""
        try:
            return await self._has_new_bets(socket)
        except FAILURES as error:
            log.warning("silence not explained", slot=socket.slot, error=str(error))
            return True

    async def _has_new_bets(self, socket: Socket) -> bool:
        """Whether REST has bets newer than all that were heard of the markets whose bets this
        socket tells, by the venue's own times: what other sockets told says nothing of it. The
        first time, if none was heard of, it only learns which the newest is."""
        slot, told = socket.slot, bets_told_by(socket.keys) if self._by_market else []
        if self._by_market and not told:
            return False
        last_us = self._parser.last_bet_us(told) if told else self._parser.last_bet_us()
        asked_before = slot in self._newest_bet_ms or last_us is not None
        since_ms = max((last_us or 0) // 1000, self._newest_bet_ms.get(slot, 0))
        query: Query = [("afterTime", str(since_ms)), ("order", "desc"), ("limit", "100")]
        newest, is_news = since_ms, False
        for start in range(0, max(len(told), 1), MARKETS_A_REQUEST):
            ids = [("contractId", each) for each in told[start : start + MARKETS_A_REQUEST]]
            received_us, text = await self._rest.get("bets", "/bets", [*query, *ids])
            newest = max(newest, newest_ms(text))
            if asked_before:  # else they are of the time before this connector
                is_news |= self._hand_on(Frame(received_us, "rest:bets", text)).data
        self._newest_bet_ms[slot] = newest
        return is_news

    async def _watch_pings(self) -> None:
        """Give up a connection whose newest ping is not acknowledged in time."""
        limit = self._venue.manifold_ack_seconds
        waiting: dict[str, tuple[int, float]] = {}
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(min(limit / 5, 1))
            for socket in self._pool.sockets:
                ping = self._commands.pings.get(socket.slot)
                acknowledged = self._parser.acknowledged.get(socket.slot, -1)
                if not socket.connection or ping is None or acknowledged >= ping:
                    waiting.pop(socket.slot, None)
                elif socket.slot not in waiting or waiting[socket.slot][0] <= acknowledged:
                    waiting[socket.slot] = (ping, clock())
                elif clock() - waiting[socket.slot][1] > limit:
                    waiting.pop(socket.slot)
                    self._commands.pings.pop(socket.slot, None)
                    await socket.reconnect("silence", f"a ping unanswered for {limit:g} s")
