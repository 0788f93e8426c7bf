"""The venue's price formulas, exact to the 8 places that everything here is rounded to.

Sources: PROTOCOL 4.1 and 4.3, checked against captures there; average price: PROTOCOL 4.4.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal, DecimalException

from connectors.amounts import ONE
from schemas.codec import SCALE
from schemas.errors import Poison

PLACES = Decimal(1).scaleb(-SCALE)
TOLERANCE: int = ONE // 1_000_000
"""Two probabilities that differ by more than this, 1e-6, do not agree."""

_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)
_LARGEST = Decimal(10) ** 10
"""What decimal(18, 8) can hold, in whole units."""


def rounded(value: Decimal) -> Decimal:
    """Return ``value`` to 8 places, half to even. Raises Poison("value") if it does not fit."""
    if not value.is_finite() or abs(value) >= _LARGEST:
        raise Poison("value", "a number is not finite or too large")
    return value.quantize(PLACES, context=_WIDE)


def units_of(value: Decimal) -> int:
    """Return a probability in units of 10^-8. Raises Poison("probability") outside 0..1."""
    if not value.is_finite() or not 0 <= value <= 1:
        raise Poison("probability", "a probability is outside 0..1")
    return int(value.quantize(PLACES, context=_WIDE).scaleb(SCALE, context=_WIDE))


def cpmm_probability(pool_yes: Decimal, pool_no: Decimal, weight: Decimal) -> Decimal:
    """Return the price of a ``cpmm-1`` pool: p*NO / ((1-p)*YES + p*NO).

    Raises Poison("pool") if no pool can look like that.
    """
    if not (pool_yes > 0 and pool_no > 0 and 0 < weight < 1):
        raise Poison("pool", "a pool is empty or its weight outside 0..1")
    try:
        no = _WIDE.multiply(weight, pool_no)
        yes = _WIDE.multiply(_WIDE.subtract(Decimal(1), weight), pool_yes)
        return _WIDE.divide(no, _WIDE.add(yes, no))
    except DecimalException as error:
        raise Poison("pool", "a pool is out of any range") from error


def answer_probability(pool_yes: Decimal, pool_no: Decimal) -> Decimal:
    """Return the price of an answer's pool: NO / (YES + NO). Raises Poison("pool")."""
    return cpmm_probability(pool_yes, pool_no, Decimal("0.5"))


def average_price(outcome: str, amount: Decimal, shares: Decimal) -> Decimal:
    """Return what was paid per share, in YES terms: a NO share at q is YES at 1 - q.

    Negative amounts and shares are a sale. Raises Poison("value") where there is no such price.
    """
    if not shares:
        raise Poison("value", "a trade of no shares")
    try:
        price = _WIDE.divide(amount, shares)
    except DecimalException as error:
        raise Poison("value", "an average price is out of any range") from error
    price = rounded(_WIDE.subtract(Decimal(1), price) if outcome == "NO" else price)
    if not 0 <= price <= 1:
        raise Poison("value", "an average price is outside 0..1")
    return price


def agree(one: int, other: int) -> bool:
    """Whether two probabilities, in units, are the same to 1e-6."""
    return -TOLERANCE <= one - other <= TOLERANCE
