"""The kinds of rows of PROTOCOL section 5 are told apart."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connectors.manifold.bets import order_kind, read_bet
from schemas.errors import Poison
from tests.venues.manifold.recorded import START_US
from tests.venues.manifold.recorded import bet as plain_bet


def exact(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row as it is decoded: no floats."""
    return {
        key: Decimal(repr(value)) if isinstance(value, float) else value
        for key, value in row.items()
    }


def bet(*values: Any, **more: Any) -> dict[str, Any]:
    return exact(plain_bet(*values, **more))


AT_MS = START_US // 1000 + 1000
REDEEMED = {"isRedemption": True, "amount": -2, "shares": -4}
LEG = {"isRedemption": True, "amount": 0, "shares": 0, "answerId": "a1"}
RESTING = {"limitProb": 0.4, "amount": 0, "shares": 0, "fills": [], "isFilled": False}


def filled(at_ms: int, amount: float = 1, shares: float = 2) -> dict[str, Any]:
    return {"matchedBetId": None, "amount": amount, "shares": shares, "timestamp": at_ms}


@pytest.mark.parametrize(
    ("row", "kind", "moves"),
    [
        (bet("b", 0.5, 0.6), "trade", True),
        (bet("b", 0.5, 0.4, amount=-5, shares=-10), "trade", True),
        (bet("b", 0.5, 0.5), "trade", True),
        (bet("b", 0.5, 0.5, **RESTING), "resting_order", False),
        (bet("b", 0.5, 0.5, **REDEEMED), "redemption", False),
        (bet("b", 0.5, 0.5, **REDEEMED | {"amount": 0, "shares": 7}), "redemption", False),
        (bet("b", 0.5, 0.4, **LEG), "sibling_leg", True),
        (bet("b", 0.5, 0.5, **LEG), "redemption", False),
        (bet("b", 0.5, 0.5, **REDEEMED, isRebalance=True), "rebalance", False),
        (bet("b", 0.5, 0.5, isRedemption=True, isRebalance=True), "rebalance", False),
        (bet("b", 0.01, 0.01, amount=0, shares=0, fills=[]), "empty", False),
    ],
)
def test_each_kind_is_recognised(row: dict[str, Any], kind: str, moves: bool) -> None:
    read = read_bet(row)
    assert (read.kind, read.moves_price) == (kind, moves)


def test_a_limit_order_counts_what_it_took_when_placed() -> None:
    """Fills after the order rested are in the rows of those who took it."""
    row = bet("b", 0.5, 0.45, limitProb=0.45, amount=3, shares=6)
    row["fills"] = [filled(AT_MS - 3), filled(AT_MS), filled(AT_MS + 1, 1, 2)]
    read = read_bet(row)
    assert (read.kind, read.amount, read.shares) == ("trade", Decimal(2), Decimal(4))
    row["fills"] = [filled(AT_MS + 1, 3, 6)]
    assert read_bet(row).kind == "resting_order"


def test_whole_seconds_of_old_rows_are_taken_as_cut() -> None:
    """PROTOCOL 4.4: until 2026-05-06 REST cut createdTime, but not the fills' times."""
    row = bet("b", 0.5, 0.45, limitProb=0.45) | {"createdTime": 1_734_931_183_000}
    row["fills"] = [filled(1_734_931_183_419)]
    assert read_bet(row).kind == "trade"
    recent = 1_780_000_000_000
    row |= {"createdTime": recent, "fills": [filled(recent + 419)]}
    assert read_bet(row).kind == "resting_order"


def test_old_rows_without_later_keys_are_read() -> None:
    row = bet("b", 0.5, 0.6)
    del row["isRedemption"]
    assert read_bet(row).kind == "trade"
    dpm = read_bet(row | {"outcome": "5"})
    assert (dpm.outcome_id, dpm.legacy, dpm.kind) == ("5", True, "trade")
    sale = read_bet(row | {"outcome": "5", "sale": {"amount": 1, "betId": "b"}})
    assert sale.id != dpm.id


def test_the_answer_is_the_outcome_where_there_are_several() -> None:
    assert read_bet(bet("b", 0.5, 0.6)).outcome_id == "m"
    assert read_bet(bet("b", 0.5, 0.6, answerId="a1")).outcome_id == "a1"


@pytest.mark.parametrize(
    "broken",
    [
        {"id": None},
        {"id": "x" * 65},
        {"contractId": 5},
        {"contractId": ""},
        {"answerId": "\x00"},
        {"amount": "5"},
        {"shares": None},
        {"shares": True},
        {"probAfter": 1.1},
        {"probBefore": -0.1},
        {"createdTime": 0},
        {"createdTime": "2026"},
        {"createdTime": 10**17},
        {"outcome": None},
        {"limitProb": 0.5, "fills": {}},
        {"limitProb": 0.5, "fills": [{"timestamp": AT_MS, "amount": "1"}]},
    ],
)
def test_what_can_not_be_read_is_poison(broken: dict[str, Any]) -> None:
    row = bet("b", 0.5, 0.6) | exact(broken)
    with pytest.raises(Poison):
        read_bet(row)


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"amount": 0}, "order_placed"),
        ({"amount": Decimal("1.5"), "isFilled": False}, "order_filled"),
        ({"amount": 1, "isCancelled": True}, "order_cancelled"),
    ],
)
def test_orders_are_counted_by_what_happened(row: dict[str, Any], kind: str) -> None:
    assert order_kind(row) == kind
