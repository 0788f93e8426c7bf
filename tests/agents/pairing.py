"""Pairs and what their legs rest on, for the tests of spreads."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from schemas.legupdate import LegUpdate
from schemas.pair import Leg, Pair, PairOutcome, ReviewedFee

NOW = 1_785_000_000_000_000
QUADRATIC = ReviewedFee("quadratic", Decimal(1), "2026-09-01")


def outcome(name: str, **more: Any) -> PairOutcome:
    """Return an outcome that is its market's only one."""
    return PairOutcome(name, name, **more)


def leg(platform: str, *names: str, **more: Any) -> Leg:
    """Return a leg on the outcomes of these names, or one named after the venue."""
    return Leg(platform, tuple(outcome(name) for name in names or (f"{platform}-1",)), **more)


def pair(*legs: Leg, **more: Any) -> Pair:
    """Return a pair of these legs."""
    return Pair("p1", "Will it?", legs, **more)


def number(text: str | None) -> Decimal | None:
    """Return a decimal."""
    return None if text is None else Decimal(text)


def quote(
    platform: str,
    bid: str | None,
    ask: str | None,
    *,
    name: str | None = None,
    size: str | None = "10",
    ts: int = NOW,
    pair_id: str = "p1",
) -> LegUpdate:
    """Return a quote of the outcome of that name, or of the one named after the venue."""
    market = name or f"{platform}-1"
    return LegUpdate(
        ts, pair_id, platform, market, market, "quote",
        number(bid), number(size) if bid else None, number(ask), number(size) if ask else None,
    )  # fmt: skip


def gap(
    platform: str,
    market: str | None,
    from_ts: int | None,
    to_ts: int | None = None,
    *,
    reason: str = "disconnect",
    ts: int = NOW,
) -> LegUpdate:
    """Return a gap, open unless it has an end."""
    return LegUpdate(
        ts, "p1", platform, market, None, "gap", reason=reason, from_ts=from_ts, to_ts=to_ts
    )


def market(platform: str, status: str = "open", **more: Any) -> LegUpdate:
    """Return what a venue says of the market named after it."""
    return LegUpdate(
        NOW, "p1", platform, f"{platform}-1", None, "market", status=status,
        **{"unit": "USD", **more},
    )  # fmt: skip
