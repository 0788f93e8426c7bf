"""Transforms: what they give, their bounds, and how polarity mirrors them."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.transforms import MOST, LegPrice, Quote, price_leg
from schemas.pair import Leg, PairOutcome, Transform
from tests.agents.pairing import NOW, number, outcome

D = Decimal
prices = st.integers(0, 10**8).map(lambda units: D(units).scaleb(-8))
sizes = st.none() | st.integers(1, 10**17).map(lambda units: D(units).scaleb(-8))


@st.composite
def quotes(draw: st.DrawFn) -> Quote:
    bid, ask = sorted((draw(prices), draw(prices)))
    return Quote(
        draw(st.sampled_from([bid, bid, bid, None])),
        draw(sizes),
        draw(st.sampled_from([ask, ask, ask, None])),
        draw(sizes),
        NOW,
    )


@st.composite
def legs(draw: st.DrawFn) -> tuple[Leg, dict[PairOutcome, Quote]]:
    kind: Transform = draw(
        st.sampled_from(
            ["identity", "inverse", "sum", "sum_above", "sum_below", "weighted_average"]
        )
    )
    count = 1 if kind in ("identity", "inverse") else draw(st.integers(1, 5))
    summed = kind in ("sum_above", "sum_below")
    weights = st.decimals(min_value=D("0.0001"), max_value=10**4, places=8)
    listed = tuple(
        PairOutcome(
            f"m{at}",
            "yes",
            draw(weights) if kind == "weighted_average" else None,
            D(at) if summed else None,
        )
        for at in range(count)
    )
    threshold = None
    if summed:
        threshold = D(draw(st.integers(0, count - 1))) + (0 if kind == "sum_above" else 1)
    leg = Leg("kalshi", listed, kind, "same", threshold)
    return leg, {each: draw(quotes()) for each in listed}


def opposite(leg: Leg) -> Leg:
    return Leg(leg.platform, leg.outcomes, leg.transform, "opposite", leg.threshold)


def quote(bid: str | None, ask: str | None, size: str = "10") -> Quote:
    return Quote(number(bid), number(size), number(ask), number(size), NOW)


def shown(price: LegPrice) -> str:
    """Return mid, bid and ask."""
    values = [price.mid, price.bid and price.bid.price, price.ask and price.ask.price]
    return " ".join("-" if value is None else f"{value.normalize():f}" for value in values)


STRIKES = [("low", "2.0"), ("middle", "2.5"), ("high", "3.0")]
RANGES = tuple(outcome(name, strike=D(strike)) for name, strike in STRIKES)
AB = (outcome("a"), outcome("b"))
WEIGHTED = (outcome("a", weight=D(1)), outcome("b", weight=D(2)))
CASES: list[tuple[Leg, str, str]] = [
    (Leg("kalshi", AB[:1]), "0.40/0.44", "0.42 0.4 0.44"),
    (Leg("kalshi", AB[:1], "inverse"), "0.40/0.44", "0.58 0.56 0.6"),
    (Leg("kalshi", AB[:1], "inverse", "opposite"), "0.40/0.44", "0.42 0.4 0.44"),
    (Leg("kalshi", AB, "sum"), "0.34/0.36 0.19/0.21", "0.55 0.53 0.57"),
    (Leg("kalshi", AB, "sum"), "0.34/0.36 0.19/-", "- 0.53 -"),
    # The strikes are compared, not the prices: 2.5 and 3.0 are at least 2.5.
    (
        Leg("kalshi", RANGES, "sum_above", "same", D("2.5")),
        "0.1/0.1 0.2/0.2 0.3/0.3",
        "0.5 0.5 0.5",
    ),
    (
        Leg("kalshi", RANGES, "sum_below", "same", D("2.5")),
        "0.1/0.1 0.2/0.2 0.3/0.3",
        "0.1 0.1 0.1",
    ),
    (
        Leg("kalshi", WEIGHTED, "weighted_average"),
        "0.5/0.5 0.4/0.45",
        "0.45 0.43333333 0.46666667",
    ),
]


@pytest.mark.parametrize(("leg", "tops", "expected"), CASES)
def test_what_a_transform_gives(leg: Leg, tops: str, expected: str) -> None:
    known = {}
    for each, top in zip(leg.outcomes, tops.split(), strict=True):
        bid, ask = (None if side == "-" else side for side in top.split("/"))
        known[each] = quote(bid, ask)
    assert shown(price_leg(leg, known)) == expected


def test_the_old_systems_sum_of_what_was_seen_so_far() -> None:
    """Section 13, item 14: 0.35 of one ticker is no sum of two; a missing one is an error here,
    and leg_state says no_quote."""
    leg = Leg("kalshi", AB, "sum")
    with pytest.raises(KeyError):
        price_leg(leg, {AB[0]: quote("0.34", "0.36")})


def test_the_size_is_that_of_the_scarcest_outcome() -> None:
    leg = Leg("kalshi", AB, "sum", "opposite")
    found = price_leg(leg, {AB[0]: quote("0.3", "0.4", "7"), AB[1]: quote("0.2", "0.3", "5")})
    assert found.bid is not None
    assert (found.bid.price, found.bid.size) == (D("0.3"), D(5))
    weighted = (outcome("a", weight=D(1)), outcome("b", weight=D(3)))
    found = price_leg(
        Leg("kalshi", weighted, "weighted_average"),
        {weighted[0]: quote("0.3", "0.4", "7"), weighted[1]: quote("0.3", "0.4", "6")},
    )
    assert found.bid is not None
    assert found.bid.size == D(8)  # 8 of the pair are 2 of a and 6 of b


@given(legs())
def test_polarity_mirrors_a_leg(drawn: tuple[Leg, dict[PairOutcome, Quote]]) -> None:
    leg, known = drawn
    one, other = price_leg(leg, known), price_leg(opposite(leg), known)
    assert (one.mid is None) == (other.mid is None)
    if one.mid is not None and other.mid is not None:
        assert one.mid + other.mid == 1
    for side, mirrored in ((one.bid, other.ask), (one.ask, other.bid)):
        assert (side is None) == (mirrored is None)
        if side is not None and mirrored is not None:
            assert side.price + mirrored.price == 1
            assert side.size == mirrored.size


@given(legs())
def test_bounds(drawn: tuple[Leg, dict[PairOutcome, Quote]]) -> None:
    leg, known = drawn
    found = price_leg(leg, known)
    chosen = leg.chosen()
    complete = all(known[each].bid is not None and known[each].ask is not None for each in chosen)
    assert (found.mid is not None) == complete
    if found.mid is not None and found.bid and found.ask:
        assert found.bid.price <= found.mid <= found.ask.price
        if len(chosen) == 1 or leg.transform == "weighted_average":
            assert 0 <= found.bid.price <= found.ask.price <= 1
    for side in (found.bid, found.ask):
        if side is not None and side.size is not None:
            assert 0 <= side.size <= MOST


@given(legs())
def test_nothing_is_shown_better_than_it_is(drawn: tuple[Leg, dict[PairOutcome, Quote]]) -> None:
    leg, known = drawn
    if leg.transform == "inverse":
        return
    found = price_leg(leg, known)
    chosen = leg.chosen()
    weights = [Fraction(each.weight or 1) for each in chosen]
    whole = sum(weights) if leg.transform == "weighted_average" else 1
    for side, name in ((found.bid, "bid"), (found.ask, "ask")):
        if side is None:
            continue
        exact = sum(
            Fraction(getattr(known[each], name)) * weight
            for each, weight in zip(chosen, weights, strict=True)
        ) / Fraction(whole)
        off = Fraction(side.price) - exact if name == "ask" else exact - Fraction(side.price)
        assert 0 <= off < Fraction(1, 10**8)


@given(st.integers(1, 6), st.data())
def test_above_and_below_make_the_whole_sum(count: int, data: st.DataObject) -> None:
    listed = tuple(outcome(f"m{at}", strike=D(at)) for at in range(count + 1))
    plain = tuple(outcome(f"m{at}") for at in range(count + 1))
    price = {each.market_id: data.draw(prices) for each in listed}
    known = {
        each: Quote(price[each.market_id], None, price[each.market_id], None, NOW)
        for each in (*listed, *plain)
    }
    at = D(data.draw(st.integers(1, count)))
    above = price_leg(Leg("kalshi", listed, "sum_above", "same", at), known).mid
    below = price_leg(Leg("kalshi", listed, "sum_below", "same", at), known).mid
    whole = price_leg(Leg("kalshi", plain, "sum"), known).mid
    assert above is not None
    assert below is not None
    assert above + below == whole
