"""Markets from Gamma objects and from the socket's new_market and market_resolved. Pure.

Fields: PROTOCOL sections 3 and 6. Reading raises Poison, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Any

from connectors.amounts import decimal
from connectors.json import Row, decode, row, rows
from connectors.polymarket.book_hash import HashInputs
from connectors.polymarket.wire import identifier, text, units_or_none
from schemas.clock import parse_rfc3339
from schemas.errors import Poison
from schemas.market import Market, MarketStatus, Outcome

PLATFORM = "polymarket"
UNIT = "USDC"
MECHANISM = "order_book"
MOST_OUTCOMES = 16
"""The venue's markets have two."""
_ROUNDING = Context(prec=60, rounding=ROUND_HALF_EVEN)
_PLACES = Decimal("0.00000001")
_LARGEST = Decimal(10) ** 10


@dataclass(frozen=True, slots=True)
class Listed:
    """A market as the catalogue lists it, and what the book hash needs of it."""

    market: Market
    inputs: HashInputs
    followable: bool
    """Whether it has books that can change: trading is on and the order book enabled."""


def read_listed(listed: Row, at_us: int) -> Listed:
    """Return one Gamma market object."""
    market_id = identifier(listed.get("conditionId"), "conditionId")
    outcomes = _outcomes(listed)
    status = _status(listed)
    resolution = _resolution(listed, outcomes) if listed.get("closed") is True else None
    tick_size = units_or_none(listed.get("orderPriceMinTickSize"))
    min_size = units_or_none(listed.get("orderMinSize"))
    neg_risk = listed.get("negRisk")
    events = listed.get("events")
    event = events[0] if isinstance(events, list) and events else None
    fees_enabled = listed.get("feesEnabled")
    market = Market(
        seen_ts=at_us,
        platform=PLATFORM,
        market_id=market_id,
        event_id=_short_id(event.get("id")) if isinstance(event, dict) else None,
        slug=text(listed.get("slug")),
        title=text(listed.get("question")) or "",
        outcomes=outcomes,
        status="resolved" if resolution is not None else status,
        resolution=resolution,
        open_ts=_instant(listed.get("startDate")),
        close_ts=_instant(listed.get("closedTime")) or _instant(listed.get("endDate")),
        unit=UNIT,
        tick_size=None if tick_size is None else decimal(tick_size),
        min_size=None if min_size is None else decimal(min_size),
        fee_type=text(listed.get("feeType")),
        fee_rate=_fee_rate(fees_enabled, listed.get("feeSchedule")),
        volume=_volume(listed.get("volume", listed.get("volumeNum"))),
        mechanism=MECHANISM,
    )
    inputs = HashInputs(
        min_order_size=_number_text(listed.get("orderMinSize")),
        neg_risk=neg_risk if isinstance(neg_risk, bool) else None,
        tick_size=_number_text(listed.get("orderPriceMinTickSize")),
    )
    followable = status == "open" and listed.get("enableOrderBook") is not False
    return Listed(market, inputs, followable and bool(outcomes))


def read_announced(event: Row, at_us: int) -> Market:
    """Return the market of a new_market, or of a market_resolved that describes it."""
    market_id = identifier(event.get("condition_id") or event.get("market"), "condition_id")
    tokens = event.get("clob_token_ids") or event.get("assets_ids")
    tick_size = units_or_none(event.get("order_price_min_tick_size"))
    message = event.get("event_message")
    return Market(
        seen_ts=at_us,
        platform=PLATFORM,
        market_id=market_id,
        event_id=_short_id(message.get("id")) if isinstance(message, dict) else None,
        slug=text(event.get("slug")),
        title=text(event.get("question")) or "",
        outcomes=_paired(event.get("outcomes"), tokens),
        # Announced markets say active false until trading opens.
        status="open" if event.get("active") is True else "upcoming",
        resolution=None,
        open_ts=None,
        close_ts=None,
        unit=UNIT,
        tick_size=None if tick_size is None else decimal(tick_size),
        min_size=None,
        fee_type=None,
        fee_rate=_fee_rate(event.get("fees_enabled"), event.get("fee_schedule")),
        volume=None,
        mechanism=MECHANISM,
    )


def resolved(market: Market, event: Row, at_us: int) -> Market:
    """Return the market after its market_resolved."""
    winner = text(event.get("winning_outcome"))
    if winner is None:
        token = event.get("winning_asset_id")
        labels = {outcome.outcome_id: outcome.outcome for outcome in market.outcomes}
        winner = labels.get(token) if isinstance(token, str) else None
    return replace(market, seen_ts=at_us, status="resolved", resolution=winner)


def updated(known: Market | None, listed: Market) -> Market:
    """Return what to believe when a listing arrives: listings are cached, a resolution that the
    socket announced is final."""
    if known is not None and known.status == "resolved" and listed.status != "resolved":
        return known
    return listed


def same(one: Market, other: Market) -> bool:
    """Whether two records differ in nothing but when they were seen and the volume."""
    return replace(one, seen_ts=0, volume=None) == replace(other, seen_ts=0, volume=None)


def _outcomes(listed: Row) -> tuple[Outcome, ...]:
    tokens = listed.get("positionIds") if listed.get("version") == "v2" else None
    return _paired(listed.get("outcomes"), tokens or listed.get("clobTokenIds"))


def _paired(labels: object, tokens: object) -> tuple[Outcome, ...]:
    """Return outcomes from two parallel lists. A market without tokens has no books yet."""
    names = _array(labels, "outcomes")
    ids = _array(tokens, "token ids")
    if not ids:
        return ()
    if len(names) != len(ids):
        raise Poison("shape", f"{len(names)} outcomes but {len(ids)} tokens")
    return tuple(
        Outcome(identifier(token, "token id"), text(name) or "")
        for token, name in zip(ids, names, strict=True)
    )


def _array(value: object, what: str) -> list[Any]:
    """Return a list that Gamma sends as text and the socket as an array; empty if absent."""
    if value is None or value == "":
        return []
    return rows(decode(value) if isinstance(value, str) else value, what, MOST_OUTCOMES)


def _status(listed: Row) -> MarketStatus:
    if listed.get("closed") is True or listed.get("archived") is True:
        return "closed"
    if listed.get("active") is not True:
        return "upcoming"
    return "paused" if listed.get("acceptingOrders") is False else "open"


def _resolution(listed: Row, outcomes: Sequence[Outcome]) -> str | None:
    """Return the label of the outcome that is paid in full, or the prices of a split result.

    Prices alone don't prove a result: a market closed but not resolved shows its last ones.
    """
    prices = [text(value) for value in _array(listed.get("outcomePrices"), "outcomePrices")]
    if len(prices) != len(outcomes):
        return None
    paid = [
        outcome.outcome for outcome, value in zip(outcomes, prices, strict=True) if value == "1"
    ]
    if len(paid) == 1 and all(value in ("0", "1") for value in prices):
        return paid[0]
    if listed.get("umaResolutionStatus") == "resolved":
        return "/".join(value or "" for value in prices) or None
    return None


def _instant(value: object) -> int | None:
    """Return an ISO instant, or Gamma's other form ``2026-07-24 00:00:16+00``, as microseconds."""
    if not isinstance(value, str) or not 10 <= len(value) <= 40:
        return None
    try:
        moment = parse_rfc3339(value)
    except (ValueError, OverflowError):
        return None
    return moment if 0 <= moment < 10_413_792_000_000_000 else None


def _fee_rate(enabled: object, schedule: object) -> Decimal | None:
    if enabled is False:
        return Decimal(0)
    if not isinstance(schedule, dict):
        return None
    rate = units_or_none(schedule.get("rate"))
    return None if rate is None else decimal(rate)


def _volume(value: object) -> Decimal | None:
    """Return the running total, which the venue computes in floats, rounded to 8 places."""
    number = _number_text(value)
    if number is None:
        return None
    try:
        amount = Decimal(number)
        if not amount.is_finite() or abs(amount) >= _LARGEST:
            return None
        return amount.quantize(_PLACES, context=_ROUNDING)
    except InvalidOperation:
        return None


def _number_text(value: object) -> str | None:
    if isinstance(value, str) and 0 < len(value) <= 40:
        return value
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < 40:
        return format(value, "f")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
        return str(value)
    return None


def _short_id(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 100 else None


def described(event: Row) -> bool:
    """Whether a market_resolved says enough of the market to describe it."""
    return bool(event.get("question")) and bool(event.get("outcomes"))


def entries(value: object) -> list[Row]:
    """Return the market objects of an answer of Gamma: a keyset page of markets or events, an
    older bare array, one object. Raises Poison("shape")."""
    if isinstance(value, dict):
        for name in ("markets", "events"):
            if name in value and "conditionId" not in value:
                value = value[name]
                break
        else:
            value = [value]
    found: list[Row] = []
    for item in rows(value, "page", 1000):
        listed = row(item, "an entry")
        inner = listed.get("markets")
        if "conditionId" in listed or inner is None:
            found.append(listed)
            continue
        # An event's markets are trimmed: the event is named by their container.
        parent = [{"id": listed.get("id")}]
        for market in rows(inner, "markets", 2000):
            found.append({"events": parent, **row(market, "a market")})
    return found
