"""Kalshi's market objects: REST pages to Market records, and which markets to follow. Pure."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from connectors.amounts import decimal, units
from connectors.kalshi import wire
from connectors.kalshi.quoting import OUTCOME, PLATFORM
from schemas.clock import parse_rfc3339
from schemas.errors import Poison
from schemas.market import Market, MarketStatus, Outcome

STATUS: dict[str, MarketStatus] = {
    "initialized": "upcoming",
    "unopened": "upcoming",
    "active": "open",
    "open": "open",
    "inactive": "paused",
    "paused": "paused",
    "closed": "closed",
    "disputed": "closed",
    "determined": "resolved",
    "amended": "resolved",
    "finalized": "resolved",
    "settled": "resolved",
}
"""The venue's words in answers (and in filters) in common words. A disputed result is none."""

CLOSE_GRACE_US = 60_000_000
"""A market is followed this long past its close: the last, empty book comes up to 13 s late."""
UNSETTLED_US = 60 * 86_400_000_000
"""A market without a result is asked for this long past its close; later ones are archived."""
_LONGEST_TEXT = 1000


class PriceRange(msgspec.Struct):
    step: str = ""


class MarketObject(msgspec.Struct):
    """The fields of a REST market that we use (PROTOCOL 6)."""

    ticker: str
    event_ticker: str | None = None
    title: str | None = None
    status: str = ""
    result: str | None = None
    open_time: str | None = None
    close_time: str | None = None
    price_ranges: list[PriceRange] | None = None
    tick_size: int | None = None
    fractional_trading_enabled: bool | None = None
    volume_fp: wire.Number | None = None
    volume: int | None = None


class _Body(msgspec.Struct):
    markets: list[msgspec.Raw] | None = None
    # Not "| None": msgspec takes such a union for None alone.
    market: msgspec.Raw = msgspec.Raw()


class _Listed(msgspec.Struct):
    ticker: str


class _Listing(msgspec.Struct):
    markets: list[msgspec.Raw]
    cursor: str | None = None


_decode_listing = msgspec.json.Decoder(_Listing).decode
_decode_listed = msgspec.json.Decoder(_Listed).decode
_decode_body = msgspec.json.Decoder(_Body).decode
_decode_market = msgspec.json.Decoder(MarketObject).decode


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its markets, and what was unusable on it."""

    markets: list[Market]
    unusable: list[Poison]


def page_of(text: str, seen_us: int) -> Page:
    """Read ``GET /markets``, ``/markets/{ticker}`` or ``/events/{ticker}``.

    Raises Poison("not_json") or Poison("shape") if the whole body can't be read.
    """
    try:
        body = _decode_body(text)
    except msgspec.ValidationError as error:
        raise Poison("shape", str(error)[:200]) from error
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise Poison("not_json", str(error)[:200]) from error
    if body.markets is None and not bytes(body.market):
        raise Poison("shape", "neither markets nor market")
    objects = body.markets if body.markets is not None else [body.market]
    markets: list[Market] = []
    unusable: list[Poison] = []
    for raw in objects:
        try:
            markets.append(market_of(_decode_market(raw), seen_us))
        except msgspec.MsgspecError as error:
            unusable.append(Poison("shape", f"a market: {str(error)[:200]}"))
        except Poison as error:
            unusable.append(error)
    return Page(markets, unusable)


def listing_of(text: str) -> tuple[set[str], str | None]:
    """Return the tickers on a page and the cursor of the next, None after the last (the venue
    ends with "" or null). Raises Poison("page") if it can't be read.

    A row that names no market is passed over, ``page_of`` counts it: one bad row must not keep
    all the others from being found.
    """
    try:
        listing = _decode_listing(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise Poison("page", str(error)[:200]) from error
    tickers: set[str] = set()
    for raw in listing.markets:
        with contextlib.suppress(msgspec.MsgspecError, RecursionError):
            tickers.add(_decode_listed(raw).ticker)
    return tickers, listing.cursor or None


def market_of(item: MarketObject, seen_us: int) -> Market:
    """Return the Market record of one object. Raises Poison if its numbers or times are wrong."""
    ticker = wire.checked_ticker(item.ticker)
    volume = wire.first(item.volume_fp, item.volume)
    smallest: Decimal | None = None
    if item.fractional_trading_enabled is not None:
        smallest = Decimal("0.01") if item.fractional_trading_enabled else Decimal(1)
    return Market(
        seen_ts=seen_us,
        platform=PLATFORM,
        market_id=ticker,
        event_id=wire.checked_ticker(item.event_ticker) if item.event_ticker else None,
        slug=None,
        title=(item.title or "")[:_LONGEST_TEXT],
        outcomes=(Outcome(ticker, OUTCOME),),
        status=STATUS.get(item.status, "unknown"),
        resolution=(item.result or "")[:_LONGEST_TEXT] or None,
        open_ts=_when(item.open_time),
        close_ts=_when(item.close_time),
        unit="USD",
        tick_size=step_of(item.price_ranges, item.tick_size),
        min_size=smallest,
        fee_type=None,
        fee_rate=None,
        volume=None if volume is None else decimal(volume),
        mechanism="order_book",
    )


def step_of(ranges: list[PriceRange] | None, whole_cents: int | None = None) -> Decimal | None:
    """Return the price step; None if it varies along the price or is not given."""
    steps = {units(item.step) for item in ranges or ()}
    if not ranges and whole_cents is not None:
        steps = {units(wire.cents(whole_cents) or "")}
    return decimal(steps.pop()) if len(steps) == 1 else None


def _when(text: str | None) -> int | None:
    """Return a time in microseconds; the venue writes the year 1 for none (PROTOCOL 4)."""
    if not text or text.startswith("0001-"):
        return None
    try:
        return wire.plausible(parse_rfc3339(text[:40]))
    except (ValueError, OverflowError) as error:
        raise Poison("time", "unreadable time of a market") from error


@dataclass(frozen=True, slots=True)
class Filter:
    """Which markets are wanted. Empty collections want everything."""

    tickers: frozenset[str] = frozenset()
    events: frozenset[str] = frozenset()
    series: frozenset[str] = frozenset()
    minimum_volume: Decimal = Decimal(0)

    def wants(self, market: Market, now_us: int) -> bool:
        """Whether the market can be traded now, as far as known, and is one of ours.

        No message says that a market opens or closes (PROTOCOL 3.8): its times do.
        """
        opened = market.open_ts is None or market.open_ts <= now_us
        alive = market.status in ("open", "paused") or (market.status == "upcoming" and opened)
        if not alive or (market.close_ts or now_us) + CLOSE_GRACE_US < now_us:
            return False
        return self.concerns(market)

    def concerns(self, market: Market) -> bool:
        """Whether the market is one of ours, be it open or not."""
        if self.tickers:
            return market.market_id in self.tickers
        if (self.events or self.series) and not (
            market.event_id in self.events or not self.series.isdisjoint(series_of(market))
        ):
            return False
        return (market.volume or Decimal(0)) >= self.minimum_volume

    def queries(self, *, combos: bool) -> list[dict[str, str]]:
        """Return the queries of ``GET /markets`` that list what may be wanted."""
        common = {"status": "open", "limit": "1000"} | ({} if combos else {"mve_filter": "exclude"})
        if self.tickers:
            return by_ticker(self.tickers)
        narrowed = [{**common, "series_ticker": name} for name in sorted(self.series)]
        narrowed += [{**common, "event_ticker": name} for name in sorted(self.events)]
        return narrowed or [common]


def by_ticker(tickers: Iterable[str], together: int = 100) -> list[dict[str, str]]:
    """Return queries of ``GET /markets`` that ask for exactly these markets."""
    ordered = sorted(tickers)
    return [
        {"tickers": ",".join(ordered[start : start + together]), "limit": "1000"}
        for start in range(0, len(ordered), together)
    ]


def unended(
    markets: Iterable[Market],
    wanted: Filter,
    now_us: int,
    following: Collection[str],
    listed: Collection[str],
) -> list[str]:
    """Return the markets whose end nobody told us, those not heard of for longest first: followed
    but listed as open no more, or past their close without a result (such are followed no more,
    and what was said of them while no socket listened is not said again)."""
    found = [
        market
        for market in markets
        if market.market_id not in listed
        and (
            market.market_id in following
            or (
                market.status != "resolved"
                and market.close_ts is not None
                and 0 < now_us - market.close_ts < UNSETTLED_US
                and wanted.concerns(market)
            )
        )
    ]
    found.sort(key=lambda market: (market.seen_ts, market.market_id))
    return [market.market_id for market in found]


def series_of(market: Market) -> list[str]:
    """Return the series that the market may be of, every one that its event's ticker begins with:
    tickers read SERIES-EVENT-OUTCOME, but a series may have a dash itself (KXMLBWINS-BOS)."""
    parts = (market.event_id or market.market_id).split("-")
    return ["-".join(parts[:end]) for end in range(1, len(parts) + 1)]


def choose(
    markets: Iterable[Market], wanted: Filter, now_us: int, following: Collection[str], limit: int
) -> tuple[list[str], int]:
    """Return the markets to follow, and how many had no place.

    Those followed already keep their place; the rest come by volume, largest first.
    """
    candidates = [market for market in markets if wanted.wants(market, now_us)]
    candidates.sort(
        key=lambda market: (
            market.market_id not in following,
            -(market.volume or Decimal(0)),
            market.market_id,
        )
    )
    chosen = [market.market_id for market in candidates[:limit]]
    return chosen, len(candidates) - len(chosen)


def names(text: str) -> frozenset[str]:
    """Return the names in a comma separated setting."""
    return frozenset(name.strip() for name in text.split(",") if name.strip())
