"""Rows of bets as the simulated Manifold broadcasts them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

Outcome = Literal["YES", "NO"]
Row = dict[str, Any]

NO_FEES = {"creatorFee": 0, "platformFee": 0, "liquidityFee": 0}
_NOT_IN_REDEMPTIONS = ("fills", "isFilled", "isCancelled", "isApi", "orderAmount")


def bet_row(
    bet_id: str,
    contract_id: str,
    outcome: Outcome,
    amount: float,
    shares: float,
    before: float,
    after: float,
    at_ms: int,
    **more: Any,
) -> Row:
    """Return a bet as a broadcast carries it: keys without a value are left out."""
    row: Row = {
        "id": bet_id,
        "userId": "simulatedTaker000000000000",
        "isApi": True,
        "contractId": contract_id,
        "outcome": outcome,
        "orderAmount": amount,
        "amount": amount,
        "shares": shares,
        "isFilled": True,
        "isCancelled": False,
        "fills": [],
        "probBefore": before,
        "probAfter": after,
        "createdTime": at_ms,
        "loanAmount": 0,
        "fees": NO_FEES,
        "isRedemption": False,
        "visibility": "public",
    }
    return row | more


def fill(
    amount: float, shares: float, at_ms: int, matched: str | None = None, *, sale: bool = False
) -> Row:
    """Return one fill of a bet: by the pool, or by the resting order ``matched``."""
    row: Row = {"matchedBetId": matched, "amount": amount, "shares": shares, "timestamp": at_ms}
    return row | ({"isSale": True} if sale else {}) | {"fees": NO_FEES}


def as_sale(row: Row, now_ms: int) -> Row:
    """Return the same move of the pool as a sale of the other side's shares."""
    got = row["amount"] - row["shares"]
    return row | {
        "outcome": "NO" if row["outcome"] == "YES" else "YES",
        "amount": got,
        "orderAmount": got,
        "shares": -row["shares"],
        "fills": [fill(got, -row["shares"], now_ms, sale=True)],
    }


def redemption_pair(
    new_id: Callable[[], str], contract_id: str, shares: float, price: float, now_ms: int
) -> list[Row]:
    """Return the two rows that turn equal YES and NO shares back into mana."""
    sides: tuple[tuple[Outcome, float], ...] = (("YES", price), ("NO", 1 - price))
    rows = [
        bet_row(
            new_id(), contract_id, side, -shares * worth, -shares, price, price, now_ms,
            isRedemption=True,
        )
        for side, worth in sides
    ]  # fmt: skip
    return [
        {key: value for key, value in row.items() if key not in _NOT_IN_REDEMPTIONS} for row in rows
    ]


def order_in_the_way(orders: Iterable[Row], outcome: Outcome, reached: float) -> Row | None:
    """Return the resting order that a purchase meets first on its way to a price."""
    against = [order for order in orders if order["outcome"] != outcome]
    if outcome == "YES":
        met = [order for order in against if order["limitProb"] <= reached]
        return min(met, key=lambda order: float(order["limitProb"]), default=None)
    met = [order for order in against if order["limitProb"] >= reached]
    return max(met, key=lambda order: float(order["limitProb"]), default=None)
