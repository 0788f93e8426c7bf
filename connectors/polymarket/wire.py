"""Polymarket's JSON: read field by field with bounds."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from connectors.amounts import ONE, decimal, units
from connectors.book import Level
from connectors.json import rows
from schemas.errors import Poison

LONGEST_ID = 100
"""Characters. Token ids have 75 to 78, condition ids 64 or 66."""
LONGEST_TEXT = 1000
"""Characters kept of a question or a label."""
MOST_LEVELS = 20_000
"""Levels of one side. The finest grid, 0.0001, has 9,999 prices."""
_LAST_MILLISECOND = 10_413_792_000_000  # the year 2300, where DateTime64 ends


def identifier(value: object, what: str) -> str:
    """Return ``value`` if it is an id: 1 to 100 ASCII letters and digits. Raises Poison("id")."""
    if isinstance(value, str) and 0 < len(value) <= LONGEST_ID:
        if value.isalnum() and value.isascii():
            return value
    raise Poison("id", f"{what} is no id")


def text(value: object) -> str | None:
    """Return ``value`` if it is a text that says something, cut to 1000 characters."""
    return value[:LONGEST_TEXT] if isinstance(value, str) and value else None


def digest_text(value: object) -> str | None:
    """Return a hash as sent, None if there is none. Raises Poison("id")."""
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > LONGEST_ID:
        raise Poison("id", "a hash is no text")
    return value


def price(value: object, what: str) -> int:
    """Return a price, 0 to 1, in units. Raises Poison("value")."""
    amount = _units(value, what)
    if not 0 <= amount <= ONE:
        raise Poison("value", f"{what} is not between 0 and 1")
    return amount


def size(value: object, what: str) -> int:
    """Return a size, 0 or more, in units. Raises Poison("value")."""
    amount = _units(value, what)
    if amount < 0:
        raise Poison("value", f"{what} is negative")
    return amount


def _units(value: object, what: str) -> int:
    if isinstance(value, str):
        return units(value)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return units(str(value))
    raise Poison("value", f"{what} is no number")


def units_or_none(value: object) -> int | None:
    """Return a number, 0 or more, in units; None if it is absent or not usable."""
    try:
        amount = _units(value, "number")
    except Poison:
        return None
    return amount if amount >= 0 else None


def milliseconds(value: object, what: str) -> int:
    """Return epoch milliseconds, which the venue sends as text. Raises Poison("value")."""
    if isinstance(value, str) and len(value) <= 16 and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LAST_MILLISECOND:
        return value
    raise Poison("value", f"{what} is no time in milliseconds")


def levels(value: object, what: str) -> list[Level]:
    """Return one side of a book, in whatever order it came. Raises Poison."""
    found = []
    for item in rows(value, what, MOST_LEVELS):
        if type(item) is not dict:
            raise Poison("shape", "a level is no object")
        amount, quantity = item.get("price"), item.get("size")
        if type(amount) is not str or type(quantity) is not str:
            raise Poison("value", "a level's price or size is no text")
        found.append(_level(amount, quantity))
    return found


@lru_cache(maxsize=262_144)
def _level(amount: str, quantity: str) -> Level:
    # Of a book's hundred levels all but a few were in the book before.
    return price(amount, "price"), size(quantity, "size")


def plain(amount: int) -> str:
    """Return units as the venue writes numbers: no exponent, no zeros at the end."""
    return format(decimal(amount), "f")
