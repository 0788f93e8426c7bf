"""The rules of Kalshi's streams, one by one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connectors.events import (
    Applied,
    Event,
    Frame,
    Ignored,
    Reconnect,
    Rejected,
    Resubscribe,
    SnapshotNeeded,
)
from connectors.kalshi.parse import Parser
from schemas.gap import Gap
from schemas.tick import Tick
from tests.venues.kalshi.frames import OTHER, TICKER, Wire

YES = {"0.4000": "10.00", "0.4100": "5.50"}
NO = {"0.5500": "7.00", "0.5700": "3.25"}


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def parser() -> Parser:
    return Parser()


def gaps(events: list[Event]) -> list[tuple[str | None, str, bool]]:
    """Return (market, reason, closed) of each Gap."""
    return [
        (event.market_id, event.reason, event.to_ts is not None)
        for event in events
        if isinstance(event, Gap)
    ]


def trusted(parser: Parser, market: str = TICKER) -> bool:
    book = parser.book(market)
    assert book is not None
    return book.trusted


def test_a_no_bid_is_a_yes_ask(parser: Parser, wire: Wire) -> None:
    (tick,) = parser.receive(wire.snapshot(1, YES, NO))
    assert isinstance(tick, Tick)
    assert (tick.market_id, tick.outcome_id, tick.outcome) == (TICKER, TICKER, "yes")
    assert (tick.bid, tick.bid_size) == (Decimal("0.41"), Decimal("5.5"))
    assert (tick.ask, tick.ask_size) == (Decimal("0.43"), Decimal("3.25"))
    assert (tick.kind, tick.price, tick.size, tick.sequence) == ("quote", None, None, 1)


def test_deltas_add_and_only_changes_of_the_top_are_ticks(parser: Parser, wire: Wire) -> None:
    parser.receive(wire.snapshot(1, YES, NO))
    assert parser.receive(wire.delta(2, "yes", "0.4000", "1.00")) == [Applied("orderbook_delta")]
    (more,) = parser.receive(wire.delta(3, "yes", "0.4100", "-1.50"))
    assert isinstance(more, Tick)
    assert more.bid_size == 4
    (gone,) = parser.receive(wire.delta(4, "no", "0.5700", "-3.25"))
    assert isinstance(gone, Tick)
    assert (gone.ask, gone.ask_size) == (Decimal("0.45"), 7)
    assert gone.source_ts == 1_790_000_000_000_000


def test_an_absent_side_is_empty_and_an_empty_snapshot_is_a_quote(
    parser: Parser, wire: Wire
) -> None:
    parser.receive(wire.snapshot(1, YES, {}))
    (tick,) = parser.receive(wire.snapshot(2, {}, {}))
    assert isinstance(tick, Tick)
    assert (tick.bid, tick.ask, tick.bid_size, tick.ask_size) == (None, None, None, None)
    assert parser.receive(wire.snapshot(3, {}, {})) == [Applied("orderbook_snapshot")]


def test_a_repeated_frame_changes_nothing(parser: Parser, wire: Wire) -> None:
    parser.receive(wire.snapshot(1, YES, NO))
    frame = wire.delta(2, "yes", "0.4100", "1.00")
    parser.receive(frame)
    assert parser.receive(frame) == [Ignored("duplicate")]
    book = parser.book(TICKER)
    assert book is not None
    assert book.top().bid_size == 650_000_000


def test_a_jump_makes_every_book_of_the_subscription_doubtful(parser: Parser, wire: Wire) -> None:
    parser.receive(wire.snapshot(1, YES, NO))
    parser.receive(wire.snapshot(2, YES, NO, OTHER))
    last_us = wire.at_us
    events = parser.receive(wire.delta(6, "yes", "0.4100", "1.00"))
    opened = [event for event in events if isinstance(event, Gap)]
    assert [(gap.market_id, gap.reason) for gap in opened] == [
        (TICKER, "sequence"),
        (OTHER, "sequence"),
    ]
    assert all(
        (gap.from_ts, gap.to_ts, gap.missed, gap.detail) == (last_us, None, 3, "2 to 6")
        for gap in opened
    )
    assert events[2] == SnapshotNeeded("ws-0/1", (TICKER, OTHER))
    assert events[3] == Applied("orderbook_delta_untrusted")
    assert not trusted(parser)
    assert not trusted(parser, OTHER)
    # No quote while it is untrusted; the snapshot closes one gap and leaves the other open.
    assert parser.receive(wire.delta(7, "yes", "0.4200", "1.00")) == [
        Applied("orderbook_delta_untrusted")
    ]
    healed = parser.receive(wire.snapshot(8, {"0.4200": "9.00"}, NO, command=4))
    assert gaps(healed) == [(TICKER, "sequence", True)]
    assert any(isinstance(event, Tick) for event in healed)
    assert trusted(parser)
    assert not trusted(parser, OTHER)


def test_a_snapshot_that_shows_a_jump_is_not_asked_for_again(parser: Parser, wire: Wire) -> None:
    parser.receive(wire.snapshot(1, YES, NO))
    parser.receive(wire.snapshot(2, YES, NO, OTHER))
    events = parser.receive(wire.snapshot(5, YES, NO))
    assert SnapshotNeeded("ws-0/1", (OTHER,)) in events
    assert trusted(parser)
    assert not trusted(parser, OTHER)


def test_the_first_number_of_a_subscription_is_one(parser: Parser, wire: Wire) -> None:
    parser.receive(wire.subscribed("orderbook_delta", 1))
    events = parser.receive(wire.delta(2, "yes", "0.4000", "1.00"))
    assert gaps(events) == [(TICKER, "sequence", False)]
    assert SnapshotNeeded("ws-0/1", (TICKER,)) in events


@pytest.mark.parametrize("seq", [1, 2])
def test_numbers_that_go_back_are_a_restarted_stream(parser: Parser, wire: Wire, seq: int) -> None:
    for number, ticker in ((1, TICKER), (2, OTHER), (3, TICKER)):
        parser.receive(wire.snapshot(number, YES, NO, ticker))
    events = parser.receive(wire.snapshot(seq, {"0.1000": "1.00"}, {}))
    assert (OTHER, "sequence", False) in gaps(events)
    assert trusted(parser)
    assert not trusted(parser, OTHER)
    # It counts on from there.
    assert not gaps(parser.receive(wire.delta(seq + 1, "yes", "0.1000", "1.00")))


def test_the_last_number_with_another_content_is_a_restart(parser: Parser, wire: Wire) -> None:
    parser.receive(wire.snapshot(1, YES, NO, OTHER))
    events = parser.receive(wire.snapshot(1, YES, NO))
    assert gaps(events) == [(OTHER, "sequence", False)]


def test_acknowledgements_and_subscription_errors_use_up_numbers(
    parser: Parser, wire: Wire
) -> None:
    parser.receive(wire.snapshot(1, YES, NO))
    ok = {"id": 2, "sid": 1, "seq": 2, "type": "ok", "msg": {"market_tickers": [TICKER]}}
    assert parser.receive(wire.frame(ok)) == [Ignored("ok")]
    assert parser.receive(wire.error(13, 1, 3)) == [Ignored("error_13")]
    assert isinstance(parser.receive(wire.delta(4, "yes", "0.4100", "1.00"))[0], Tick)
    assert parser.receive(wire.error(8)) == [Ignored("error_8")]
    listed = {"id": 3, "type": "ok", "msg": [{"channel": "orderbook_delta", "sid": 1}]}
    assert parser.receive(wire.frame(listed)) == [Ignored("ok")]


def test_channels_count_apart(parser: Parser, wire: Wire) -> None:
    parser.receive(wire.snapshot(1, YES, NO))
    parser.receive(wire.trade(1))
    events = parser.receive(wire.trade(5, trade_id="another"))
    # Trades were lost, and that is on record; the book is as right as before.
    assert gaps(events) == [(TICKER, "sequence", False), (TICKER, "sequence", True)]
    assert not any(isinstance(event, SnapshotNeeded) for event in events)
    assert trusted(parser)
    assert isinstance(events[-1], Tick)


@pytest.mark.parametrize("shape", ["msg", "top"])
def test_a_market_that_left_is_dropped(parser: Parser, wire: Wire, shape: str) -> None:
    parser.receive(wire.snapshot(1, YES, NO))
    parser.receive(wire.snapshot(2, YES, NO, OTHER))
    ok: dict[str, Any] = {"id": 2, "sid": 1, "seq": 3, "type": "ok"}
    ok |= {"market_tickers": [OTHER]} if shape == "top" else {"msg": {"market_tickers": [OTHER]}}
    assert parser.receive(wire.frame(ok)) == [Ignored("ok")]
    assert [book.market_id for book in parser.books()] == [OTHER]


def test_less_than_nothing_is_a_mismatch(parser: Parser, wire: Wire) -> None:
    parser.receive(wire.snapshot(1, YES, NO))
    events = parser.receive(wire.delta(2, "yes", "0.4000", "-10.01"))
    assert gaps(events) == [(TICKER, "book_mismatch", False)]
    assert events[-1] == SnapshotNeeded("ws-0/1", (TICKER,))
    book = parser.book(TICKER)
    assert book is not None
    assert book.bids[40_000_000] == 1_000_000_000


@pytest.mark.parametrize("price", ["0.5900", "0.6000"])
def test_a_crossed_or_locked_book_is_not_believed(parser: Parser, wire: Wire, price: str) -> None:
    parser.receive(wire.snapshot(1, YES, NO))
    events = parser.receive(wire.delta(2, "no", price, "1.00"))
    assert gaps(events) == [(TICKER, "crossed_book", False)]
    assert events[-1] == SnapshotNeeded("ws-0/1", (TICKER,))
    assert not trusted(parser)


def test_no_bids_at_yes_prices_are_noticed(parser: Parser, wire: Wire) -> None:
    """PROTOCOL 3.5: use_yes_price will become the default one day; we always send false."""
    at_yes_prices = {"0.9900": "5.00", "0.4500": "7.00", "0.4300": "3.25"}
    events = parser.receive(wire.snapshot(1, YES, at_yes_prices))
    (gap,) = [event for event in events if isinstance(event, Gap)]
    assert gap.reason == "crossed_book"
    assert gap.detail is not None
    assert "YES prices" in gap.detail
    assert not any(isinstance(event, Tick) for event in events)
    assert not trusted(parser)


def test_an_asked_for_snapshot_must_equal_a_whole_book(parser: Parser, wire: Wire) -> None:
    parser.receive(wire.snapshot(1, YES, NO))
    same = parser.receive(wire.snapshot(2, YES, NO, command=9))
    assert same == [Applied("orderbook_snapshot")]
    other = parser.receive(wire.snapshot(3, {"0.4100": "5.50"}, NO, command=10))
    assert gaps(other) == [(TICKER, "book_mismatch", False), (TICKER, "book_mismatch", True)]
    assert trusted(parser)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '"x"', '{"type": 5}', "\ud800", "\x00"])
def test_garbage_is_counted_and_every_followed_book_doubted(
    parser: Parser, wire: Wire, text: str
) -> None:
    parser.receive(wire.snapshot(1, YES, NO))
    events = parser.receive(wire.frame(text))
    assert isinstance(events[0], Rejected)
    assert gaps(events) == [(TICKER, "parse_failure", False)]
    assert events[-1] == SnapshotNeeded("ws-0/1", (TICKER,))


@pytest.mark.parametrize(
    "wrong",
    [
        {"price_dollars": "1.0000"},
        {"price_dollars": "0"},
        {"price_dollars": "-0.5"},
        {"price_dollars": "NaN"},
        {"price_dollars": "1e-30"},
        {"price_dollars": "0." + "1" * 100},
        {"price_dollars": None},
        {"delta_fp": "1e300"},
        {"delta_fp": None},
        {"side": "maybe"},
        {"ts_ms": 1},
        {"ts_ms": 10**30},
        {"price_dollars": ["0.4"]},
    ],
)
def test_a_change_that_cannot_be_read_is_a_loss_of_its_market_only(
    parser: Parser, wire: Wire, wrong: dict[str, Any]
) -> None:
    parser.receive(wire.snapshot(1, YES, NO))
    parser.receive(wire.snapshot(2, YES, NO, OTHER))
    message = {"market_ticker": TICKER, "price_dollars": "0.4000", "delta_fp": "1.00"}
    message |= {"side": "yes", **wrong}
    frame = wire.frame({"type": "orderbook_delta", "sid": 1, "seq": 3, "msg": message})
    events = parser.receive(frame)
    assert isinstance(events[0], Rejected)
    assert gaps(events) == [(TICKER, "parse_failure", False)]
    assert trusted(parser, OTHER)
    # Its number counts all the same.
    assert not gaps(parser.receive(wire.delta(4, "yes", "0.4100", "1.00", OTHER)))


def test_a_lost_connection_doubts_its_books_and_a_snapshot_heals(
    parser: Parser, wire: Wire
) -> None:
    parser.receive(wire.snapshot(1, YES, NO))
    opened = parser.disconnected("ws-0/1", wire.at_us + 5, "silence", "no data")
    assert [(gap.reason, gap.from_ts) for gap in opened if isinstance(gap, Gap)] == [
        ("silence", wire.at_us + 5)
    ]
    assert parser.disconnected("ws-0/1", wire.at_us, "disconnect", "") == []
    again = Wire("ws-0/2")
    events = parser.receive(again.snapshot(1, YES, NO))
    assert gaps(events) == [(TICKER, "silence", True)]
    assert trusted(parser)


def test_a_new_connection_of_a_slot_ends_the_old_one_unannounced(
    parser: Parser, wire: Wire
) -> None:
    parser.receive(wire.snapshot(1, YES, NO))
    again = Wire("ws-0/2")
    assert gaps(parser.receive(again.subscribed("orderbook_delta", 1))) == [
        (TICKER, "disconnect", False)
    ]
    assert gaps(parser.receive(again.snapshot(1, YES, NO))) == [(TICKER, "disconnect", True)]


def test_another_slot_is_another_stream(parser: Parser, wire: Wire) -> None:
    parser.receive(wire.snapshot(1, YES, NO))
    other = Wire("ws-1/1")
    parser.receive(other.snapshot(1, YES, NO, OTHER))
    parser.disconnected("ws-1/1", other.at_us, "disconnect", "")
    assert trusted(parser)
    assert not trusted(parser, OTHER)
    assert parser.receive(other.delta(2, "yes", "0.4100", "1.00")) != []
    assert trusted(parser)


@pytest.mark.parametrize("code", [10, 17, 25])
def test_a_dead_subscription_is_a_gap_and_opened_again(
    parser: Parser, wire: Wire, code: int
) -> None:
    parser.receive(wire.snapshot(1, YES, NO))
    events = parser.receive(wire.error(code, 1, 2))
    assert events[0] == Ignored(f"error_{code}")
    assert gaps(events) == [(TICKER, "subscription", False)]
    assert events[-1] == Resubscribe("ws-0/1", (TICKER,), "terminal")
    parser.receive(wire.subscribed("orderbook_delta", 4))
    assert parser.sid("ws-0/1", "orderbook_delta") == 4
    healed = parser.receive(wire.snapshot(1, YES, NO, sid=4))
    assert gaps(healed) == [(TICKER, "subscription", True)]


def test_a_subscription_dies_whatever_its_error_names(parser: Parser, wire: Wire) -> None:
    parser.receive(wire.snapshot(1, YES, NO))
    said = {"code": 25, "msg": 5, "market_ticker": "A" * 300, "market_tickers": [None]}
    events = parser.receive(wire.frame({"type": "error", "sid": 1, "seq": 2, "msg": said}))
    assert events[-1] == Resubscribe("ws-0/1", (TICKER,), "terminal")


def test_a_subscription_that_the_venue_does_not_know_needs_a_new_connection(
    parser: Parser, wire: Wire
) -> None:
    events = parser.receive(wire.error(7))
    assert events[0] == Ignored("error_7")
    assert isinstance(events[-1], Reconnect)


def test_trades_are_missing_until_their_channel_is_back(parser: Parser, wire: Wire) -> None:
    parser.receive(wire.snapshot(1, YES, NO))
    parser.receive(wire.trade(1))
    events = parser.receive(wire.error(25, 2, 2))
    assert gaps(events) == [(TICKER, "subscription", False)]
    assert trusted(parser)
    assert gaps(parser.receive(wire.subscribed("trade", 5))) == [(TICKER, "subscription", True)]


def test_limits_are_told_to_the_edge(parser: Parser, wire: Wire) -> None:
    for code, reason in (
        (26, "market_limit"),
        (27, "too_many_requests"),
        (10, "command_failed"),
        (17, "command_failed"),
    ):
        events = parser.receive(wire.error(code))
        assert events == [Ignored(f"error_{code}"), Resubscribe("ws-0/1", (), reason)]


@pytest.mark.parametrize(
    ("changes", "price", "size", "side"),
    [
        ({}, "0.36", "136", "sell"),
        ({"taker_outcome_side": "yes"}, "0.36", "136", "buy"),
        ({"taker_outcome_side": None, "taker_side": "yes"}, "0.36", "136", "buy"),
        ({"taker_outcome_side": None, "taker_book_side": "ask"}, "0.36", "136", "sell"),
        ({"taker_outcome_side": None}, "0.36", "136", None),
        ({"yes_price_dollars": None, "yes_price": 99}, "0.36", "136", "sell"),
        ({"yes_price_dollars": "0.0050"}, "0.005", "136", "sell"),
        (
            {"yes_price_dollars": "", "no_price_dollars": "", "yes_price": 27, "count_fp": None,
             "count": 7},
            "0.27", "7", "sell",
        ),
        (
            {"yes_price_dollars": None, "no_price_dollars": None, "no_price": 27},
            "0.73", "136", "sell",
        ),
        (
            {"yes_price_dollars": None, "no_price_dollars": None, "price": 31,
             "taker_outcome_side": None, "side": "yes"},
            "0.31", "136", "buy",
        ),
        ({"count_fp": "0.01"}, "0.36", "0.01", "sell"),
    ],
)  # fmt: skip
def test_trades_of_every_form(
    parser: Parser, wire: Wire, changes: dict[str, Any], price: str, size: str, side: str | None
) -> None:
    (tick,) = parser.receive(wire.trade(1, **changes))
    assert isinstance(tick, Tick)
    assert (str(tick.price), str(tick.size), tick.side) == (price, size, side)
    assert (tick.bid, tick.ask) == (None, None)


def test_a_trade_is_told_once(parser: Parser, wire: Wire) -> None:
    parser.receive(wire.trade(1))
    assert parser.receive(wire.trade(2)) == [Ignored("duplicate_trade")]


def test_trades_without_an_id_are_known_by_their_fields(parser: Parser, wire: Wire) -> None:
    (one,) = parser.receive(wire.trade(1, trade_id=None))
    (two,) = parser.receive(wire.trade(2, trade_id=None, count_fp="1.00"))
    assert isinstance(one, Tick)
    assert isinstance(two, Tick)
    assert one.tick_id != two.tick_id


@pytest.mark.parametrize("wrong", [{"count_fp": "0.00"}, {"count_fp": "-1"}, {"ts_ms": -5}])
def test_an_unreadable_trade_is_on_record(
    parser: Parser, wire: Wire, wrong: dict[str, Any]
) -> None:
    events = parser.receive(wire.trade(1, **wrong))
    assert isinstance(events[0], Rejected)
    assert gaps(events) == [(TICKER, "parse_failure", False), (TICKER, "parse_failure", True)]


def test_a_ticker_quotes_only_a_market_without_a_book(parser: Parser, wire: Wire) -> None:
    (tick,) = parser.receive(wire.ticker())
    assert isinstance(tick, Tick)
    assert (tick.bid, tick.bid_size, tick.ask, tick.ask_size) == (
        Decimal("0.45"), 300, Decimal("0.53"), 150,
    )  # fmt: skip
    assert (tick.volume, tick.open_interest) == (33_896, 20_422)
    assert parser.receive(wire.ticker(volume_fp="33900.00")) == [Applied("ticker")]
    (quote,) = parser.receive(wire.snapshot(1, YES, NO))
    assert isinstance(quote, Tick)
    assert quote.volume == 33_900
    assert parser.receive(wire.ticker(yes_bid_dollars="0.2000")) == [Applied("ticker")]


def test_a_missing_side_of_a_ticker_is_missing(parser: Parser, wire: Wire) -> None:
    parser.receive(wire.ticker())
    (tick,) = parser.receive(
        wire.ticker(
            yes_bid_dollars="0.0000",
            yes_ask_dollars="1.0000",
            yes_bid_size_fp="0.00",
            yes_ask_size_fp="0.00",
        )
    )
    assert isinstance(tick, Tick)
    assert (tick.bid, tick.bid_size, tick.ask, tick.ask_size) == (None, None, None, None)


@pytest.mark.parametrize("name", ["yes_bid_size_fp", "yes_ask_size_fp"])
def test_a_size_below_nothing_is_no_quote(parser: Parser, wire: Wire, name: str) -> None:
    (event,) = parser.receive(wire.ticker(**{name: "-1.00"}))
    assert isinstance(event, Rejected)
    assert event.reason == "value"


def test_equal_changes_of_one_moment_have_ids_of_their_own(parser: Parser, wire: Wire) -> None:
    """Milliseconds are coarse: the best level comes, goes and comes again within one."""
    parser.receive(wire.snapshot(1, YES, NO))
    ids = []
    for seq, change in enumerate(("1.00", "-1.00", "1.00", "-1.00"), 2):
        (tick,) = parser.receive(wire.delta(seq, "yes", "0.4200", change))
        assert isinstance(tick, Tick)
        ids.append(tick.tick_id)
    assert len(set(ids)) == 4


@pytest.mark.parametrize(
    "snapshot",
    [
        {"yes": [[41, 5], [40, 10]], "no": [[57, 3]]},
        {"yes_dollars": [["0.410", 5], ["0.400", 10]], "no_dollars": [["0.570", 3]]},
        {
            "yes": [[1, 1]],
            "yes_dollars": [["0.020", 1]],
            "yes_dollars_fp": [["0.4000", "10.00"], ["0.4100", "5.00"]],
            "no": [[1, 9]],
            "no_dollars_fp": [["0.5700", "3.00"]],
        },
    ],
)
def test_books_of_every_era(parser: Parser, wire: Wire, snapshot: dict[str, Any]) -> None:
    message = {"market_ticker": TICKER, **snapshot}
    frame = {"type": "orderbook_snapshot", "sid": 1, "seq": 1, "msg": message}
    (tick,) = parser.receive(wire.frame(frame))
    assert isinstance(tick, Tick)
    assert (tick.bid, tick.bid_size, tick.ask, tick.ask_size) == (
        Decimal("0.41"), 5, Decimal("0.43"), 3,
    )  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"price": 41, "delta": 2},
        {"price": 1, "price_dollars": "0.410", "delta": 2, "ts": "2025-09-01T00:00:00.5Z"},
        {"price": 1, "price_dollars": "0.41", "delta": 9, "delta_fp": "2.00"},
    ],
)
def test_changes_of_every_era(parser: Parser, wire: Wire, change: dict[str, Any]) -> None:
    parser.receive(wire.snapshot(1, YES, NO))
    message = {"market_ticker": TICKER, "side": "yes", **change}
    frame = {"type": "orderbook_delta", "sid": 1, "seq": 2, "msg": message}
    (tick,) = parser.receive(wire.frame(frame))
    assert isinstance(tick, Tick)
    assert tick.bid_size == Decimal("7.5")


def test_a_book_message_without_its_place_is_not_believed(parser: Parser, wire: Wire) -> None:
    frame = wire.frame({"type": "orderbook_snapshot", "sid": 1, "msg": {"market_ticker": TICKER}})
    (rejected,) = [event for event in parser.receive(frame) if isinstance(event, Rejected)]
    assert rejected.reason == "sequence"


def test_unknown_kinds_are_bounded(parser: Parser, wire: Wire) -> None:
    kinds = set()
    for number in range(300):
        (event,) = parser.receive(wire.frame({"type": f"{number}" + "x" * 200, "msg": {}}))
        assert isinstance(event, Ignored)
        assert len(event.kind) <= 48
        kinds.add(event.kind)
    assert len(kinds) == 101
    assert parser.receive(wire.frame({"type": "fill", "msg": {}})) == [Ignored("fill")]


def test_ids_do_not_depend_on_the_connection() -> None:
    ids = []
    for connection, first in (("ws-0/1", 1), ("ws-3/7", 100)):
        parser, wire = Parser(extract=True), Wire(connection)
        found: list[Any] = []
        for frame in (
            wire.snapshot(first, YES, NO, sid=first),
            wire.delta(first + 1, "yes", "0.4200", "1.00", sid=first),
            wire.trade(first, sid=first + 1),
        ):
            found += [event for event in parser.receive(frame) if isinstance(event, Tick)]
        ids.append([tick.tick_id for tick in found])
    assert ids[0] == ids[1]
    assert len(ids[0]) == 3


def test_a_market_that_ended_while_nothing_fed_it_is_dropped(parser: Parser, wire: Wire) -> None:
    """No snapshot would ever come to close its gap."""
    ended = '{"markets":[{"ticker":"KXTEST-26DEC31-A","status":"finalized"}]}'
    page = Frame(wire.at_us, "rest:markets", ended)
    parser.receive(wire.snapshot(1, YES, NO))
    assert parser.disconnected("ws-0/1", wire.at_us, "disconnect", "") != []
    assert gaps(parser.receive(page)) == [(TICKER, "disconnect", True)]
    assert [*parser.books()] == []
    # Or it ended first, and the connection is lost before the market is left.
    again = Wire("ws-0/2")
    parser.receive(again.snapshot(1, YES, NO))
    parser.receive(page)
    assert len([*parser.books()]) == 1
    opened = parser.disconnected("ws-0/2", again.at_us, "disconnect", "")
    assert gaps(opened) == [(TICKER, "disconnect", False), (TICKER, "disconnect", True)]
    assert [*parser.books()] == []


def test_books_and_totals_are_bounded(
    parser: Parser, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.kalshi.books.MAX_BOOKS", 2)
    monkeypatch.setattr("connectors.kalshi.quoting.MAX_TOTALS", 2)
    parser.receive(wire.snapshot(1, YES, NO))
    parser.receive(wire.snapshot(2, YES, NO, OTHER))
    events = parser.receive(wire.snapshot(3, YES, NO, "KXTHIRD"))
    assert isinstance(events[0], Rejected)
    assert events[0].reason == "too_many_markets"
    parser.disconnected("ws-0/1", wire.at_us, "disconnect", "")
    again = Wire("ws-0/2")
    events = parser.receive(again.snapshot(1, YES, NO, "KXTHIRD"))
    assert isinstance(events[-1], Tick)
    # The book that made room takes its open gap along: open gaps are bounded as well.
    assert gaps(events) == [(TICKER, "disconnect", True)]
    assert len([*parser.books()]) == 2
    for number in range(5):
        assert isinstance(parser.receive(wire.ticker(market_ticker=f"T{number}"))[-1], Tick)


def test_subscriptions_and_connections_are_bounded(
    parser: Parser, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.kalshi.state.MAX_SESSIONS", 1)
    monkeypatch.setattr("connectors.kalshi.state.MAX_STREAMS", 1)
    parser.receive(wire.snapshot(1, YES, NO))
    for frame in (wire.snapshot(1, YES, NO, sid=2), Wire("ws-1/1").snapshot(1, YES, NO)):
        assert isinstance(parser.receive(frame)[0], Rejected)
