"""What single frames mean."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from connectors.events import Applied, Ignored, Rejected
from connectors.polymarket.parse import Parser
from echoarb.simulators.market import Change
from echoarb.simulators.polymarket.gamma import market_resolved, new_market
from schemas.market import Market
from schemas.tick import Tick
from tests.venues.polymarket.shapes import MARKET, NO, YES, book, gaps, kinds, said, trusted
from tests.venues.polymarket.streams import Stream, following


@pytest.mark.parametrize(
    ("text", "kind"), [("PONG", "pong"), ("PING", "ping"), ("", "empty"), ("[]", "empty_array")]
)
def test_what_is_no_event(text: str, kind: str) -> None:
    assert said(Parser(), text) == [Ignored(kind)]


def test_levels_in_any_order_make_one_quote() -> None:
    parser = Parser()
    (tick,) = said(parser, book([(".49", "20"), (".48", "30")], [("0.52", "25"), ("0.6", "1")]))
    assert isinstance(tick, Tick)
    assert (tick.bid, tick.bid_size, tick.ask, tick.ask_size) == tuple(
        map(Decimal, ("0.49", "20", "0.52", "25"))
    )
    assert (tick.market_id, tick.outcome_id, tick.outcome) == (MARKET, YES, None)
    assert tick.source_ts == 1_700_000_000_000_000
    assert (tick.price, tick.side, tick.sequence, tick.emit_ts) == (None, None, None, None)


def test_the_three_shapes_of_a_change() -> None:
    """2024 flat, 2025 changes, since 2025-09-15 price_changes: all set level totals."""
    parser = Parser()
    said(parser, book([("0.4", "10")], [("0.6", "10")]))
    flat = {
        "event_type": "price_change", "market": MARKET, "asset_id": YES, "hash": "aa",
        "price": "0.41", "side": "BUY", "size": "5", "timestamp": "1700000000001",
    }  # fmt: skip
    (tick,) = said(parser, flat)
    assert isinstance(tick, Tick)
    assert (tick.bid, tick.bid_size) == (Decimal("0.41"), 5)
    several = {
        "event_type": "price_change", "market": MARKET, "asset_id": YES, "hash": "bb",
        "changes": [
            {"price": "0.41", "side": "BUY", "size": "0"},
            {"price": "0.6", "side": "SELL", "size": "7"},
        ],
        "timestamp": "1700000000002",
    }  # fmt: skip
    (tick,) = said(parser, several)
    assert isinstance(tick, Tick)
    assert (tick.bid, tick.ask, tick.ask_size) == (Decimal("0.4"), Decimal("0.6"), 7)
    entries = [
        {"asset_id": YES, "price": "0.5", "size": "3", "side": "BUY", "hash": "cc",
         "best_bid": "0.5", "best_ask": "0.6"},
        {"asset_id": NO, "price": "0.5", "size": "3", "side": "SELL", "hash": "dd",
         "best_bid": "0.4", "best_ask": "0.5"},
    ]  # fmt: skip
    now = {
        "market": MARKET, "price_changes": entries, "timestamp": "1700000000003",
        "event_type": "price_change",
    }  # fmt: skip
    events = said(parser, now)
    assert kinds(events) == ["Tick:quote", "Ignored:no_snapshot"]
    assert len([*parser.books()]) == 1


def test_one_quote_for_all_entries_of_a_message() -> None:
    stream, parser = following()
    levels = stream.market.levels
    best = max(levels.bids)
    changes = [
        Change("bid", best, -levels.bids[best], 0),
        Change("bid", best, 500, 500),
        Change("bid", best + stream.market.orders.grid, 700, 700),
    ]
    stream.now_ms += 1
    events = parser.receive(stream.frame(stream.market.price_change(changes, stream.now_ms)))
    ticks = [event for event in events if isinstance(event, Tick)]
    assert [tick.outcome_id for tick in ticks] == [token.token_id for token in stream.market.tokens]
    assert parser.hashes == {"socket_matched": 8}


def test_an_array_may_mix_events() -> None:
    trade = {
        "event_type": "last_trade_price", "market": MARKET, "asset_id": NO, "price": "0.456",
        "side": "SELL", "size": "219.217767", "timestamp": "1700000000009", "fee_rate_bps": "0",
    }  # fmt: skip
    events = said(Parser(), [book([("0.4", "1")], []), trade, {"event_type": "later_idea"}])
    assert kinds(events) == ["Tick:quote", "Tick:trade", "Ignored:unknown:later_idea"]
    tick = events[1]
    assert isinstance(tick, Tick)
    assert (tick.price, tick.size) == (Decimal("0.456"), Decimal("219.217767"))
    assert (tick.side, tick.outcome_id, tick.bid) == ("sell", NO, None)


def test_a_fill_repeated_in_every_field_is_a_duplicate() -> None:
    trade = {
        "event_type": "last_trade_price", "market": MARKET, "asset_id": NO, "price": "0.4",
        "side": "SELL", "size": "2", "timestamp": "1700000000009", "transaction_hash": "0xaa",
    }  # fmt: skip
    parser = Parser()
    assert kinds(said(parser, trade)) == ["Tick:trade"]
    assert kinds(said(parser, trade)) == ["Ignored:duplicate_trade"]
    assert kinds(said(parser, trade | {"transaction_hash": "0xbb"})) == ["Tick:trade"]


def test_best_bid_ask_is_compared_and_never_believed() -> None:
    stream, parser = following()
    event = stream.market.best_bid_ask(stream.first)
    assert kinds(parser.receive(stream.frame(event))) == ["Ignored:best_bid_ask"]
    event["best_bid"] = "0.001"
    assert kinds(parser.receive(stream.frame(event))) == ["Ignored:best_bid_ask_differs"]
    assert trusted(parser) == [True, True]


def test_an_announced_market_is_told_once_and_never_over_a_listing() -> None:
    stream, parser = Stream(), Parser()
    announced = stream.frame(new_market(stream.market, stream.now_ms))
    (market,) = parser.receive(announced)
    assert isinstance(market, Market)
    assert (market.status, market.outcomes[0].outcome) == ("upcoming", "Yes")
    assert kinds(parser.receive(announced)) == ["Ignored:new_market"]
    (listed,) = parser.receive(stream.listing())
    assert isinstance(listed, Market)
    assert (listed.status, listed.min_size, listed.fee_rate) == ("open", 5, Decimal("0.04"))
    assert kinds(parser.receive(announced)) == ["Ignored:new_market"]
    assert kinds(parser.receive(stream.listing())) == ["Ignored:market_unchanged"]


def test_a_resolution_is_final_and_ends_the_books() -> None:
    stream, parser = following()
    listing = stream.listing()
    said(parser, "{", at_us=stream.now_ms * 1000)
    stream.market.winner = stream.first.token_id
    told = stream.frame(market_resolved(stream.market, stream.now_ms))
    market, gap = parser.receive(told)
    assert isinstance(market, Market)
    assert (market.status, market.resolution) == ("resolved", "Yes")
    assert gaps([gap]) == [("parse_failure", True)]
    assert trusted(parser) == [False, False]
    # A listing from a cache does not bring it back.
    assert kinds(parser.receive(listing)) == ["Ignored:market_unchanged"]
    assert kinds(parser.receive(told)) == ["Ignored:market_resolved"]


def test_a_resolution_of_an_unknown_market_without_its_title_is_kept_back() -> None:
    stream = Stream()
    stream.market.winner = stream.first.token_id
    event = market_resolved(stream.market, 1)
    assert said(Parser(), event) == [Applied("market_resolved")]


def test_the_same_state_from_another_connection_has_the_same_id() -> None:
    """A change on one connection, and the snapshot of that moment on another."""
    stream, parser = following()
    other = Parser()
    seen: dict[str, Tick] = {}
    while len(seen) < 2:
        for frame in stream.step():
            for event in parser.receive(frame):
                if isinstance(event, Tick) and event.kind == "quote":
                    seen[event.outcome_id] = event
        # Only where the last change moved the top is the snapshot the same event.
        stamps = {tick.source_ts for tick in seen.values()}
        if stamps != {int(stream.first.timestamp) * 1000}:
            seen.clear()
    stream.connection = "ws-9/9"
    ticks = [event for event in other.receive(stream.snapshot()) if isinstance(event, Tick)]
    assert {tick.tick_id for tick in ticks} == {tick.tick_id for tick in seen.values()}


def test_the_venue_says_why_it_refuses() -> None:
    (event,) = said(Parser(), {"error": "No orderbook exists"}, connection="rest:book")
    assert event == Rejected("venue_error", "No orderbook exists")


def test_a_fill_at_nothing_is_refused() -> None:
    trade = {
        "event_type": "last_trade_price", "market": MARKET, "asset_id": NO, "price": "0",
        "side": "SELL", "size": "2", "timestamp": "1700000000009",
    }  # fmt: skip
    assert kinds(said(Parser(), trade)) == ["Rejected:value"]


def test_a_number_that_would_fill_memory_is_not_written_out() -> None:
    """Eleven characters on the wire, a gigabyte of text: 1e7 here, so as to fail fast."""
    first = json.dumps(book([("0.4", "1")], []))
    for field in ("min_order_size", "tick_size", "last_trade_price"):
        parser = Parser()
        said(parser, first[:-1] + f', "{field}": 1e9999999}}')
        assert getattr(parser.following.tokens[YES].inputs, field) is None
    parser = Parser()
    said(parser, first[:-1] + ', "tick_size": 0.001}')
    assert parser.following.tokens[YES].inputs.tick_size == "0.001"


def test_announcements_leave_room_for_what_is_listed() -> None:
    """They come of all markets of the venue, and nothing says when those not followed end."""
    parser = Parser(most_markets=3)
    for seed in range(5):
        announced = Stream(seed)
        parser.receive(announced.frame(new_market(announced.market, announced.now_ms)))
    assert len(parser.markets) == 3
    for seed in range(5, 8):
        assert kinds(parser.receive(Stream(seed).listing())) == ["Market:"]
    announced = Stream(9)
    event = new_market(announced.market, announced.now_ms)
    assert kinds(parser.receive(announced.frame(event))) == ["Rejected:too_many_markets"]
