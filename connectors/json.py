"""JSON from outside: decoded without floats, its shapes checked before they are trusted."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from schemas.errors import Poison

Row = Mapping[str, Any]
"""A JSON object."""

_LONGEST_NUMBER = 64


def _number(text: str) -> Decimal:
    # A venue's float has at most 24 characters, and an exponent that a Decimal can have. NaN is
    # refused wherever a number is read.
    if len(text) > _LONGEST_NUMBER:
        return Decimal("NaN")
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("NaN")


_decode = msgspec.json.Decoder(float_hook=_number).decode


def decode(text: str) -> Any:
    """Return the JSON value in ``text``; its floats are Decimals of the digits as sent.

    Raises Poison("not_json").
    """
    try:
        return _decode(text)
    except (ValueError, RecursionError) as error:
        raise Poison("not_json", f"{type(error).__name__} in {len(text)} characters") from error


def row(value: object, what: str) -> Row:
    """Return ``value`` if it is an object. Raises Poison("shape")."""
    if not isinstance(value, dict):
        raise Poison("shape", f"{what} is no object")
    return value


def rows(value: object, what: str, limit: int) -> list[Any]:
    """Return ``value`` if it is a list of at most ``limit``. Raises Poison("shape")."""
    if not isinstance(value, list):
        raise Poison("shape", f"{what} is no list")
    if len(value) > limit:
        raise Poison("shape", f"{what} has {len(value)} entries, more than {limit}")
    return value
