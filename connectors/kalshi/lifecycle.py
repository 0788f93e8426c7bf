"""What the lifecycle channel says of markets and events, as changes of Market records. Pure."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import islice
from typing import Any

import msgspec

from connectors.amounts import decimal, units
from connectors.kalshi import wire
from connectors.kalshi.discovery import PriceRange, step_of
from connectors.kalshi.quoting import OUTCOME, PLATFORM
from schemas.errors import Poison
from schemas.market import Market, Outcome

MAX_MARKETS = 500_000
KNOWN = frozenset(
    ("created", "activated", "deactivated", "close_date_updated", "determined", "settled",
     "price_level_structure_updated", "metadata_updated")
)  # fmt: skip


class Details(msgspec.Struct):
    title: str | None = None
    event_ticker: str | None = None


class Lifecycle(msgspec.Struct):
    """A message of ``market_lifecycle_v2``; times are Unix seconds."""

    market_ticker: str
    event_type: str = ""
    open_ts: int | None = None
    close_ts: int | None = None
    result: str | None = None
    additional_metadata: Details | None = None
    price_ranges: list[PriceRange] | None = None


class FeeUpdate(msgspec.Struct):
    """``event_fee_update``; both overrides null = the override is gone."""

    event_ticker: str
    fee_type_override: str | None = None
    fee_multiplier_override: Any = None


def changed(message: Lifecycle, old: Market | None, seen_us: int) -> Market | None:
    """Return the market as it is after the message; None if it says nothing that we can keep.

    Anything but ``created`` about a market that was never described is not enough to describe
    it: the next discovery page will.
    """
    if message.event_type == "created":
        return _created(message, seen_us)
    if old is None:
        return None
    now = replace(old, seen_ts=seen_us)
    match message.event_type:
        case "activated" | "deactivated" if old.status in ("closed", "resolved"):
            return now  # Only meaningful while open (PROTOCOL 3.8): nothing opens again.
        case "activated":
            upcoming = old.open_ts is not None and seen_us < old.open_ts
            return replace(now, status="upcoming" if upcoming else "open")
        case "deactivated":
            return replace(now, status="paused")
        case "close_date_updated":
            return replace(now, close_ts=_seconds(message.close_ts))
        case "determined":
            return replace(now, status="resolved", resolution=_cut(message.result))
        case "settled":
            return replace(now, status="resolved")
        case "price_level_structure_updated":
            return replace(now, tick_size=step_of(message.price_ranges))
    return None


def with_fee(market: Market, message: FeeUpdate) -> Market:
    """Return the market with its event's fee override. Raises Poison("value")."""
    multiplier = message.fee_multiplier_override
    rate: Decimal | None = None
    if multiplier is not None:
        if isinstance(multiplier, bool) or not isinstance(multiplier, int | float | str):
            raise Poison("value", "a fee multiplier that is no number")
        rate = decimal(units(str(multiplier)))
    return replace(market, fee_type=_cut(message.fee_type_override), fee_rate=rate)


def _created(message: Lifecycle, seen_us: int) -> Market:
    ticker = wire.checked_ticker(message.market_ticker)
    details = message.additional_metadata or Details()
    opens = _seconds(message.open_ts)
    return Market(
        seen_ts=seen_us,
        platform=PLATFORM,
        market_id=ticker,
        event_id=wire.checked_ticker(details.event_ticker) if details.event_ticker else None,
        slug=None,
        title=(details.title or "")[:1000],
        outcomes=(Outcome(ticker, OUTCOME),),
        status="upcoming" if opens is None or seen_us < opens else "open",
        resolution=None,
        open_ts=opens,
        close_ts=_seconds(message.close_ts),
        unit="USD",
        tick_size=step_of(message.price_ranges),
        min_size=None,
        fee_type=None,
        fee_rate=None,
        volume=None,
        mechanism="order_book",
    )


def _seconds(value: int | None) -> int | None:
    return None if value is None else wire.plausible(value * 1_000_000)


def _cut(text: str | None) -> str | None:
    return (text or "")[:1000] or None


class Markets:
    """Every market seen, bounded: finished ones make room first."""

    def __init__(self) -> None:
        self.by_id: dict[str, Market] = {}
        self._by_event: dict[str, set[str]] = {}

    def describe(self, market: Market) -> list[Market]:
        """Keep a full description; as ``put``, but what descriptions never carry (fees, and on
        lifecycle messages volume and sizes) stays as it was known."""
        old = self.by_id.get(market.market_id)
        if old is not None:
            market = replace(
                market,
                fee_type=old.fee_type,
                fee_rate=old.fee_rate,
                volume=old.volume if market.volume is None else market.volume,
                min_size=old.min_size if market.min_size is None else market.min_size,
            )
        return self.put(market)

    def put(self, market: Market) -> list[Market]:
        """Keep what is known of a market; return it if more than time and volume changed."""
        old = self.by_id.get(market.market_id)
        if old is None and len(self.by_id) >= MAX_MARKETS:
            self._make_room()
        self.by_id[market.market_id] = market
        if market.event_id is not None:
            self._by_event.setdefault(market.event_id, set()).add(market.market_id)
        if old is not None and replace(market, seen_ts=old.seen_ts, volume=old.volume) == old:
            return []
        return [market]

    def of_event(self, event_id: str) -> list[Market]:
        """Return the markets of an event, in a stable order."""
        return [self.by_id[market] for market in sorted(self._by_event.get(event_id, ()))]

    def _make_room(self) -> None:
        finished = [item.market_id for item in self.by_id.values() if item.status == "resolved"]
        for market_id in finished or [*islice(self.by_id, max(MAX_MARKETS // 100, 1))]:
            event_id = self.by_id.pop(market_id).event_id or ""
            siblings = self._by_event.get(event_id, set())
            siblings.discard(market_id)
            if not siblings:
                self._by_event.pop(event_id, None)
