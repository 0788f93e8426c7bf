"""From the quotes of a leg's outcomes to one price for the pair's YES on that venue. Pure.

A leg is a basket: w[i] / d contracts of each outcome for one contract of the pair, d = 1 and
w[i] = 1 but for a weighted average, where d is the sum of the weights. What the basket costs is the
sum of what its outcomes cost, so its bid is made of bids and its ask of asks, and the size of
either is that of the scarcest outcome. A basket is worth what its transform says only as a whole:
if one outcome lacks a side, so does the leg.

Inverse legs (transform inverse, or polarity opposite, not both) are sold where the basket is
bought: bid = 1 - ask, with the ask's size, and the other way round.

Prices are exact except where weights divide: then bids are rounded down and asks up, to 8 places,
so that nothing better than the truth is shown; sizes are rounded down. The mid is rounded to 8
places, half to even, which commutes with the inversion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

from agents.fees import EXACT, ONE, PLACES, FeeTerms, divided_up, taker_fee
from schemas.pair import Leg, PairOutcome

_DOWN = Context(prec=120, rounding=ROUND_FLOOR)
_EVEN = Context(prec=120, rounding=ROUND_HALF_EVEN)
MOST = Decimal("9999999999.99999999")
"""What decimal(18, 8) holds."""


@dataclass(frozen=True, slots=True)
class Quote:
    """Top of book of one outcome. ``ts`` is its receipt, UTC microseconds."""

    bid: Decimal | None
    bid_size: Decimal | None
    ask: Decimal | None
    ask_size: Decimal | None
    ts: int


@dataclass(frozen=True, slots=True)
class Part:
    """What is traded of one outcome: at which price, ``weight`` contracts per ``of``."""

    outcome: PairOutcome
    price: Decimal
    weight: Decimal
    of: Decimal


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a leg: price and size in contracts of the pair; None if a size isn't known."""

    price: Decimal
    size: Decimal | None
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class LegPrice:
    """A leg after its transform. ``bid`` is where it can be sold. The mid is not bounded here."""

    mid: Decimal | None
    bid: Side | None
    ask: Side | None


def is_inverse(leg: Leg) -> bool:
    """Whether the leg's YES is bought by selling its outcomes."""
    return (leg.transform == "inverse") != (leg.polarity == "opposite")


def price_leg(leg: Leg, quotes: Mapping[PairOutcome, Quote]) -> LegPrice:
    """Return the leg's price. ``quotes`` has every outcome that the transform takes."""
    chosen = leg.chosen()
    weights = [each.weight or ONE for each in chosen]
    total = Decimal(1) if leg.transform != "weighted_average" else _sum(weights)
    bids, asks = [], []
    for each, weight in zip(chosen, weights, strict=True):
        quote = quotes[each]
        bids.append((each, weight, quote.bid, quote.bid_size))
        asks.append((each, weight, quote.ask, quote.ask_size))
    bid, ask = _side(bids, total, up=False), _side(asks, total, up=True)
    mid = _mid(bid, ask, total)
    if not is_inverse(leg):
        return LegPrice(mid, bid, ask)
    return LegPrice(None if mid is None else _from_one(mid), _flipped(ask), _flipped(bid))


def leg_fee(
    platform: str, side: Side, terms: Mapping[str, FeeTerms], size: Decimal | None
) -> Decimal | None:
    """Return the taker fee per contract of the pair; None if a part's isn't known.

    ``terms`` by market id; ``size`` in contracts of the pair, None if it isn't known.
    """
    fees = []
    for part in side.parts:
        known = terms.get(part.outcome.market_id)
        traded = None if size is None else _share(EXACT.multiply(size, part.weight), part.of)
        fee = None if known is None else taker_fee(platform, known, part.price, traded or None)
        if fee is None:
            return None
        fees.append(EXACT.multiply(fee, part.weight))
    return divided_up(_sum(fees), side.parts[0].of)


_Offer = tuple[PairOutcome, Decimal, Decimal | None, Decimal | None]
"""Outcome, weight, price, size."""


def _side(offers: list[_Offer], total: Decimal, *, up: bool) -> Side | None:
    parts, sizes = [], []
    for outcome, weight, price, size in offers:
        if price is None:
            return None
        parts.append(Part(outcome, price, weight, total))
        sizes.append(None if size is None else _share(EXACT.multiply(size, total), weight))
    exact = _cost(parts)
    price = divided_up(exact, total) if up else _share(exact, total)
    known = [size for size in sizes if size is not None]
    size = min([*known, MOST]) if len(known) == len(sizes) else None
    return Side(price, size, tuple(parts))


def _mid(bid: Side | None, ask: Side | None, total: Decimal) -> Decimal | None:
    if bid is None or ask is None:
        return None
    both = EXACT.add(_cost(bid.parts), _cost(ask.parts))
    # Never near a tie by chance: a quotient of 120 digits is exact where a tie is possible.
    return EXACT.divide(both, EXACT.multiply(total, Decimal(2))).quantize(PLACES, context=_EVEN)


def _cost(parts: list[Part] | tuple[Part, ...]) -> Decimal:
    return _sum([EXACT.multiply(part.price, part.weight) for part in parts])


def _flipped(side: Side | None) -> Side | None:
    return None if side is None else Side(_from_one(side.price), side.size, side.parts)


def _from_one(price: Decimal) -> Decimal:
    return EXACT.subtract(ONE, price)


def _sum(values: list[Decimal]) -> Decimal:
    found = Decimal(0)
    for value in values:
        found = EXACT.add(found, value)
    return found


def _share(amount: Decimal, by: Decimal) -> Decimal:
    """Return ``amount`` / ``by`` rounded down to 8 places, exactly."""
    quotient = EXACT.divide_int(EXACT.divide(amount, PLACES), by)
    return _DOWN.multiply(quotient, PLACES)
