"""What taking costs: each venue's taker fee per contract, as its PROTOCOL page gives the formula.

The formulas change; what is dated here is checked against the venues' pages at that date:

kalshi, September 2026: M x 0.07 x P x (1 - P) for every quadratic fee type, M being the market's
    multiplier; only the makers' shares differ. The fee of a fill is rounded up to $0.000001. How
    the balance is rounded after that (to $0.0001 or $0.01, paid back over an order) depends on the
    member, and is not counted.
polymarket, September 2026: rate x (P x (1 - P))^1, the rate being the market's. The fee of a fill
    is rounded to 5 decimals. Every schedule seen in 2026 has the exponent 1, which market records
    don't carry.
manifold, August 2026: none.

A fee that isn't known is None, never zero. All arithmetic is exact but for two roundings: a fill's
as the venue does it, and the fee per contract, upwards to 8 places.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_HALF_UP, Context, Decimal
from typing import Protocol

KALSHI_RATE = Decimal("0.07")
KALSHI_TYPES = frozenset(
    {"quadratic", "quadratic_with_maker_fees", "quadratic_with_combo_maker_fees"}
)
KALSHI_STEP = Decimal("0.000001")
POLYMARKET_STEP = Decimal("0.00001")
ONE = Decimal(1)
PLACES = Decimal("0.00000001")

EXACT = Context(prec=120)
"""Wide enough for every product of values of decimal(18, 8) that is made here."""
_UP = Context(prec=120, rounding=ROUND_CEILING)
_NEAREST = Context(prec=120, rounding=ROUND_HALF_UP)


class FeeTerms(Protocol):
    """What a venue says of a market's fee: as in Market."""

    @property
    def fee_type(self) -> str | None: ...
    @property
    def fee_rate(self) -> Decimal | None: ...


def taker_fee(
    platform: str, terms: FeeTerms, price: Decimal, size: Decimal | None
) -> Decimal | None:
    """Return the taker's fee per contract, in the market's unit; None if it isn't known.

    ``price`` is the outcome's, 0..1, bought or sold: the formulas are the same for a price and
    one less it. ``size`` is contracts of the fill, for the venue's rounding; None leaves that out.
    """
    if not 0 <= price <= 1:
        return None
    rate = terms.fee_rate
    variance = EXACT.multiply(price, EXACT.subtract(ONE, price))
    if platform == "kalshi":
        if terms.fee_type not in KALSHI_TYPES or rate is None or rate < 0:
            return None
        exact = EXACT.multiply(EXACT.multiply(rate, KALSHI_RATE), variance)
        return _per_contract(exact, size, KALSHI_STEP, _UP)
    if platform == "polymarket":
        if rate is None or rate < 0:
            return None
        return _per_contract(EXACT.multiply(rate, variance), size, POLYMARKET_STEP, _NEAREST)
    if platform == "manifold":
        return Decimal(0) if terms.fee_type is None and not rate else None
    return None


def _per_contract(
    exact: Decimal, size: Decimal | None, step: Decimal, rounding: Context
) -> Decimal:
    """Return a fill's fee, rounded to steps, over its size, and that up to 8 places."""
    if size is None or size <= 0:
        return exact.quantize(PLACES, context=_UP)
    fill = EXACT.multiply(exact, size).quantize(step, context=rounding)
    return divided_up(fill, size)


def divided_up(amount: Decimal, by: Decimal) -> Decimal:
    """Return ``amount`` / ``by`` (positive), rounded up to 8 places, exactly."""
    quotient, rest = EXACT.divmod(EXACT.divide(amount, PLACES), by)
    whole = quotient + 1 if rest > 0 else quotient
    return EXACT.multiply(whole, PLACES)
