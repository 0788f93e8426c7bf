"""Taker fees against the examples of the venues' pages, and what isn't known."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.fees import taker_fee
from agents.leg_state import Terms

prices = st.decimals(min_value=0, max_value=1, places=8)
sizes = st.none() | st.decimals(min_value=Decimal("0.01"), max_value=10**6, places=2)
rates = st.decimals(min_value=0, max_value=2, places=4)
VENUES = [("kalshi", "quadratic"), ("polymarket", "sports_fees_v2")]


def fee(platform: str, kind: str | None, rate: str | None, price: str, size: str | None) -> str:
    terms = Terms(kind, None if rate is None else Decimal(rate))
    found = taker_fee(platform, terms, Decimal(price), None if size is None else Decimal(size))
    return "unknown" if found is None else f"{found.normalize():f}"


EXAMPLES = [
    # Kalshi's documentation: 1 contract at 0.055, model fee 0.00363825, trade fee 0.003639.
    ("kalshi", "quadratic", "1", "0.055", "1", "0.003639"),
    ("kalshi", "quadratic", "1", "0.055", None, "0.00363825"),
    # Its peak: 1.75 cents a contract at 0.50.
    ("kalshi", "quadratic", "1", "0.5", "100", "0.0175"),
    # Baseball before the first pitch: half; a series without fees: none, which is known.
    ("kalshi", "quadratic", "0.5", "0.5", "10", "0.00875"),
    ("kalshi", "quadratic", "0", "0.5", "10", "0"),
    # Takers pay the same where makers pay too.
    ("kalshi", "quadratic_with_maker_fees", "1", "0.3", "1", "0.0147"),
    ("kalshi", "quadratic_with_combo_maker_fees", "1", "0.3", "1", "0.0147"),
    # Polymarket: rate 0.05 peaks at 1.25 cents; 0.04 is that of politics.
    ("polymarket", "sports_fees_v2", "0.05", "0.5", "20", "0.0125"),
    ("polymarket", "politics_fees", "0.04", "0.2", "1", "0.0064"),
    # 3 x 0.05 x 0.1 x 0.9 = 0.0135; 1 x 0.04 x 0.011 x 0.989 = 0.000435... to 5 decimals.
    ("polymarket", "x", "0.05", "0.1", "3", "0.0045"),
    ("polymarket", "x", "0.04", "0.011", "1", "0.00044"),
    # Below 0.00001 there is no fee.
    ("polymarket", "x", "0.04", "0.0001", "1", "0"),
    # feesEnabled false is recorded as rate 0.
    ("polymarket", None, "0", "0.5", "1", "0"),
    ("manifold", None, None, "0.5", None, "0"),
]


@pytest.mark.parametrize(("platform", "kind", "rate", "price", "size", "expected"), EXAMPLES)
def test_the_venues_own_examples(
    platform: str, kind: str | None, rate: str | None, price: str, size: str | None, expected: str
) -> None:
    assert fee(platform, kind, rate, price, size) == expected


UNKNOWN = [
    ("kalshi", None, "1"),
    ("kalshi", "quadratic", None),
    ("kalshi", "flat", "1"),
    ("kalshi", "something_new", "1"),
    ("kalshi", "quadratic", "-1"),
    ("polymarket", "crypto_fees", None),
    ("manifold", "a_fee_after_all", None),
    ("manifold", None, "0.01"),
    ("elsewhere", "quadratic", "1"),
]


@pytest.mark.parametrize(("platform", "kind", "rate"), UNKNOWN)
def test_a_fee_that_is_not_known_is_not_zero(
    platform: str, kind: str | None, rate: str | None
) -> None:
    assert fee(platform, kind, rate, "0.5", "1") == "unknown"


@given(st.sampled_from(VENUES), prices, sizes, rates, rates)
def test_a_higher_rate_never_costs_less(
    venue: tuple[str, str], price: Decimal, size: Decimal | None, one: Decimal, other: Decimal
) -> None:
    platform, kind = venue
    low, high = (
        taker_fee(platform, Terms(kind, rate), price, size) for rate in sorted((one, other))
    )
    assert low is not None
    assert high is not None
    assert 0 <= low <= high


@given(st.sampled_from(VENUES), prices, sizes, rates)
def test_buying_no_costs_what_buying_yes_costs(
    venue: tuple[str, str], price: Decimal, size: Decimal | None, rate: Decimal
) -> None:
    terms = Terms(venue[1], rate)
    assert taker_fee(venue[0], terms, price, size) == taker_fee(venue[0], terms, 1 - price, size)


@given(prices, st.decimals(min_value=Decimal("0.01"), max_value=10**6, places=2), rates)
def test_a_fill_never_costs_less_than_the_formula(
    price: Decimal, size: Decimal, rate: Decimal
) -> None:
    found = taker_fee("kalshi", Terms("quadratic", rate), price, size)
    assert found is not None
    exact = Decimal("0.07") * rate * price * (1 - price)
    assert exact <= found < exact + Decimal("0.000001") / size + Decimal("0.00000001")
