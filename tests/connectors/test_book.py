"""A book against a naive model, and amounts."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.amounts import ONE, decimal, units
from connectors.book import EMPTY_TOP, Book, NegativeLevel, Top
from schemas.errors import Poison

sides = st.sampled_from(["bid", "ask"])
prices = st.integers(1, 20)
operations = st.lists(
    st.tuples(st.sampled_from(["set", "add"]), sides, prices, st.integers(-5, 5)), max_size=60
)


@given(operations)
def test_a_book_equals_its_model_after_any_operations(
    steps: list[tuple[str, str, int, int]],
) -> None:
    book = Book("m", "o")
    model: dict[str, dict[int, int]] = {"bid": {}, "ask": {}}
    for what, side, price, amount in steps:
        total = amount if what == "set" else model[side].get(price, 0) + amount
        change = book.set if what == "set" else book.add
        if total < 0:
            with pytest.raises(NegativeLevel):
                change(side, price, amount)  # type: ignore[arg-type]
            continue
        change(side, price, amount)  # type: ignore[arg-type]
        model[side][price] = total
        if not total:
            del model[side][price]
        bid, ask = max(model["bid"], default=None), min(model["ask"], default=None)
        assert book.top() == Top(
            bid,
            None if bid is None else model["bid"][bid],
            ask,
            None if ask is None else model["ask"][ask],
        )
        assert book.crossed == (bid is not None and ask is not None and bid > ask)
        assert all(size > 0 for size in [*book.bids.values(), *book.asks.values()])
    assert book.best_first("bid") == sorted(model["bid"].items(), reverse=True)
    assert book.best_first("ask") == sorted(model["ask"].items())


def test_a_snapshot_replaces_everything_and_restores_trust() -> None:
    book = Book("m", "o")
    assert not book.trusted
    book.set("bid", 3, 1)
    book.replace([(1, 5), (2, 0)], [(7, 1)])
    assert book.trusted
    assert book.bids == {1: 5}
    assert book.top() == Top(1, 5, 7, 1)
    book.replace([], [])
    assert book.top() == EMPTY_TOP


@given(st.decimals(min_value=-9_999_999_999, max_value=9_999_999_999, places=8))
def test_units_and_decimals_are_exact_both_ways(value: Decimal) -> None:
    amount = units(format(value, "f"))
    assert amount == int(value * 10**8)
    assert decimal(amount) == value


@given(st.text(max_size=50))
def test_any_text_is_a_number_or_poison(text: str) -> None:
    try:
        amount = units(text)
    except Poison:
        return
    assert decimal(amount) == Decimal(text)


@pytest.mark.parametrize("text", ["", "nan", "inf", "0x1", "1" * 41, "1e400", "0.123456789"])
def test_what_is_no_plain_number_is_poison(text: str) -> None:
    with pytest.raises(Poison):
        units(text)


def test_decimals_print_plainly() -> None:
    assert str(decimal(10 * ONE)) == "10"
    assert str(decimal(ONE // 4)) == "0.25"
    assert str(decimal(0)) == "0"
