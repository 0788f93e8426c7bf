"""What a pair has to fulfil beyond its types: each error names the field and what to do."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from schemas.codec import scaled
from schemas.errors import Poison
from schemas.pair import Leg, Pair
from schemas.topics import PLATFORMS


def check(pair: Pair) -> None:
    """Raise ValueError, naming the field, for what the types allow and the meaning doesn't."""
    if not pair.id.isprintable():  # $ of the pattern lets a line end pass
        raise ValueError("id: has to be letters, digits, dots, dashes and underscores")
    _number("alert_threshold", pair.alert_threshold, 0, 1)
    if pair.verified is not None:
        _date("verified.at", pair.verified.at)
    platforms = [leg.platform for leg in pair.legs]
    for at, leg in enumerate(pair.legs):
        where = f"legs[{at}]"
        if leg.platform not in PLATFORMS:
            raise ValueError(f"{where}.platform: has to be one of {', '.join(PLATFORMS)}")
        if platforms.count(leg.platform) > 1:
            raise ValueError(f"{where}.platform: {leg.platform} has two legs; join them in one")
        _check_leg(where, leg)


def _check_leg(where: str, leg: Leg) -> None:
    summed = leg.transform in ("sum_above", "sum_below")
    weighted = leg.transform == "weighted_average"
    if leg.transform in ("identity", "inverse") and len(leg.outcomes) != 1:
        raise ValueError(f"{where}.outcomes: {leg.transform} takes one; use sum for several")
    if summed != (leg.threshold is not None):
        verb = "is needed by" if summed else "means nothing to"
        raise ValueError(f"{where}.threshold: {verb} {leg.transform}")
    places = [(each.market_id, each.outcome_id) for each in leg.outcomes]
    for at, each in enumerate(leg.outcomes):
        here = f"{where}.outcomes[{at}]"
        if places.count((each.market_id, each.outcome_id)) > 1:
            raise ValueError(f"{here}: is listed twice; remove one")
        for name, value, needed in (
            ("strike", each.strike, summed),
            ("weight", each.weight, weighted),
        ):
            if needed != (value is not None):
                verb = "is needed by" if needed else "means nothing to"
                raise ValueError(f"{here}.{name}: {verb} {leg.transform}")
        if each.strike is not None:
            _number(f"{here}.strike", each.strike, -(10**9), 10**9)
        if each.weight is not None:
            _number(f"{here}.weight", each.weight, Decimal("0.0001"), 10_000)
    if leg.threshold is not None:
        _number(f"{where}.threshold", leg.threshold, -(10**9), 10**9)
        if not leg.chosen():
            raise ValueError(f"{where}.threshold: leaves no outcome to {leg.transform}")
    if leg.fee is not None:
        _number(f"{where}.fee.rate", leg.fee.rate, 0, 100)
        _date(f"{where}.fee.at", leg.fee.at)


def _number(name: str, value: Decimal, low: Decimal | int, high: Decimal | int) -> None:
    try:
        scaled(value)
    except Poison:
        raise ValueError(f"{name}: has to be a number of at most 8 decimal places") from None
    if not low <= value <= high:
        raise ValueError(f"{name}: has to be within {low}..{high}")


def _date(name: str, text: str) -> None:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{name}: has to be a date, such as 2026-11-25") from None
