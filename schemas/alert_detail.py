"""``detail`` of an alert about a spread: the whole spread that it was told for, as JSON."""

from __future__ import annotations

import msgspec

from schemas.spread import Spread


class SpreadDetail(msgspec.Struct, frozen=True):
    """``executable``: something is left after fees between venues that pay real money."""

    executable: bool
    spread: Spread


def spread_detail(spread: Spread) -> str:
    """Return the detail of an alert about this spread. Decimals are strings: exact."""
    executable = spread.best_edge is not None and spread.best_edge > 0
    return msgspec.json.encode(SpreadDetail(executable, spread)).decode()


def read_spread_detail(text: str | None) -> SpreadDetail | None:
    """Return what a detail says; None if it is of another kind."""
    try:
        return msgspec.json.decode(text or "", type=SpreadDetail)
    except (msgspec.DecodeError, UnicodeError):
        return None
