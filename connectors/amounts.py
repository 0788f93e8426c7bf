"""Prices and sizes as integers of 10^-8, the scale of the Avro decimals. Exact both ways."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from functools import lru_cache

from schemas.codec import SCALE, scaled
from schemas.errors import Poison

ONE: int = 10**SCALE
"""A payout of 1, in units."""

_LONGEST = 40  # characters: a venue's number is far shorter, an attack is not


@lru_cache(maxsize=65_536)
def units(text: str) -> int:
    """Return a decimal text such as ``"0.0810"`` in units of 10^-8.

    Raises Poison("value") if it is no plain finite number or does not fit decimal(18, 8).
    """
    if len(text) > _LONGEST:
        raise Poison("value", f"a number of {len(text)} characters")
    try:
        return scaled(Decimal(text))
    except InvalidOperation as error:
        raise Poison("value", "not a number") from error


@lru_cache(maxsize=65_536)
def decimal(amount: int) -> Decimal:
    """Return units of 10^-8 as an exact Decimal, without trailing zeros beyond the point."""
    value = Decimal(amount).scaleb(-SCALE).normalize()
    exponent = value.as_tuple().exponent
    return value.quantize(Decimal(1)) if isinstance(exponent, int) and exponent > 0 else value
