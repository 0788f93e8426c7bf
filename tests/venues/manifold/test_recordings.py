"""Every recorded frame of Manifold becomes ticks, state, a gap, a known kind or a rejection."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from pathlib import Path

import pytest

from connectors.events import Frame, Rejected
from connectors.manifold.parse import Parser
from schemas.codec import encode
from tests.venues.manifold.recorded import (
    ENDPOINTS,
    SESSIONS,
    answers,
    everything,
    figures,
    gaps,
    play,
    prices,
    session,
    ticks,
)

FIGURES = {
    "acks-and-errors.handmade.jsonl": {
        "Reconnect": 4,
        "ignored ack": 5,
        "rejected refused": 4,
    },
    "session-binary.handmade.jsonl": {
        "SnapshotNeeded": 6,
        "ignored ack": 4,
        "ignored duplicate_bet": 1,
        "ignored order_cancelled": 1,
        "ignored order_filled": 1,
        "ignored redemption": 2,
        "tick quote": 6,
        "tick trade": 5,
    },
    "session-multi-sum-to-one.handmade.jsonl": {
        "SnapshotNeeded": 2,
        "applied contract_patch": 1,
        "ignored ack": 1,
        "ignored answer_pool_disagrees": 6,
        "tick quote": 8,
        "tick trade": 3,
    },
    "topic-payload-shapes.handmade.jsonl": {
        "SnapshotNeeded": 2,
        "ignored answer_of_unknown_market": 1,
        "ignored new-subsidy": 2,
        "ignored order_placed": 1,
        "ignored perp-quote": 1,
        "ignored resting_order": 1,
        "ignored sports-live": 1,
        "market": 4,
        "tick quote": 2,
    },
    "bets-global-latest.captured-2022-10-10.json": {
        "ignored redemption": 6,
        "ignored resting_order": 1,
        "tick quote": 38,
        "tick trade": 38,
    },
    "bets-limit-and-market-order.official-docs.json": {
        "ignored resting_order": 1,
        "tick quote": 1,
        "tick trade": 1,
    },
    "bets-one-market.captured-2022-10-10.json": {"tick quote": 45, "tick trade": 45},
    "bets-one-user.captured-2024-12-23.json": {
        "ignored empty": 3,
        "ignored redemption": 6,
        "tick quote": 638,
        "tick trade": 640,
    },
    "contract-multi-dev-server.captured-2025-08-20.json": {"market": 1},
    "contract-multi-sum-to-one-false.captured-2024-12.json": {"market": 1},
    "contract-multi-sum-to-one-true.captured-2024-12.json": {"market": 1},
    "contracts-internal-shape.captured-2024-12.jsonl": {"market": 352},
    "market-full-legacy-types.captured-2022-10.json": {"market": 4},
    "market-prob.official-docs.json": {"tick quote": 3},
    "markets-list.captured-2022-10-10.json": {"market": 250},
    "multi-bet-response.official-docs.json": {"tick quote": 3, "tick trade": 3},
    "search-markets.captured-2026-08.json": {"market": 3},
}


def frames_of(venues: Path, name: str) -> list[Frame]:
    return session(venues, name) if name in SESSIONS else answers(venues, name)


def test_no_recording_is_left_out(venues: Path) -> None:
    found = {
        path.name for kind in ("ws", "rest") for path in (venues / "manifold" / kind).iterdir()
    }
    assert found == {*SESSIONS, *ENDPOINTS} == set(FIGURES)


@pytest.mark.parametrize("name", FIGURES)
def test_each_recording_becomes_what_it_says(venues: Path, name: str) -> None:
    events = play(Parser(), frames_of(venues, name))
    counted = figures(events)
    if ENDPOINTS.get(name) == "bets":
        counted.pop("SnapshotNeeded", None)  # a question about each market never described
    assert counted == FIGURES[name]


@pytest.mark.parametrize("name", FIGURES)
def test_played_twice_it_gives_the_same_ticks(venues: Path, name: str) -> None:
    frames = frames_of(venues, name)
    first, second = (ticks(play(Parser(), frames)) for _ in range(2))
    assert [encoded(tick) for tick in first] == [encoded(tick) for tick in second]


def encoded(tick: object) -> bytes:
    return encode(dataclasses.replace(tick, emit_ts=0))  # type: ignore[type-var]


@pytest.mark.parametrize("name", SESSIONS)
@pytest.mark.parametrize("announced", [True, False])
def test_a_reconnect_anywhere_changes_no_id(venues: Path, name: str, announced: bool) -> None:
    whole = [tick.tick_id for tick in ticks(play(Parser(), session(venues, name)))]
    before, after = session(venues, name), session(venues, name, "ws-0/2")
    for cut in range(1, len(before)):
        parser = Parser()
        events = play(parser, before[:cut])
        lost = before[cut - 1]
        if announced:
            events += parser.disconnected(lost.connection, lost.received_us, "disconnect", "cut")
        events += play(parser, after[cut:])
        assert [tick.tick_id for tick in ticks(events)] == whole
        assert [gap.reason for gap in gaps(events)] == ["disconnect"]
        assert gaps(events)[0].market_id is None


@pytest.mark.parametrize("name", SESSIONS)
def test_told_all_over_again_it_gives_no_new_id(venues: Path, name: str) -> None:
    """A second connection repeats what the first had told: nothing is doubled."""
    parser = Parser()
    first = ticks(play(parser, session(venues, name)))
    again = [
        dataclasses.replace(frame, received_us=frame.received_us + 10**9)
        for frame in session(venues, name, "ws-0/2")
    ]
    # What has no time of its own (a patch of answers, a resolution) is told for a second time.
    repeated = {tick.tick_id for tick in ticks(play(parser, again)) if tick.source_ts is not None}
    assert repeated <= {tick.tick_id for tick in first}


def test_the_price_formula_holds_for_every_open_market(venues: Path) -> None:
    """PROTOCOL 4.1: p*NO / ((1-p)*YES + p*NO), and 4.3 for answers; a rejection says otherwise."""
    events = play(Parser(), everything(venues))
    reasons = {event.reason for event in events if isinstance(event, Rejected)}
    assert reasons == {"refused"}


def test_sibling_moves_leave_a_sum_of_one(venues: Path) -> None:
    frames = session(venues, "session-multi-sum-to-one.handmade.jsonl")
    parser = Parser()
    contract = answers(venues, "contract-multi-dev-server.captured-2025-08-20.json")
    play(parser, contract)
    assert sum(price or 0 for *_, price, _ in prices(parser)) == pytest.approx(10**8, abs=2)
    play(parser, frames[:2])  # the ack, and one broadcast with three purchases and three siblings
    moved = [price for *_, price, trusted in prices(parser) if trusted and price is not None]
    assert len(moved) == 6
    assert abs(sum(moved) - 10**8) <= 20_000


def test_captured_sum_to_one_markets_sum_to_one(venues: Path) -> None:
    lines = answers(venues, "contracts-internal-shape.captured-2024-12.jsonl")
    checked = 0
    for frame in lines:
        contract = json.loads(frame.text)
        if contract.get("shouldAnswersSumToOne") and not contract["isResolved"]:
            parser = Parser()
            play(parser, [frame])
            total = sum(price or 0 for *_, price, _ in prices(parser))
            assert abs(total - 10**8) <= 20_000, contract["id"]
            checked += 1
    assert checked > 30


def test_the_captured_taker_fill_is_priced_exactly(venues: Path) -> None:
    events = play(Parser(), session(venues, "session-binary.handmade.jsonl"))
    by_market = {tick.market_id: tick for tick in ticks(events) if tick.kind == "trade"}
    bought = by_market["WCsjjEUk1vxRy1wHNi63"]  # 2750 for 2990.3797702289726 YES, three fills
    assert (bought.price, bought.size) == (Decimal("0.91961564"), Decimal("2990.37977023"))
    assert (bought.side, bought.outcome) == ("buy", "YES")
    sold = by_market["Sqnu2sPyuC"]  # a sale of YES
    assert (sold.side, sold.size) == ("sell", Decimal("118.84997940"))
    against = by_market["ectafw6spf"]  # 1 for 1.092740265025725 NO
    assert (against.side, against.price) == ("sell", Decimal("0.08486945"))
    assert against.source_ts == 1_734_931_183_419_000


def test_a_row_comes_by_rest_under_the_id_it_was_pushed_with(venues: Path) -> None:
    """The trades of the session are captured REST rows: their ids do not depend on the way."""
    pushed = ticks(play(Parser(), session(venues, "session-binary.handmade.jsonl")))
    listed = ticks(play(Parser(), answers(venues, "bets-one-user.captured-2024-12-23.json")))
    trades = {tick.tick_id for tick in pushed if tick.kind == "trade"}
    assert len(trades) == 5
    assert trades <= {tick.tick_id for tick in listed}
