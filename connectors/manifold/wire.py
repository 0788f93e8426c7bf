"""Manifold's JSON: read field by field with bounds."""

from __future__ import annotations

from decimal import Decimal

from schemas.errors import Poison

LONGEST_ID = 64
"""Characters. Contract and answer ids have 10 to 20."""
LONGEST_TEXT = 1000
"""Characters kept of a question or an answer; the venue allows 120 for a question."""
_MOST_PLACES = 400
"""The venue's numbers are doubles, 5e-324 to 1.8e308. Sums of anything wider can overflow."""
_LAST_MILLISECOND = 10_413_792_000_000  # the year 2300, where DateTime64 ends

_CLOCKS_DIFFER_US = 86_400_000_000
"""A day. Who dates something later than that after we received it does not tell the time."""


def identifier(value: object, what: str) -> str:
    """Return ``value`` if it is an id: 1 to 64 printable characters. Raises Poison("id")."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_ID or not value.isprintable():
        raise Poison("id", f"{what} is no id")
    return value


def text(value: object) -> str | None:
    """Return ``value`` if it is a text, cut to 1000 characters, else None."""
    return value[:LONGEST_TEXT] if isinstance(value, str) else None


def number(value: object, what: str) -> Decimal:
    """Return a JSON number exactly. Raises Poison("value") if it is none, not finite, or beyond
    what a double can be."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = Decimal(value)
    if not isinstance(value, Decimal) or not value.is_finite():
        raise Poison("value", f"{what} is no number")
    if not value:
        return Decimal(0)  # whatever its exponent
    if abs(value.adjusted()) > _MOST_PLACES:
        raise Poison("value", f"{what} is out of any range")
    return value


def micros(value: object) -> int | None:
    """Return milliseconds since 1970, as the venue sends them, as microseconds; else None."""
    if isinstance(value, Decimal) and value == value.to_integral_value():
        value = int(value) if 0 < value < _LAST_MILLISECOND else 0
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < _LAST_MILLISECOND:
        return value * 1000
    return None


def past(told_us: int | None, at_us: int) -> int | None:
    """Return the venue's time of what we heard at ``at_us``, None if that is in the future: what
    is told later would be taken for older, and missed bets be looked for where none are."""
    return None if told_us is None or told_us > at_us + _CLOCKS_DIFFER_US else told_us
