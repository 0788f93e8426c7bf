"""Every market that was described, by a listing or by the socket, bounded."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

from connectors.events import Applied, Event, Frame, Ignored, Rejected
from connectors.json import Row
from connectors.polymarket.book_hash import HashInputs
from connectors.polymarket.metadata import (
    described,
    read_announced,
    read_listed,
    resolved,
    same,
    updated,
)
from connectors.polymarket.wire import identifier
from schemas.errors import Poison
from schemas.market import Market

_FINISHED = ("closed", "resolved")


class Catalogue:
    """Markets by id, with what the book hash needs of each. At most ``most`` are kept: finished
    ones make room, then those that were announced and never listed, as all markets of the venue
    are; when there are none, new ones are rejected, and counted as such."""

    def __init__(self, most: int) -> None:
        self.markets: dict[str, Market] = {}
        self._most = most
        self._inputs: dict[str, HashInputs] = {}
        self._labels: dict[str, str] = {}
        self._finished: OrderedDict[str, None] = OrderedDict()
        self._announced: OrderedDict[str, None] = OrderedDict()

    def label(self, market_id: str, token_id: str) -> str | None:
        """Return the outcome's label, None if the market was never described."""
        return self._labels.get(token_id)

    def inputs(self, market_id: str) -> HashInputs:
        """Return a copy of what is known of the hash's inputs."""
        return replace(self._inputs.get(market_id, HashInputs()))

    def is_over(self, market_id: str) -> bool:
        """Whether the market is known to be closed or resolved."""
        market = self.markets.get(market_id)
        return market is not None and market.status in _FINISHED

    def listed(self, frame: Frame, entry: Row) -> Event:
        """Take one market of a listing."""
        try:
            listed = read_listed(entry, frame.received_us)
        except Poison as error:
            return Rejected(error.reason, error.detail)
        self._inputs[listed.market.market_id] = listed.inputs
        self._announced.pop(listed.market.market_id, None)
        known = self.markets.get(listed.market.market_id)
        return self._keep(updated(known, listed.market))

    def announced(self, frame: Frame, event: Row) -> Event:
        """Take a new_market: re-sent many times, and poorer than a listing."""
        market = read_announced(event, frame.received_us)
        if market.market_id in self.markets:
            return Ignored("new_market")
        kept = self._keep(market)
        if market.market_id in self.markets:
            self._announced[market.market_id] = None
        return kept

    def resolved(self, frame: Frame, event: Row) -> Event:
        """Take a market_resolved. One that names a market never described, and doesn't describe
        it either, would only blot out what others know of it."""
        market_id = identifier(event.get("market"), "market")
        market = self.markets.get(market_id)
        if market is None:
            if not described(event):
                return Applied("market_resolved")
            market = read_announced(event, frame.received_us)
        elif market.status == "resolved":
            return Ignored("market_resolved")
        return self._keep(resolved(market, event, frame.received_us))

    def resized(self, frame: Frame, market: Market) -> Event:
        """Take a market whose price grid changed."""
        return self._keep(replace(market, seen_ts=frame.received_us))

    def _keep(self, market: Market) -> Event:
        market_id = market.market_id
        known = self.markets.get(market_id)
        if known is None and len(self.markets) >= self._most and not self._make_room():
            self._inputs.pop(market_id, None)
            return Rejected("too_many_markets", f"more than {self._most}")
        self.markets[market_id] = market
        for outcome in market.outcomes:
            self._labels[outcome.outcome_id] = outcome.outcome
        if market.status in _FINISHED:
            self._finished[market_id] = None
            self._announced.pop(market_id, None)
        else:
            self._finished.pop(market_id, None)
        if known is not None and same(known, market):
            return Ignored("market_unchanged")
        return market

    def _make_room(self) -> bool:
        spare = self._finished or self._announced
        if not spare:
            return False
        market_id, _ = spare.popitem(last=False)
        for outcome in self.markets.pop(market_id).outcomes:
            self._labels.pop(outcome.outcome_id, None)
        self._inputs.pop(market_id, None)
        return True
