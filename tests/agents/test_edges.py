"""Spreads of a pair: differences, executable edges, fees, completeness, and what is symmetric."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.pair_state import PairState
from schemas.legupdate import LegUpdate
from schemas.pair import Leg, Pair, PairOutcome, ReviewedFee
from schemas.spread import Spread
from tests.agents.pairing import NOW, QUADRATIC, gap, leg, market, number, outcome, pair, quote

D = Decimal
KALSHI = leg("kalshi", fee=QUADRATIC)
POLY = leg("polymarket", fee=ReviewedFee("politics_fees", D("0.04"), "2026-06-01"))
MANIFOLD = leg("manifold")


def spread(of: Pair, *updates: LegUpdate, now: int = NOW) -> Spread:
    state = PairState(of)
    for update in updates:
        assert state.apply(update)
    return state.spread(now)[0]


def unusable(found: Spread) -> list[str | None]:
    return [each.unusable for each in found.legs]


def test_the_difference_of_mids_and_the_executable_edge_are_two_numbers() -> None:
    found = spread(
        pair(KALSHI, POLY),
        quote("kalshi", "0.40", "0.42", size="30"),
        quote("polymarket", "0.50", "0.54", size="20"),
        market("kalshi"),
        market("polymarket", unit="USDC"),
    )
    [edge] = found.edges
    assert (edge.buy, edge.sell) == ("kalshi", "polymarket")
    assert edge.difference == D("0.11")
    assert edge.fee_buy == D("0.017052")  # 0.07 x 0.42 x 0.58
    assert edge.fee_sell == D("0.01")  # 0.04 x 0.5 x 0.5
    assert edge.edge == D("0.50") - D("0.42") - D("0.017052") - D("0.01") == D("0.052948")
    assert edge.size == 20
    assert not edge.play_money
    assert (found.max_spread, found.max_spread_pair) == (D("0.11"), "KALSHI-POLYMARKET")
    assert (found.best_edge, found.best_edge_pair) == (D("0.052948"), "KALSHI-POLYMARKET")
    assert found.completeness == 1  # the old system: 2 of 3, for ever
    assert found.threshold == D("0.05")
    assert not found.verified


def test_a_difference_need_not_be_an_edge() -> None:
    found = spread(
        pair(KALSHI, POLY), quote("kalshi", "0.30", "0.50"), quote("polymarket", "0.45", "0.65"),
        market("kalshi"), market("polymarket", unit="USDC"),
    )  # fmt: skip
    assert found.max_spread == D("0.15")
    assert found.best_edge is not None
    assert found.best_edge < 0


def test_an_edge_with_play_money_is_marked_and_is_no_best_edge() -> None:
    found = spread(
        pair(KALSHI, POLY, MANIFOLD),
        quote("kalshi", "0.40", "0.42"),
        quote("polymarket", "0.41", "0.43"),
        quote("manifold", "0.70", "0.70", size=None),
        market("kalshi"),
        market("polymarket", unit="USDC"),
        market("manifold", unit="MANA"),
    )
    edges = {(edge.buy, edge.sell): edge for edge in found.edges}
    assert edges["kalshi", "manifold"].play_money
    assert edges["kalshi", "manifold"].size is None  # an automated market maker states none
    assert edges["kalshi", "manifold"].edge == D("0.70") - D("0.42") - D("0.017052")
    assert found.max_spread_pair == "KALSHI-MANIFOLD"
    assert found.best_edge_pair in ("KALSHI-POLYMARKET", "POLYMARKET-KALSHI")
    assert found.best_edge is not None
    assert found.best_edge < 0


def test_an_unknown_fee_leaves_the_edge_unknown() -> None:
    found = spread(
        pair(leg("kalshi"), POLY), quote("kalshi", "0.40", "0.42"),
        quote("polymarket", "0.50", "0.54"), market("kalshi"),
    )  # fmt: skip
    [edge] = found.edges
    assert (edge.buy, edge.sell, edge.edge, edge.fee_buy) == ("kalshi", "polymarket", None, None)
    assert edge.fee_sell == D("0.01")
    assert edge.difference == D("0.11")
    assert found.best_edge is None


def test_the_venues_own_fee_wins_over_the_reviewers() -> None:
    said = market("kalshi", fee_type="quadratic", fee_rate=D("0.5"))
    updates = [quote("kalshi", "0.49", "0.50"), quote("polymarket", "0.60", "0.61")]
    fees = [spread(pair(KALSHI, POLY), *updates, *more).edges[0].fee_buy for more in ([], [said])]
    assert fees == [D("0.0175"), D("0.00875")]


def test_a_sum_needs_all_of_its_tickers() -> None:
    both = pair(leg("kalshi", "a", "b", transform="sum"), POLY)
    seen = [quote("kalshi", "0.34", "0.36", name="a"), quote("polymarket", "0.5", "0.5")]
    found = spread(both, *seen)
    assert unusable(found) == ["no_quote", None]
    assert (found.legs[0].probability, found.max_spread, found.completeness) == (
        None,
        None,
        D("0.5"),
    )
    found = spread(both, *seen, quote("kalshi", "0.19", "0.21", name="b"))
    assert found.legs[0].probability == D("0.55")
    assert found.max_spread == D("0.05")


def test_a_sum_over_one_is_refused_not_capped() -> None:
    found = spread(
        pair(leg("kalshi", "a", "b", transform="sum"), POLY),
        quote("kalshi", "0.60", "0.62", name="a"),
        quote("kalshi", "0.50", "0.52", name="b"),
        quote("polymarket", "0.5", "0.5"),
    )
    assert unusable(found) == ["out_of_range", None]
    assert found.legs[0].probability is None
    assert found.legs[0].bid is None
    assert found.edges[0].edge is None


def test_a_missing_side_leaves_the_other_executable() -> None:
    found = spread(
        pair(KALSHI, POLY), quote("kalshi", None, "0.42"), quote("polymarket", "0.50", "0.54")
    )
    assert unusable(found) == ["one_sided", None]
    assert found.legs[0].probability is None
    assert found.max_spread is None
    assert found.best_edge == D("0.052948")
    assert found.completeness == D("0.5")
    empty = spread(
        pair(KALSHI, POLY), quote("kalshi", None, None), quote("polymarket", "0.50", "0.54")
    )
    assert unusable(empty) == ["no_quote", None]


def test_completeness_is_over_the_legs_that_the_pair_has() -> None:
    three = pair(KALSHI, POLY, MANIFOLD)
    updates = [quote(name, "0.4", "0.5") for name in ("kalshi", "polymarket", "manifold")]
    found = [spread(three, *updates[:count]).completeness for count in (1, 2, 3)]
    assert found == [D("0.33333333"), D("0.66666667"), D(1)]


@pytest.mark.parametrize("status", ["closed", "resolved", "paused"])
def test_a_market_that_does_not_trade_has_no_price(status: str) -> None:
    found = spread(
        pair(KALSHI, POLY), quote("kalshi", "0.4", "0.5"), quote("polymarket", "0.5", "0.6"),
        market("kalshi", status),
    )  # fmt: skip
    assert unusable(found) == ["closed", None]
    assert found.legs[0].ask is None


def test_a_quote_grows_stale_by_time() -> None:
    two = pair(leg("kalshi", max_age_seconds=60), POLY)
    state = PairState(two)
    for update in (quote("kalshi", "0.4", "0.5"), quote("polymarket", "0.5", "0.6", ts=NOW + 5)):
        state.apply(update)
    found, until = state.spread(NOW + 60_000_000)
    assert unusable(found) == [None, None]
    assert until == NOW + 60_000_001
    found, until = state.spread(until)
    assert unusable(found) == ["stale", None]
    assert found.legs[0].ask is None
    assert found.legs[0].quote_ts == NOW
    assert until == NOW + 5 + 900_000_001


STARTED = gap("kalshi", None, None, NOW - 5, reason="startup")
GAPS = [
    # A gap that is open, of the market or of the whole venue.
    ([gap("kalshi", "kalshi-1", NOW + 1)], "untrusted", None),
    ([gap("kalshi", None, NOW + 1)], "untrusted", None),
    ([gap("kalshi", "kalshi-1", None)], "untrusted", None),
    # Another market's is none of this leg's; two reasons are two gaps.
    ([gap("kalshi", "kalshi-1", NOW + 1, NOW + 2), gap("kalshi", None, NOW + 1, reason="silence")],
     "untrusted", None),
    # One that is over: the quote from before counts again when a newer one must have come.
    ([gap("kalshi", None, NOW - 9, NOW + 3)], "untrusted", NOW + 2_000_003),
    ([gap("kalshi", None, NOW - 9, NOW - 3)], None, NOW + 900_000_001),
    # A connector ended and left a gap open: its successor's start ends it, and vouches for nothing.
    ([gap("kalshi", "kalshi-1", NOW - 9), STARTED], None, NOW + 900_000_001),
    ([gap("kalshi", "kalshi-1", None, ts=NOW - 9), STARTED], None, NOW + 900_000_001),
    ([gap("kalshi", None, None, NOW + 5, reason="startup")], "untrusted", None),
    # The successor's own gap is open.
    ([gap("kalshi", "kalshi-1", NOW - 4), STARTED], "untrusted", None),
]  # fmt: skip


@pytest.mark.parametrize(("gaps", "reason", "until"), GAPS)
def test_nothing_is_taken_from_a_book_that_is_not_trusted(
    gaps: list[LegUpdate], reason: str | None, until: int | None
) -> None:
    state = PairState(pair(KALSHI, leg("polymarket", max_age_seconds=86_400)))
    for update in (quote("kalshi", "0.4", "0.5"), quote("polymarket", "0.5", "0.6"), *gaps):
        assert state.apply(update)
    found, moment = state.spread(NOW + 10)
    assert unusable(found) == [reason, None]
    assert (found.legs[0].bid is None) == (reason is not None)
    assert moment == (until or NOW + 86_400_000_001)
    if reason == "untrusted" and until:
        assert unusable(state.spread(until)[0]) == [None, None]


def test_other_peoples_updates_are_left_out() -> None:
    state = PairState(pair(KALSHI, POLY))
    assert not state.apply(quote("kalshi", "0.4", "0.5", name="another"))
    assert not state.apply(quote("manifold", "0.4", "0.5"))
    assert not state.apply(gap("kalshi", "another", NOW))
    assert not state.apply(gap("manifold", None, NOW))


# Properties

cents = st.integers(1, 99).map(lambda cent: D(cent) / 100)
rates = st.decimals(min_value=0, max_value=2, places=3)


@st.composite
def tops(draw: st.DrawFn, platform: str) -> LegUpdate:
    bid, ask = sorted((draw(cents), draw(cents)))
    size = draw(st.sampled_from([None, "1", "7", "250.5"]))
    shown = [draw(st.sampled_from([str(side)] * 4 + [None])) for side in (bid, ask)]
    return quote(platform, shown[0], shown[1], size=size)


updates = st.tuples(tops("kalshi"), tops("polymarket"), tops("manifold"))


@given(updates, st.permutations(range(3)))
def test_the_order_of_the_legs_does_not_matter(
    known: tuple[LegUpdate, ...], order: list[int]
) -> None:
    legs = [KALSHI, POLY, MANIFOLD]
    one = spread(pair(*legs), *known)
    other = spread(pair(*(legs[at] for at in order)), *known)
    assert sorted(map(repr, one.edges)) == sorted(map(repr, other.edges))
    assert sorted(map(repr, one.legs)) == sorted(map(repr, other.legs))
    assert dataclasses.replace(one, legs=(), edges=()) == dataclasses.replace(
        other, legs=(), edges=()
    )


@given(updates)
def test_inverting_every_leg_mirrors_the_pair(known: tuple[LegUpdate, ...]) -> None:
    legs = [KALSHI, POLY, MANIFOLD]
    mirrored = [msgspec.structs.replace(each, polarity="opposite") for each in legs]
    one, other = spread(pair(*legs), *known), spread(pair(*mirrored), *known)
    for ours, theirs in zip(one.edges, other.edges, strict=True):
        assert (ours.difference, ours.edge) == (theirs.difference, theirs.edge)
    assert (one.max_spread, one.best_edge) == (other.max_spread, other.best_edge)
    assert unusable(one) == unusable(other)


@given(updates, rates, rates)
def test_a_higher_fee_never_raises_an_edge(
    known: tuple[LegUpdate, ...], one: Decimal, other: Decimal
) -> None:
    low, high = (
        spread(
            pair(leg("kalshi", fee=ReviewedFee("quadratic", rate, "2026-09-01")), POLY, MANIFOLD),
            *known,
        )
        for rate in sorted((one, other))
    )
    for cheap, dear in zip(low.edges, high.edges, strict=True):
        assert (cheap.edge is None) == (dear.edge is None)
        if cheap.edge is not None and dear.edge is not None:
            assert cheap.edge >= dear.edge
    assert (low.best_edge is None) == (high.best_edge is None)
    if low.best_edge is not None and high.best_edge is not None:
        assert low.best_edge >= high.best_edge
    assert low.max_spread == high.max_spread


@given(updates)
def test_an_edge_is_never_more_than_the_best_prices_give(known: tuple[LegUpdate, ...]) -> None:
    found = spread(pair(KALSHI, POLY, MANIFOLD), *known)
    legs = {each.platform: each for each in found.legs}
    for edge in found.edges:
        bid, ask = legs[edge.sell].bid, legs[edge.buy].ask
        if edge.edge is not None:
            assert bid is not None
            assert ask is not None
            assert edge.edge <= bid - ask
        assert edge.difference is None or 0 <= edge.difference <= 1
    assert 0 <= found.completeness <= 1


@given(updates, st.permutations(range(3)), st.integers(0, 2))
def test_the_state_is_the_newest_of_each_key(
    known: tuple[LegUpdate, ...], order: list[int], again: int
) -> None:
    older = [dataclasses.replace(each, bid=number("0.01"), ts=NOW - 5) for each in known]
    legs = pair(KALSHI, POLY, MANIFOLD)
    whole = spread(legs, *older, known[again], *(known[at] for at in order))
    assert whole == spread(legs, *known)


def test_a_basket_pays_the_fee_of_each_part() -> None:
    weighted = Leg(
        "kalshi",
        (outcome("a", weight=D(1)), outcome("b", weight=D(3))),
        "weighted_average",
        fee=QUADRATIC,
    )
    found = spread(
        pair(weighted, POLY),
        quote("kalshi", "0.5", "0.5", name="a", size="1000"),
        quote("kalshi", "0.2", "0.2", name="b", size="1000"),
        quote("polymarket", "0.9", "0.9", size="400"),
    )
    [edge] = found.edges
    assert edge.buy == "kalshi"
    # 400 of the pair are 100 of a and 300 of b: (0.0175 + 3 x 0.0112) / 4.
    assert edge.fee_buy == D("0.012775")
    assert edge.size == 400


def test_outcomes_are_compared_whole() -> None:
    """Two outcomes of one market are two."""
    yes, no = PairOutcome("m", "yes"), PairOutcome("m", "no")
    both = pair(Leg("polymarket", (yes, no), "sum"), KALSHI)
    state = PairState(both)
    for name, bid in (("yes", "0.3"), ("no", "0.6")):
        update = dataclasses.replace(quote("polymarket", bid, bid, name="m"), outcome_id=name)
        assert state.apply(update)
    assert state.spread(NOW)[0].legs[0].probability == D("0.9")
