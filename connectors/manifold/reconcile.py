"""REST reading of what the stream does not tell: missed bets, moved prices, unknown markets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from connectors.http import Refused
from connectors.manifold.discovery import (
    PROBS_A_REQUEST,
    Query,
    bets_query,
    check_object,
    in_batches,
    next_after,
    probs_query,
)
from connectors.manifold.parse import COMPLETE, SETTLED, Parser
from connectors.manifold.prices import POLL_AGE_US
from connectors.manifold.settings import ManifoldSettings
from schemas.errors import Poison, Transient
from schemas.logs import get_logger

log = get_logger(__name__)

Read = Callable[[str, str, Query, Callable[[], str]], Awaitable[str]]
"""``read(endpoint, path, query, stage)`` fetches, asks ``stage()`` when the answer is there, hands
the answer to the pipeline as ``rest:<endpoint>.<stage>`` and returns its text."""

OVERLAP_MS = 60_000
"""How far a reading of bets reaches back before the newest one seen: rows are written in another
order than they are dated, and our clock, where there was no bet, is not the venue's."""
MARKETS_A_REQUEST = 50
SAFE_PROBS = 20
"""Ids in brackets that any query parser takes as a list; some refuse more."""
FAILURES = (Transient, Refused, Poison)
RETRY_SECONDS = 5
MOST_WAITING = 10_000
"""Ids of markets that nobody described and that wait to be asked for."""


class Reconciler:
    """Reads on request: everything after a reconnect, single markets after a doubt."""

    def __init__(
        self,
        parser: Parser,
        settings: ManifoldSettings,
        read: Read,
        followed: Callable[[], list[str]],
        *,
        by_market: bool,
    ) -> None:
        """``followed()`` gives the ids of the markets to compare. ``by_market``: ask for bets of
        these only, not of all."""
        self._parser = parser
        self._settings = settings
        self._read = read
        self._followed = followed
        self._by_market = by_market
        self._everything = False
        self._waiting: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._look_again = asyncio.Event()
        self._probs_a_request = PROBS_A_REQUEST

    def request(self, market_ids: Sequence[str]) -> None:
        """Ask for these markets to be read soon; none named: all that is followed."""
        self._everything |= not market_ids
        for market_id in market_ids:
            if market_id in self._parser.markets or len(self._waiting) < MOST_WAITING:
                self._waiting[market_id] = None
        self._wake.set()

    async def run(self) -> None:
        """Do what is asked for until cancelled; what fails is tried again."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            everything, self._everything = self._everything, False
            some = [] if everything else list(self._waiting)[:PROBS_A_REQUEST]
            for market_id in some:
                del self._waiting[market_id]
            try:
                if everything:
                    await self._read_everything()
                await asyncio.sleep(self._settings.manifold_settle_seconds if some else 0)
                await self._read_some(some)
            except FAILURES as error:
                log.warning("reconciliation failed, trying again", error=str(error))
                self._everything |= everything
                self._waiting.update(dict.fromkeys(some))
                await asyncio.sleep(RETRY_SECONDS)
            if self._everything or self._waiting:
                self._wake.set()

    async def sweep(self) -> None:
        """Compare every price with the venue's, now and then, until cancelled; soon after a loss,
        since a stream that was just restored may still be lame and nothing else would tell."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.manifold_sweep_seconds):
                    await self._look_again.wait()
                    self._look_again.clear()
                    await asyncio.sleep(self._settings.manifold_silence_seconds)
            try:
                await self._probs(self._followed(), _poll)
            except FAILURES as error:
                log.warning("sweep failed", error=str(error))

    async def missed_bets(self, since_us: int) -> None:
        """Read the bets of all followed markets since a venue time."""
        after = since_us // 1000 - OVERLAP_MS
        if not self._by_market:
            await self._bets(after, ())
            return
        for batch in in_batches(self._followed(), MARKETS_A_REQUEST):
            await self._bets(after, batch)

    async def _read_everything(self) -> None:
        """Bets since the last one seen, then every price. The last answer ends the gap over all
        markets, unless all became doubtful once more meanwhile. A market's own gap is not ended
        here: it may reach further back."""
        losses = self._parser.losses
        since_us = self._parser.bets_missing_since()
        if since_us is not None:
            await self.missed_bets(since_us)
            self._look_again.set()
        followed = self._followed()
        await self._probs(followed, _poll)
        if self._parser.untrusted(followed):
            # A price that moved just before can't be told from one that the cache is late with.
            await asyncio.sleep(POLL_AGE_US / 1e6)
            await self._probs(self._parser.untrusted(followed), _poll)

        def stage() -> str:
            return COMPLETE if self._parser.losses == losses else ""

        if followed:
            await self._probs(followed[:1], stage)
        else:
            await self._read("bets", "/bets", [("limit", "1")], stage)

    async def _read_some(self, market_ids: Sequence[str]) -> None:
        """What these markets are, their bets since the last one seen, their prices. The answer
        ends their gaps, unless bets were found to be missing once more meanwhile."""
        parser = self._parser
        doubts = {market_id: parser.doubts_of(market_id) for market_id in market_ids}
        for market_id in market_ids:
            market = parser.markets.get(market_id)
            if market is None or not market.outcomes:
                await self._describe(market_id)
        for market_id in market_ids:
            since_us = parser.bets_missing_since(market_id)
            if since_us is not None:
                await self._bets(since_us // 1000 - OVERLAP_MS, (market_id,))
        known = [market_id for market_id in market_ids if market_id in parser.markets]

        def stage() -> str:
            if any(parser.doubts_of(each) != doubts[each] for each in known):
                self.request(known)
                return ""
            return SETTLED

        await self._probs(known, stage)
        if late := parser.untrusted(known):
            # As after a loss of all. Nobody would ask for these again if they closed meanwhile.
            await asyncio.sleep(POLL_AGE_US / 1e6)
            await self._probs(late, stage)

    async def _describe(self, market_id: str) -> None:
        try:
            await self._read("market", f"/market/{market_id}", [], _poll)
        except Refused as error:
            log.info("market not given", market_id=market_id, status=error.status)

    async def _bets(self, after: int, market_ids: Sequence[str]) -> None:
        cursor: int | None = max(after, 0)
        while cursor is not None:
            query = bets_query(cursor, market_ids)
            page = await self._read("bets", "/bets", query, _poll)
            cursor = next_after(page, cursor)

    async def _probs(self, market_ids: Sequence[str], stage: Callable[[], str]) -> None:
        left = list(market_ids)
        while left:
            batch = left[: self._probs_a_request]
            try:
                query = probs_query(batch)
                check_object(await self._read("market-probs", "/market-probs", query, stage))
            except Refused as error:
                if error.status != 400 or self._probs_a_request <= SAFE_PROBS:
                    raise
                log.info("the venue takes no such long list of ids", ids=self._probs_a_request)
                self._probs_a_request = SAFE_PROBS
                continue
            left = left[self._probs_a_request :]


def _poll() -> str:
    return ""
