"""The venue's formulas, and rounding: exact, half to even, never through a float."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.manifold.pricing import (
    agree,
    answer_probability,
    average_price,
    cpmm_probability,
    rounded,
    units_of,
)
from schemas.errors import Poison

amounts = st.floats(1e-6, 1e9).map(lambda value: Decimal(repr(value)))
weights = st.floats(0.001, 0.999).map(lambda value: Decimal(repr(value)))


def exact(value: Decimal) -> Fraction:
    return Fraction(value)


@given(amounts, amounts, weights)
def test_the_pool_formula_equals_exact_arithmetic(yes: Decimal, no: Decimal, p: Decimal) -> None:
    wanted = exact(p) * exact(no) / ((1 - exact(p)) * exact(yes) + exact(p) * exact(no))
    got = cpmm_probability(yes, no, p)
    assert abs(exact(got) - wanted) < Fraction(1, 10**40)
    assert agree(units_of(got), round(wanted * 10**8))


def test_captured_pools_give_the_captured_prices() -> None:
    """PROTOCOL 4.1: rows of 2026-08 and 2024-12."""
    rows = (
        ("574.6700289866742", "17.401290298074407", "0.5000000000000006", "0.029390530720346433"),
        ("1029.532029474366", "14.841454884616837", "0.4499999999999999", "0.011657194517287568"),
        ("40.708675451009015", "169.52410530081033", "0.37000000000000016", "0.7097843844341273"),
    )
    for yes, no, p, stated in rows:
        computed = cpmm_probability(Decimal(yes), Decimal(no), Decimal(p))
        assert units_of(computed) == units_of(Decimal(stated))
    sixth = units_of(Decimal("0.16666666666666666"))
    assert units_of(answer_probability(Decimal(500), Decimal(100))) == sixth


@pytest.mark.parametrize(
    ("yes", "no", "p"), [("0", "1", "0.5"), ("1", "-1", "0.5"), ("1", "1", "0"), ("1", "1", "1")]
)
def test_what_is_no_pool_is_refused(yes: str, no: str, p: str) -> None:
    with pytest.raises(Poison, match="pool"):
        cpmm_probability(Decimal(yes), Decimal(no), Decimal(p))


@given(st.floats(0, 1))
def test_a_float_is_rounded_as_its_shortest_text(value: float) -> None:
    units = units_of(Decimal(repr(value)))
    assert 0 <= units <= 10**8
    assert abs(Fraction(units, 10**8) - Fraction(repr(value))) <= Fraction(1, 2 * 10**8)


@pytest.mark.parametrize(
    ("text", "units"),
    [("0.123456785", 12345678), ("0.123456775", 12345678), ("0.1234567850001", 12345679)],
)
def test_halves_go_to_even(text: str, units: int) -> None:
    assert units_of(Decimal(text)) == units


@pytest.mark.parametrize("text", ["-0.0001", "1.0000001", "NaN", "Infinity", "1E+400"])
def test_what_is_no_probability_is_refused(text: str) -> None:
    with pytest.raises(Poison, match="probability"):
        units_of(Decimal(text))


@given(amounts, st.floats(0.001, 0.999))
def test_yes_and_no_at_complementary_prices_are_one_price(shares: Decimal, price: float) -> None:
    paid = Decimal(repr(price))
    assert average_price("YES", shares * paid, shares) == rounded(paid)
    assert average_price("NO", shares * paid, shares) == rounded(1 - paid)
    assert average_price("YES", -shares * paid, -shares) == rounded(paid)


@pytest.mark.parametrize(
    ("amount", "shares"), [("1", "0"), ("3", "2"), ("-3", "2"), ("1", "1E-400"), ("1E+300", "1")]
)
def test_what_has_no_price_is_refused(amount: str, shares: str) -> None:
    with pytest.raises(Poison):
        average_price("YES", Decimal(amount), Decimal(shares))
