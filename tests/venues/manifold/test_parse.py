"""What each payload becomes: ticks, markets, known kinds."""

from __future__ import annotations

import json

import pytest

from connectors.events import Ignored, Reconnect, Rejected, Resubscribe, SnapshotNeeded
from connectors.manifold.parse import Parser
from schemas.market import Market
from tests.venues.manifold.recorded import (
    START_US,
    Wire,
    bet,
    figures,
    market,
    play,
    price_of,
    several,
    ticks,
)

LEG = {"isRedemption": True, "amount": 0, "shares": 0, "outcome": "NO"}


def test_a_listed_price_is_kept_but_not_trusted_until_something_fresh_comes(wire: Wire) -> None:
    parser = Parser()
    events = play(parser, [wire.rest("markets", [market()])])
    assert figures(events) == {"market": 1}
    assert price_of(parser) == (50_000_000, False)
    events = play(parser, [wire.rest("market-probs", {"m": {"prob": 0.51}})])
    assert price_of(parser) == (51_000_000, True)
    (tick,) = ticks(events)
    assert (str(tick.bid), tick.ask, tick.bid_size, tick.source_ts) == (
        "0.51",
        tick.bid,
        None,
        None,
    )
    assert (tick.outcome, tick.outcome_id, tick.market_id) == ("YES", "m", "m")


def test_a_bet_gives_a_trade_and_a_quote(parser: Parser, wire: Wire) -> None:
    trade, quote = ticks(play(parser, [wire.bets(bet("b1", 0.5, 0.6))]))
    assert (trade.kind, str(trade.price), str(trade.size)) == ("trade", "0.50000000", "10.00000000")
    assert (trade.side, trade.source_ts, trade.bid) == ("buy", START_US + 1_000_000, None)
    assert (quote.kind, str(quote.bid), quote.source_ts) == ("quote", "0.6", trade.source_ts)
    assert quote.price is None


def test_a_copy_on_another_topic_is_ignored(parser: Parser, wire: Wire) -> None:
    data = {"bets": [bet("b1", 0.5, 0.6)]}
    frames = [
        wire.told(topic, data) for topic in ("contract/m/new-bet", "global", "global/new-bet")
    ]
    assert figures(play(parser, frames)) == {
        "ignored duplicate_bet": 2,
        "tick quote": 1,
        "tick trade": 1,
    }


def test_siblings_move_the_price_and_are_no_trades(parser: Parser, wire: Wire) -> None:
    third = 1 / 3
    rows = [bet("b0", third, 0.5, contractId="s", answerId="a0")]
    rows += [
        bet(f"b{index}", third, 0.25, contractId="s", answerId=f"a{index}", **LEG)
        for index in (1, 2)
    ]
    events = play(parser, [wire.bets(*rows)])
    assert figures(events) == {"tick quote": 3, "tick trade": 1}
    assert sum(price_of(parser, f"a{index}")[0] or 0 for index in range(3)) == 100_000_000
    assert [tick.outcome for tick in ticks(events)][-1] == "answer 2"


def test_an_order_and_its_fills_are_no_trades(parser: Parser, wire: Wire) -> None:
    order = bet("o", 0.5, 0.5, limitProb=0.4, amount=0, shares=0, fills=[], isFilled=False)
    part = order | {"amount": 4, "shares": 10}
    frames = [
        wire.bets(order),
        wire.told("contract/m/orders", {"bets": [order]}),
        wire.told("contract/m/orders", {"bets": [part]}),
        wire.told("contract/m/orders", {"bets": [part | {"isCancelled": True}]}),
    ]
    assert figures(play(parser, frames)) == {
        "ignored order_cancelled": 1,
        "ignored order_filled": 1,
        "ignored order_placed": 1,
        "ignored resting_order": 1,
    }


def test_a_resolved_market_keeps_its_pool_but_not_its_price(parser: Parser, wire: Wire) -> None:
    patch = {"id": "m", "isResolved": True, "resolution": "YES", "prob": 1}
    pool = {"YES": 480.0, "NO": 520.0}
    events = play(parser, [wire.patch(**patch, pool=pool, p=0.5, resolutionTime=START_US // 1000)])
    assert figures(events) == {"market": 1, "tick quote": 1}
    assert parser.markets["m"].status == "resolved"
    assert parser.markets["m"].resolution == "YES"
    undone = {"isResolved": False, "resolution": None}
    assert price_of(parser) == (100_000_000, True)
    events = play(parser, [wire.patch(id="m", **undone)])
    assert (parser.markets["m"].status, parser.markets["m"].resolution) == ("open", None)
    # The patch of an undone resolution has no price: the payout of 1 is none any more.
    assert price_of(parser) == (100_000_000, False)
    assert SnapshotNeeded("ws-0/1", ("m",)) in events
    play(parser, [wire.rest("market-probs.settled", {"m": {"prob": 0.52}})])
    assert price_of(parser) == (52_000_000, True)


def test_refusals_end_the_connection_and_acks_are_noted(parser: Parser, wire: Wire) -> None:
    assert play(parser, [wire.ack(7)]) == [Ignored("ack")]
    assert parser.acknowledged == {"ws-0": 7}
    refused = {"type": "ack", "success": False, "error": "Error parsing message."}
    rejected, request = play(parser, [wire.text(json.dumps(refused))])
    assert rejected == Rejected("refused", "Error parsing message.")
    assert isinstance(request, Reconnect)
    assert not isinstance(request, Resubscribe)
    parser.disconnected("ws-0/1", wire.at_us, "subscription", "refused")
    assert parser.acknowledged == {}


def test_unknown_kinds_are_counted_under_a_bounded_number_of_names(wire: Wire) -> None:
    parser = Parser()
    frames = [wire.told(f"contract/m/kind-{number}", {}) for number in range(200)]
    frames += [wire.text(json.dumps({"type": "x" * 500 + str(number)})) for number in range(5)]
    kinds = {event.kind for event in play(parser, frames) if isinstance(event, Ignored)}
    assert 10 < len(kinds) <= 52
    assert all(len(kind) <= 60 and kind.startswith("unknown:") for kind in kinds)


@pytest.mark.parametrize(
    ("topic", "data", "kind"),
    [
        ("global", {"amount": 5}, "new-subsidy"),
        ("global", {"creator": {}, "comment": {}}, "new-comment"),
        ("*", {"comment": {}}, "new-comment"),
        ("global/new-comment", {}, "new-comment"),
        ("post/p/new-comment", {}, "new-post-comment"),
        ("user/u/orders", {}, "user"),
        ("tv_schedule", {}, "tv_schedule"),
        ("contract/m/perp-quote", {"quote": {}}, "perp-quote"),
        ("contract/m/user-metrics/u", {}, "user-metrics"),
    ],
)
def test_known_kinds_without_prices_are_ignored(
    parser: Parser, wire: Wire, topic: str, data: object, kind: str
) -> None:
    assert play(parser, [wire.told(topic, data)]) == [Ignored(kind)]


def test_the_union_topic_is_told_apart_by_keys(parser: Parser, wire: Wire) -> None:
    contract = {"id": "n", "question": "New?", "mechanism": "cpmm-1", "prob": 0.3}
    frames = [
        wire.told("global", {"bets": [bet("b1", 0.5, 0.6)]}),
        wire.told("global", {"contract": {"id": "m", "prob": 0.7}}),
        wire.told("global", {"contract": contract, "creator": {}}),
    ]
    assert figures(play(parser, frames)) == {"market": 1, "tick quote": 3, "tick trade": 1}


def test_a_new_answer_joins_its_market(parser: Parser, wire: Wire) -> None:
    answer = {"id": "a9", "contractId": "s", "text": "none of these", "prob": 0.1}
    events = play(parser, [wire.told("contract/s/new-answer", {"answer": answer})])
    assert figures(events) == {"market": 1, "tick quote": 1}
    assert [outcome.outcome for outcome in parser.markets["s"].outcomes][-1] == "none of these"
    part = wire.told("answer/a9/update", {"answer": {"id": "a9", "prob": 0.2}})
    assert [tick.outcome for tick in ticks(play(parser, [part]))] == ["none of these"]


def test_a_market_is_published_when_it_changes_and_not_for_its_volume(
    parser: Parser, wire: Wire
) -> None:
    def said(*rows: object) -> list[Market]:
        events = play(parser, [wire.rest("search-markets", rows)])
        return [event for event in events if isinstance(event, Market)]

    assert said(market(), several("s")) == []
    assert said(market(volume=99)) == []
    assert str(parser.markets["m"].volume) == "99.00000000"
    (renamed,) = said(market(question="Will it not?"))
    assert renamed.title == "Will it not?"
    assert renamed.unit == "MANA"
    (cash,) = said(market("c", token="CASH", siblingContractId="m"))
    assert cash.unit == "CASH"


def test_a_market_whose_time_has_come_is_closed(parser: Parser, wire: Wire) -> None:
    wire.at_us = START_US + 1_000_001 * 1000
    events = play(parser, [wire.rest("market-probs", {"m": {"prob": 0.5}})])
    assert [event.status for event in events if isinstance(event, Market)] == ["closed"]
    play(parser, [wire.patch(id="m", closeTime=START_US // 1000 + 2_000_000)])
    assert parser.markets["m"].status == "open"


def test_markets_without_probabilities_are_not_markets_here(parser: Parser, wire: Wire) -> None:
    rows = [market("p", mechanism="none", outcomeType="POLL"), market("q", mechanism="perp")]
    assert play(parser, [wire.rest("markets", rows)]) == [Ignored("unpriced_market")] * 2


def test_a_market_never_described_is_asked_for_once(wire: Wire) -> None:
    parser = Parser()
    frames = [wire.ack(), *(wire.bets(bet(f"b{n}", 0.5, 0.5, at_ms=n)) for n in range(3))]
    events = play(parser, frames)
    assert events.count(SnapshotNeeded("ws-0/1", ("m",))) == 1
    assert [tick.outcome for tick in ticks(events)] == ["YES"] * 4


def test_a_new_market_without_its_answers_is_asked_for(parser: Parser, wire: Wire) -> None:
    contract = several("t")
    del contract["answers"]
    events = play(parser, [wire.told("global/new-contract", {"contract": contract})])
    assert SnapshotNeeded("ws-0/1", ("t",)) in events


def test_a_list_without_answers_asks_for_them_and_forgets_none(parser: Parser, wire: Wire) -> None:
    bare = several("t")
    del bare["answers"]
    events = play(parser, [wire.rest("markets", [bare])])
    assert SnapshotNeeded("rest:markets", ("t",)) in events
    known = several("s")
    del known["answers"]
    events = play(parser, [wire.rest("markets", [known])])
    assert figures(events) == {"applied markets": 1}
    assert len(parser.markets["s"].outcomes) == 3


def test_markets_that_ended_make_room_for_new_ones(wire: Wire) -> None:
    """A connector that runs for years sees more markets come and go than it can hold."""
    parser = Parser(most_markets=3)
    play(parser, [wire.rest("markets", [market("a"), several("b"), market("c")])])
    full = play(parser, [wire.rest("markets", [market("d"), several("e")])])
    assert figures(full) == {"rejected too_many_markets": 2}
    play(parser, [wire.patch(id=each, isResolved=True, resolution="YES") for each in ("b", "a")])
    play(parser, [wire.told("contract/b", {"contract": {"id": "b", "answers": 5}})])
    events = play(parser, [wire.rest("markets", [market("d"), several("e")])])
    # The other one's gap is open: it is not forgotten before that was closed.
    assert figures(events) == {"market": 1, "rejected too_many_markets": 1}
    assert set(parser.markets) == {"b", "c", "d"}
    assert {book.market_id for book in parser.books()} == {"b", "c", "d"}


def test_state_is_bounded_against_invented_markets(wire: Wire) -> None:
    parser = Parser(most_markets=3)
    events = play(parser, [wire.rest("markets", [market(f"m{n}") for n in range(5)])])
    assert figures(events)["rejected too_many_markets"] == 2
    for start in range(0, 7000, 1000):
        probs = {f"x{start + number}": {"prob": 0.5} for number in range(1000)}
        play(parser, [wire.rest("market-probs", probs)])
    assert len([*parser.books()]) <= 5_003
    many = {"s": {"answerProbs": {f"a{number}": 0.1 for number in range(2001)}}}
    assert figures(play(parser, [wire.rest("market-probs", many)])) == {"rejected shape": 1}
