"""Every recording of Kalshi's folder, frame by frame."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from connectors.amounts import ONE, decimal
from connectors.book import Book
from connectors.events import Frame, Ignored, Rejected
from connectors.kalshi.parse import Parser
from schemas.codec import encode
from schemas.gap import Gap
from schemas.market import Market
from schemas.tick import Tick
from tests.venues.kalshi import recordings
from tests.venues.kalshi.recordings import TAPES, play


@pytest.fixture
def folder(venues: Path) -> Path:
    return venues / "kalshi"


def test_the_production_session_is_whole(folder: Path) -> None:
    parser = Parser()
    _, figures = play(parser, recordings.session(folder))
    assert figures == {
        "frames": 74,
        "ticks": {"quote": 43},
        "gaps": {},
        "markets": 0,
        "applied": {"orderbook_delta": 26},
        "ignored": {"error_8": 3, "subscribed": 2},
        "rejected": {},
    }
    assert len([*parser.books()]) == 8
    assert all(book.trusted for book in parser.books())


def test_source_times_of_the_session_have_the_microseconds_of_ts(folder: Path) -> None:
    events, _ = play(Parser(), recordings.session(folder))
    sources = [event.source_ts for event in events if isinstance(event, Tick)]
    # The eight snapshots carry no time; the delta of 05:34:55.159303Z changes a top.
    assert sources[:8] == [None] * 8
    assert None not in sources[8:]
    assert 1_776_490_495_159_303 in sources


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        (
            TAPES[0],
            {
                "frames": 23003,
                "ticks": {"quote": 5774, "trade": 977},
                "gaps": {},
                "markets": 0,
                "applied": {"orderbook_delta": 16252},
                "ignored": {},
                "rejected": {},
            },
        ),
        (
            TAPES[1],
            {
                "frames": 34334,
                "ticks": {"quote": 8434, "trade": 819},
                "gaps": {"sequence": 2},
                "markets": 0,
                "applied": {"orderbook_delta": 25080, "orderbook_snapshot": 1},
                "ignored": {},
                "rejected": {},
            },
        ),
    ],
)
def test_a_tape_keeps_every_invariant(folder: Path, name: str, figures: dict[str, object]) -> None:
    parser = Parser(extract=True)
    ids: set[object] = set()
    ticks = 0
    last_quote: Tick | None = None

    def watched() -> Iterable[Frame]:
        for frame in recordings.tape(folder, name):
            yield frame
            for book in parser.books():
                assert_sound(book)

    events, found = play(parser, watched())
    for event in events:
        if isinstance(event, Tick):
            ticks += 1
            ids.add(event.tick_id)
            encode(replace(event, emit_ts=event.ingest_ts))
            if event.kind == "quote":
                last_quote = event
                assert event.bid is None or event.ask is None or event.bid < event.ask
    assert found == figures
    assert len(ids) == ticks
    # The market closes: both sides end empty, and that is a quote like any other.
    assert last_quote is not None
    assert (last_quote.bid, last_quote.ask) == (None, None)


def assert_sound(book: Book) -> None:
    """Never negative, never crossed or locked; the top is the best level."""
    assert book.trusted
    top = book.top()
    if book.bids and book.asks:
        assert top.bid is not None
        assert top.ask is not None
        assert top.bid < top.ask
    for best, levels in ((top.bid, book.bids), (top.ask, book.asks)):
        assert (best is None) == (not levels)
        assert best is None or levels[best] > 0


def test_books_of_a_tape_equal_a_plain_reckoning(folder: Path) -> None:
    """Decimals and dictionaries only, nothing of ours, checked at every snapshot and the end."""
    for name in TAPES:
        parser = Parser(extract=True)
        ladders: dict[str, dict[Decimal, Decimal]] = {"yes": {}, "no": {}}
        for number, frame in enumerate(recordings.tape(folder, name)):
            parser.receive(frame)
            said = json.loads(frame.text)
            message = said["msg"]
            if said["type"] == "orderbook_snapshot":
                ladders = {
                    side: {Decimal(p): Decimal(q) for p, q in message.get(f"{side}_dollars_fp", [])}
                    for side in ("yes", "no")
                }
            elif said["type"] == "orderbook_delta":
                ladder = ladders[message["side"]]
                price = Decimal(message["price_dollars"])
                ladder[price] = ladder.get(price, Decimal(0)) + Decimal(message["delta_fp"])
                if not ladder[price]:
                    del ladder[price]
            if number % 500 == 0 or said["type"] == "orderbook_snapshot":
                (book,) = parser.books()
                assert {decimal(p): decimal(q) for p, q in book.bids.items()} == ladders["yes"]
                asks = {decimal(ONE - p): decimal(q) for p, q in book.asks.items()}
                assert asks == ladders["no"]


def test_the_reconnect_tape_replaces_the_book(folder: Path) -> None:
    """At line 4,080 seq falls from 12,560,893 to 22 and the snapshot differs from the book."""
    parser = Parser(extract=True)
    frames = [*recordings.tape(folder, TAPES[1])]
    play(parser, frames[:4079])
    (book,) = parser.books()
    before = dict(book.bids)
    events = parser.receive(frames[4079])
    gaps = [event for event in events if isinstance(event, Gap)]
    assert [gap.reason for gap in gaps] == ["sequence", "sequence"]
    assert [gap.to_ts for gap in gaps] == [None, frames[4079].received_us]
    assert gaps[0].gap_id == gaps[1].gap_id
    assert gaps[0].from_ts == max(
        frame.received_us for frame in frames[:4079] if '"type":"trade"' not in frame.text
    )
    assert book.bids != before
    assert book.trusted
    stated = json.loads(frames[4079].text)["msg"]["yes_dollars_fp"]
    assert {decimal(p): decimal(q) for p, q in book.bids.items()} == {
        Decimal(p): Decimal(q) for p, q in stated
    }


def test_without_extract_a_tape_is_full_of_losses(folder: Path) -> None:
    """The rule that extract switches off is really on: nothing is quoted from such a book."""
    parser = Parser()
    events, figures = play(parser, [*recordings.tape(folder, TAPES[0])][:2000])
    assert figures["gaps"]["sequence"] > 0
    (book,) = parser.books()
    assert not book.trusted
    assert sum(isinstance(event, Tick) and event.kind == "quote" for event in events) <= 1


def ids_of(parser: Parser, frames: Iterable[Frame]) -> list[object]:
    events, _ = play(parser, frames)
    return [event.tick_id for event in events if isinstance(event, Tick)]


@pytest.mark.parametrize("name", ["session", *TAPES])
def test_ids_are_the_same_in_every_replay(folder: Path, name: str) -> None:
    def frames() -> Iterable[Frame]:
        if name == "session":
            return recordings.session(folder)
        return recordings.tape(folder, name)

    first = ids_of(Parser(extract=True), frames())
    assert ids_of(Parser(extract=True), frames()) == first
    elsewhere = (
        replace(frame, received_us=frame.received_us + 777, connection="ws-7/9")
        for frame in frames()
    )
    assert ids_of(Parser(extract=True), elsewhere) == first


@pytest.mark.parametrize("name", TAPES)
@pytest.mark.parametrize("announced", [True, False])
def test_ids_are_the_same_after_a_reconnect(folder: Path, name: str, announced: bool) -> None:
    """Half of a tape, a new connection with sids and numbers from 1, the rest."""
    frames = [*recordings.tape(folder, name)]
    first = ids_of(Parser(extract=True), frames)
    parser = Parser(extract=True)
    half = len(frames) // 2
    again = ids_of(parser, frames[:half])
    at_us = frames[half - 1].received_us
    if announced:
        opened = parser.disconnected(recordings.CONNECTION, at_us, "disconnect", "test")
        assert [gap.reason for gap in opened if isinstance(gap, Gap)] == ["disconnect"]
    (book,) = parser.books()
    assert book.trusted != announced
    snapshot = {
        "type": "orderbook_snapshot",
        "sid": 1,
        "seq": 1,
        "msg": {
            "market_ticker": book.market_id,
            "yes_dollars_fp": [[str(decimal(p)), str(decimal(q))] for p, q in book.bids.items()],
            "no_dollars_fp": [
                [str(decimal(ONE - p)), str(decimal(q))] for p, q in book.asks.items()
            ],
        },
    }
    rest = [Frame(at_us, "ws-0/2", json.dumps(snapshot))]
    counts = {1: 1, 2: 0}
    for frame in frames[half:]:
        said = json.loads(frame.text)
        counts[said["sid"]] += 1
        said["seq"] = counts[said["sid"]]
        rest.append(Frame(frame.received_us, "ws-0/2", json.dumps(said)))
    events, figures = play(parser, rest)
    again += [event.tick_id for event in events if isinstance(event, Tick)]
    assert again == first
    closed = [event for event in events if isinstance(event, Gap) and event.to_ts is not None]
    assert [gap.reason for gap in closed] == ["disconnect"]
    assert figures["rejected"] == {}


def test_frames_of_every_era_are_understood(folder: Path) -> None:
    parser = Parser(extract=True)
    events, figures = play(parser, recordings.by_era(folder))
    assert figures["rejected"] == {}
    assert figures["gaps"] == {}
    assert not any(kind.startswith("unknown") for kind in figures["ignored"])
    trades = [event for event in events if isinstance(event, Tick) and event.kind == "trade"]
    assert [(str(trade.price), str(trade.size), trade.side) for trade in trades] == [
        ("0.27", "7", "buy"),
        ("0.89", "3", "buy"),
        ("0.8", "2", "sell"),
    ]
    assert [trade.source_ts for trade in trades] == [
        1_759_350_609_000_000,
        1_773_331_880_000_000,
        1_786_956_599_391_000,
    ]
    quotes = [event for event in events if isinstance(event, Tick) and event.kind == "quote"]
    assert [(quote.bid, quote.ask) for quote in quotes] == [
        (None, Decimal("0.03")),
        (Decimal("0.11"), Decimal("0.12")),
        (Decimal("0.37"), Decimal("0.43")),
    ]
    assert quotes[1].volume == 351_970
    (created,) = [event for event in events if isinstance(event, Market)]
    assert created.title == "Will Eva Lys win the Lys vs Gauff match?"
    assert created.status == "open"


def test_the_venues_examples_are_understood(folder: Path) -> None:
    events, figures = play(Parser(extract=True), recordings.official(folder))
    assert figures["rejected"] == {}
    unknown = {kind for kind in figures["ignored"] if kind.startswith("unknown")}
    assert unknown == set()
    trades = [event for event in events if isinstance(event, Tick) and event.kind == "trade"]
    assert {trade.price for trade in trades} == {Decimal("0.36")}
    titles = {event.title for event in events if isinstance(event, Market)}
    assert "S&P 500 closes up by 0.02% or more" in titles


def test_pages_become_markets(folder: Path) -> None:
    parser = Parser()
    events, figures = play(parser, recordings.pages(folder))
    assert figures["rejected"] == {}
    markets = [event for event in events if isinstance(event, Market)]
    # 5 and 18 of the pages, 3 of the polled event (31 polls change nothing but volume), 2 ended.
    assert len(markets) == 5 + 18 + 3 + 2 == len(parser.markets)
    for market in markets:
        encode(market)
    gold = parser.markets["KXGOLD15M-26AUG101900-00"]
    assert (gold.status, gold.resolution) == ("resolved", "yes")
    assert gold.close_ts == 1_786_402_800_000_000
    assert gold.tick_size == Decimal("0.01")
    assert gold.event_id == "KXGOLD15M-26AUG101900"
    assert parser.markets["KXFEDMENTION-26MAR-JUDY"].min_size == 1


def test_recorded_answers_end_as_something(folder: Path) -> None:
    for status, frame in recordings.rest_bodies(folder):
        events = Parser().receive(frame)
        if status == 200:
            assert not any(isinstance(event, Rejected) for event in events)
        else:
            assert all(isinstance(event, Rejected | Ignored) for event in events)


def test_a_trade_has_one_id_by_socket_and_by_rest(folder: Path) -> None:
    (frame,) = [frame for _, frame in recordings.rest_bodies(folder) if "0723a045" in frame.text]
    (tick,) = Parser().receive(frame)
    assert isinstance(tick, Tick)
    assert tick.source_ts == 1_790_463_162_728_645
    by_socket = json.loads(frame.text)["trades"][0]
    by_socket["market_ticker"] = by_socket.pop("ticker")
    del by_socket["created_time"]
    text = json.dumps({"type": "trade", "sid": 2, "seq": 1, "msg": by_socket})
    (same,) = Parser().receive(Frame(recordings.AT_US, recordings.CONNECTION, text))
    assert isinstance(same, Tick)
    assert same.tick_id == tick.tick_id
