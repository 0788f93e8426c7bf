"""What makes a book untrusted, and what ends each kind of doubt."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connectors.events import Frame, Rejected, SnapshotNeeded
from connectors.polymarket.parse import Parser
from connectors.polymarket.token import IN_FLIGHT_US
from echoarb.simulators.market import Change
from echoarb.simulators.polymarket.gamma import market_resolved
from schemas.gap import Gap
from schemas.market import Market
from schemas.tick import Tick
from tests.venues.polymarket.shapes import MARKET, YES, book, gaps, kinds, said, trusted
from tests.venues.polymarket.streams import SOCKET, Stream, following


def test_a_changed_top_is_stated_wrong_where_hashes_cannot_be_checked() -> None:
    """The stated top is all there is: "0" and "1" stand for an empty side."""
    parser = Parser()
    said(parser, book([("0.4", "10")], []), at_us=7)
    change = {"asset_id": YES, "price": "0.3", "size": "1", "side": "BUY", "hash": "aa",
              "best_bid": "0.4", "best_ask": "1"}  # fmt: skip
    message = {"market": MARKET, "timestamp": "1700000000005", "event_type": "price_change"}
    assert kinds(said(parser, message | {"price_changes": [change]}, at_us=8)) == [
        "Applied:price_change"
    ]
    change |= {"best_bid": "0.41", "hash": "bb"}
    events = said(parser, message | {"price_changes": [change]}, at_us=9)
    assert gaps(events) == [("book_mismatch", False)]
    gap = events[0]
    assert isinstance(gap, Gap)
    assert gap.from_ts == 8
    assert events[1] == SnapshotNeeded(SOCKET, (MARKET,))
    assert trusted(parser) == [False]


def test_a_locked_top_is_legal_and_a_crossed_one_is_not() -> None:
    parser = Parser()
    assert kinds(said(parser, book([("0.5", "1")], [("0.5", "1")]))) == ["Tick:quote"]
    events = said(parser, book([("0.51", "1")], [("0.5", "1")], timestamp="1700000000001"))
    assert gaps(events) == [("crossed_book", False)]
    assert not any(isinstance(event, Tick) for event in events)
    events = said(parser, book([("0.49", "1")], [("0.5", "1")], timestamp="1700000000002"))
    assert gaps(events) == [("crossed_book", True)]
    assert trusted(parser) == [True]


def test_no_quote_of_an_untrusted_book_and_one_when_it_is_right_again() -> None:
    stream, parser = following()
    said(parser, "{", at_us=stream.now_ms * 1000)
    assert trusted(parser) == [False, False]
    stream.step()
    rest = parser.receive(stream.rest())
    assert gaps(rest) == [("parse_failure", True)]
    assert trusted(parser) == [True, True]


def test_an_unreadable_frame_doubts_every_book_of_its_connection() -> None:
    stream, parser = following()
    events = said(parser, '{"a": ', at_us=stream.now_ms * 1000 + 999)
    assert isinstance(events[0], Rejected)
    assert events[0].reason == "not_json"
    assert gaps(events) == [("parse_failure", False)]
    gap = next(event for event in events if isinstance(event, Gap))
    assert gap.from_ts == stream.now_ms * 1000 + 150
    assert events[-1] == SnapshotNeeded(SOCKET, (stream.market.condition_id,))
    # A change whose hash is right proves that nothing was lost.
    healed = [event for frame in stream.step() for event in parser.receive(frame)]
    assert gaps(healed) == [("parse_failure", True)]
    assert trusted(parser) == [True, True]


def test_an_unreadable_event_doubts_only_its_market() -> None:
    stream, parser = following()
    said(parser, book([("0.4", "10")], []))
    broken = {
        "event_type": "price_change", "market": MARKET, "timestamp": "1700000000001",
        "price_changes": [{"asset_id": YES, "price": "many", "size": "1", "side": "BUY"}],
    }  # fmt: skip
    events = said(parser, broken)
    assert gaps(events) == [("parse_failure", False)]
    assert {book.market_id: book.trusted for book in parser.books()} == {
        MARKET: False,
        stream.market.condition_id: True,
    }


def test_an_old_rest_answer_heals_nothing() -> None:
    stream, parser = following()
    old = stream.rest()
    for frame in stream.step():
        parser.receive(frame)
    stream.now_ms += 1
    said(parser, "{", at_us=stream.now_ms * 1000)
    events = parser.receive(old)
    assert kinds(events) == ["Ignored:book_older", "Ignored:book_older"]
    assert trusted(parser) == [False, False]


def test_changes_newer_than_the_rest_answer_are_put_on_top_of_it() -> None:
    stream, parser = following()
    stream.step()  # lost
    stream.now_ms += 1
    for frame in stream.step():
        parser.receive(frame)
    assert trusted(parser) == [False, False]
    answer = stream.rest()
    stream.now_ms += 1
    for frame in stream.step():
        assert not any(isinstance(event, Tick) for event in parser.receive(frame))
    assert trusted(parser) == [False, False]
    parser.receive(answer)
    assert trusted(parser) == [True, True]
    assert all(stream.agrees(ours) for ours in parser.books())


def test_rest_newer_than_a_quiet_stream_is_a_silence() -> None:
    stream, parser = following()
    stream.step()  # the stream keeps it from us
    answer = stream.rest()
    assert kinds(parser.receive(answer)) == ["Ignored:book_ahead", "Ignored:book_ahead"]
    late = Frame(answer.received_us + IN_FLIGHT_US + 1, answer.connection, answer.text)
    events = parser.receive(late)
    assert gaps(events) == [("silence", False), ("silence", True)] * 2
    assert all(stream.agrees(ours) and ours.trusted for ours in parser.books())
    assert kinds(parser.receive(late)) == ["Ignored:book_confirmed", "Ignored:book_confirmed"]


def test_a_change_on_its_way_is_no_silence() -> None:
    stream, parser = following()
    frames = stream.step()
    answer = stream.rest()
    parser.receive(answer)
    events = [event for frame in frames for event in parser.receive(frame)]
    assert gaps(events) == []
    assert kinds(parser.receive(answer)) == ["Ignored:book_confirmed", "Ignored:book_confirmed"]


def test_a_lost_connection_doubts_what_it_followed_until_the_next_snapshot() -> None:
    stream, parser = following()
    at_us = stream.now_ms * 1000 + 500
    events = parser.disconnected(SOCKET, at_us, "disconnect", "closed with code 1006")
    (gap,) = events
    assert isinstance(gap, Gap)
    assert (gap.reason, gap.from_ts, gap.to_ts) == ("disconnect", at_us, None)
    assert parser.disconnected(SOCKET, at_us, "disconnect", "again") == []
    stream.connection = "ws-0/2"
    stream.step()
    events = parser.receive(stream.snapshot())
    assert gaps(events) == [("disconnect", True)]
    assert any(isinstance(event, Tick) for event in events)


def test_a_book_known_by_rest_only_is_doubted_with_any_connection() -> None:
    """The venue never sent its snapshot: which socket follows it is not known."""
    stream, parser = Stream(), Parser()
    parser.receive(stream.rest())
    assert trusted(parser) == [True, True]
    assert gaps(parser.disconnected("ws-3/1", 5, "disconnect", "")) == [("disconnect", False)]


def test_a_new_grid_is_a_new_epoch_and_told_twice() -> None:
    stream, parser = following()
    stream.now_ms += 1
    told = [
        stream.frame(event) for event in stream.market.tick_size_changes("0.001", stream.now_ms)
    ]
    events = [event for frame in told for event in parser.receive(frame)]
    assert gaps(events) == [("other", False)]
    market = next(event for event in events if isinstance(event, Market))
    assert market.tick_size == Decimal("0.001")
    assert [kind for kind in kinds(events) if kind.startswith("Ignored")] == [
        "Ignored:duplicate_tick_size_change"
    ] * 2
    assert trusted(parser) == [False, False]
    assert gaps(parser.receive(stream.rest())) == [("other", True)]
    before = parser.hashes["socket_matched"]
    events = [event for frame in stream.step() for event in parser.receive(frame)]
    assert parser.hashes["socket_matched"] > before
    assert gaps(events) == []


def test_a_rest_answer_from_within_the_loss_is_completed_by_time() -> None:
    """Its state is that of the lost change, so that only times tell what comes after it."""
    stream, parser = following()
    stream.step()  # lost
    answer = stream.rest()
    stream.now_ms += 1
    for _ in range(2):
        for frame in stream.step():
            parser.receive(frame)
    assert trusted(parser) == [False, False]
    parser.receive(answer)
    assert trusted(parser) == [True, True]
    assert all(stream.agrees(ours) for ours in parser.books())


def two_changes(stream: Stream) -> list[Frame]:
    """Return two messages of one millisecond, about two levels."""
    stream.now_ms += 1
    prices = sorted(stream.market.levels.bids)[:2]
    return [
        stream.frame(
            stream.market.price_change([Change("bid", price, 100, 4_200 + price)], stream.now_ms)
        )
        for price in prices
    ]


def test_changes_that_a_rest_answer_holds_already_do_not_undo_it() -> None:
    stream, parser = Stream(), Parser()
    parser.receive(stream.listing())
    first, second = two_changes(stream)
    parser.receive(stream.rest())
    assert set(kinds(parser.receive(first))) == {"Ignored:stale_change"}
    assert set(kinds(parser.receive(second))) == {"Ignored:duplicate_change"}
    assert all(stream.agrees(ours) and ours.trusted for ours in parser.books())


def test_a_frame_sent_twice_is_a_duplicate() -> None:
    stream, parser = following()
    first, second = two_changes(stream)
    parser.receive(first)
    assert set(kinds(parser.receive(first))) == {"Ignored:duplicate_change"}
    parser.receive(second)
    assert set(kinds(parser.receive(first))) == {"Ignored:duplicate_change"}
    assert all(stream.agrees(ours) and ours.trusted for ours in parser.books())


def test_another_book_at_the_same_moment_is_a_mismatch_and_its_cure() -> None:
    """Without hashes that can be checked, a snapshot tells that a change was lost before it."""
    parser = Parser()
    said(parser, book([("0.4", "1")], [], hash="aa"))
    events = said(parser, book([("0.4", "2")], [], hash="aa"))
    assert gaps(events) == [("book_mismatch", False), ("book_mismatch", True)]
    assert not any(isinstance(event, SnapshotNeeded) for event in events)
    assert trusted(parser) == [True]


def test_a_whole_book_with_another_hash_is_not_believed() -> None:
    stream, parser = following()
    stream.now_ms += 1
    stream.market.stamp(stream.now_ms)
    wrong = stream.market.traded_book(stream.first)
    wrong["bids"] = wrong["bids"][:-1]
    events = parser.receive(stream.frame(wrong))
    assert gaps(events) == [("book_mismatch", False)]
    assert sorted(trusted(parser)) == [False, True]
    assert parser.hashes["socket_mismatched"] == 1
    assert gaps(parser.receive(stream.rest())) == [("book_mismatch", True)]


def test_hashes_of_an_unknown_recipe_prove_nothing() -> None:
    """As before mid-2025: the book is believed, and the count says that it was not proved."""
    stream, parser = Stream(), Parser()
    parser.receive(stream.listing())
    first = stream.market.first_book(stream.first)
    first["hash"] = "ab" * 20
    assert kinds(parser.receive(stream.frame(first))) == ["Tick:quote"]
    assert parser.hashes == {"socket_mismatched_unproven": 1}
    assert trusted(parser) == [True]


def test_a_book_older_than_its_connection_is_stale() -> None:
    stream, parser = following()
    old = stream.snapshot()
    stream.now_ms += 5
    for frame in stream.step():
        parser.receive(frame)
    assert kinds(parser.receive(old)) == ["Ignored:stale_book"] * 2
    said(parser, "{", at_us=stream.now_ms * 1000)
    assert kinds(parser.receive(old)) == ["Ignored:book_older"] * 2
    assert trusted(parser) == [False, False]


def test_a_token_does_not_move_to_another_market() -> None:
    parser = Parser()
    said(parser, book([("0.4", "1")], []))
    (event,) = said(parser, book([("0.4", "1")], [], market="0x" + "cd" * 32))
    assert kinds([event]) == ["Rejected:shape"]


@pytest.mark.parametrize("bid", [None, "", "x", [], -1])
def test_a_top_that_cannot_be_read_doubts_no_book(bid: object) -> None:
    """It is only compared, and what a one-sided one looks like is not known."""
    stream, parser = following()
    event = stream.market.best_bid_ask(stream.first) | {"best_bid": bid}
    assert gaps(parser.receive(stream.frame(event))) == []
    assert trusted(parser) == [True, True]


def test_an_announcement_that_cannot_be_read_doubts_no_book() -> None:
    """They come of all markets of the venue, followed or not."""
    _, parser = following()
    assert kinds(said(parser, {"event_type": "new_market"})) == ["Rejected:id"]
    assert trusted(parser) == [True, True]


def test_a_book_that_agrees_again_has_nothing_on_its_way() -> None:
    """Else the next change in flight, whenever it comes, would pass for one kept from us."""
    stream, parser = following()
    stream.now_ms += 1
    stream.market.price_change([Change("bid", 10, 100, 100)], stream.now_ms)
    assert kinds(parser.receive(stream.rest())) == ["Ignored:book_ahead"] * 2
    stream.market.price_change([Change("bid", 10, -100, 0)], stream.now_ms)
    assert kinds(parser.receive(stream.rest())) == ["Ignored:book_confirmed"] * 2
    stream.now_ms += 10_000
    stream.step()
    assert kinds(parser.receive(stream.rest())) == ["Ignored:book_ahead"] * 2


def test_no_gap_is_opened_over_a_market_that_nobody_follows_any_more() -> None:
    stream, parser = following()
    answer = stream.rest()
    stream.market.winner = stream.first.token_id
    parser.receive(stream.frame(market_resolved(stream.market, stream.now_ms)))
    parser.receive(answer)
    at_us = stream.now_ms * 1000 + 500
    assert gaps(parser.disconnected(SOCKET, at_us, "disconnect", "closed with code 1006")) == []
    assert trusted(parser) == [False, False]


def test_a_finished_market_keeps_no_levels() -> None:
    stream, parser = following()
    stream.market.winner = stream.first.token_id
    parser.receive(stream.frame(market_resolved(stream.market, stream.now_ms)))
    assert [(ours.bids, ours.asks) for ours in parser.books()] == [({}, {}), ({}, {})]


@pytest.mark.parametrize("later_ms", [0, 1])
def test_a_slower_socket_does_not_turn_a_book_back(later_ms: int) -> None:
    """Each socket that follows one of a market's tokens is sent the changes of both."""
    stream, parser = following()
    stream.connection = "ws-1/1"
    parser.receive(stream.snapshot())
    stream.now_ms += 1
    prices = sorted(stream.market.levels.bids)[:2]
    slow = []
    for price in prices:
        change = stream.market.price_change([Change("bid", price, 100, 4_200)], stream.now_ms)
        books = [stream.market.traded_book(token) for token in stream.market.tokens]
        slow += [stream.frame(event, SOCKET) for event in books]
        parser.receive(stream.frame(change))
        stream.now_ms += later_ms
    for frame in slow:
        assert gaps(parser.receive(frame)) == []
        assert all(stream.agrees(ours) and ours.trusted for ours in parser.books())


def test_a_crossed_snapshot_tells_nothing_good_of_its_own_moment() -> None:
    parser = Parser()
    said(parser, book([("0.4", "1")], [("0.5", "1")]), at_us=5)
    crossed = book([("0.6", "1")], [("0.5", "1")], timestamp="1700000000001")
    gap = next(event for event in said(parser, crossed, at_us=9) if isinstance(event, Gap))
    assert (gap.reason, gap.from_ts) == ("crossed_book", 5)


@pytest.mark.parametrize("missing", [("bids",), ("asks",), ("bids", "asks")])
def test_a_book_without_a_side_is_not_an_empty_one(missing: tuple[str, ...]) -> None:
    """What is missing is not nothing: an empty side is written as an empty array."""
    parser = Parser()
    said(parser, book([("0.4", "1")], [("0.5", "1")]))
    other = book([("0.3", "1")], [("0.6", "1")], timestamp="1700000000001")
    events = said(parser, {key: other[key] for key in other if key not in missing})
    assert kinds(events) == ["Rejected:shape", "Gap:parse_failure", "SnapshotNeeded:"]
    assert trusted(parser) == [False]


@pytest.mark.parametrize("junk", [0, "", False, {}])
def test_junk_is_no_empty_side(junk: object) -> None:
    parser = Parser()
    events = said(parser, book([("0.4", "1")], []) | {"asks": junk})
    assert kinds(events) == ["Rejected:shape"]
    rest = {key: value for key, value in book([("0.4", "1")], []).items() if key != "event_type"}
    del rest["asks"]
    assert kinds(said(parser, rest, connection="rest:book")) == ["Tick:quote"]


def test_the_gap_of_a_book_that_makes_room_is_ended() -> None:
    parser = Parser(most_tokens=1)
    said(parser, book([("0.4", "1")], []))
    assert gaps(said(parser, "{")) == [("parse_failure", False)]
    other = book([("0.4", "1")], [], market="0x" + "cd" * 32, asset_id="3" * 77)
    events = said(parser, other, at_us=9)
    assert kinds(events) == ["Gap:parse_failure", "Tick:quote"]
    gap = events[0]
    assert isinstance(gap, Gap)
    assert (gap.market_id, gap.to_ts) == (MARKET, 9)
