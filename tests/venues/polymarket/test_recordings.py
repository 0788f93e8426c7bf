"""Every recording of the venue through the parser: nothing raises, and the figures are these."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path

import pytest

from connectors.events import Event, Frame, Ignored, Rejected
from connectors.playback import play
from connectors.polymarket.parse import Parser
from schemas.gap import Gap
from schemas.market import Market
from schemas.tick import Tick
from tests.venues.polymarket.recordings import frames_of, with_metadata

FIGURES: dict[str, dict[str, int]] = {
    "ws/session_negrisk_2026-07-20.jsonl": {
        "Applied:book": 1,
        "Applied:price_change": 22,
        "Ignored:no_snapshot": 24,
        "Tick:quote": 3,
        "Tick:trade": 1,
    },
    "ws/trades_nba_2025-10-30.jsonl": {"Tick:trade": 594},
    "ws/book_deltas_book_2025-10-30.json": {
        "Applied:book": 1,
        "Applied:price_change": 39,
        "Market": 1,
        "Tick:quote": 31,
    },
    "ws/locked_book_2025-10-30.jsonl": {"Ignored:no_snapshot": 1, "Tick:quote": 1},
    "ws/rare_events_2026-09-09.jsonl": {
        "Applied:market_resolved": 1,
        "Applied:tick_size_change": 2,
        "Ignored:best_bid_ask": 5,
        "Ignored:duplicate_tick_size_change": 2,
        "Market": 1,
    },
    "ws/market_resolved_2026-08-19.jsonl": {"Applied:market_resolved": 1},
    "ws/official_docs_examples.jsonl": {
        "Gap:other": 1,
        "Ignored:best_bid_ask": 1,
        "Ignored:no_snapshot": 1,
        "Market": 2,
        "SnapshotNeeded": 1,
        "Tick:quote": 1,
        "Tick:trade": 1,
    },
    "ws/legacy_price_change_formats.jsonl": {"Ignored:no_snapshot": 2},
    "rest/book_responses_2026-07-20.jsonl": {"Ignored:missing_book": 1, "Tick:quote": 30},
    # Three polls of twenty tokens: what changed between two polls was not seen.
    "rest/books_batch_2026-03-11_run1.jsonl": {
        "Gap:silence": 28,
        "Ignored:book_confirmed": 26,
        "Tick:quote": 24,
    },
    "rest/small_responses.jsonl": {
        "Ignored:rest_clob-markets": 1,
        "Ignored:rest_fee-rate": 3,
        "Ignored:rest_midpoint": 1,
        "Ignored:rest_tick-size": 1,
    },
    "gamma/market_by_condition_2026-07-20.jsonl": {"Market": 31},
    "gamma/markets_page_0.json": {"Market": 25},
    "gamma/markets_page_1.json": {"Market": 25},
    "gamma/markets_page_2.json": {"Market": 25},
    "gamma/event_with_markets_2026-03-11.json": {"Market": 2},
    "gamma/markets_btc5m_2026-06-08.jsonl.gz": {"Market": 292},
    "data_api/trades_2026-04-18.json": {"Ignored:rest_trades": 1},
    "rtds/price_messages_2026-06.jsonl": {
        "Ignored:unknown:topic_crypto_prices": 2,
        "Ignored:unknown:topic_equity_prices": 2,
    },
    "rtds/server_errors_2026-09-09.jsonl": {"Ignored:empty": 1, "Rejected:venue_error": 2},
}
BTC = "ws/books_btc5m_2026-04-16_a.jsonl.gz"


@pytest.fixture
def folder(venues: Path) -> Path:
    return venues / "polymarket"


def label(event: Event) -> str:
    name = type(event).__name__
    said = getattr(event, "kind", None) or getattr(event, "reason", None)
    return name if said is None or name == "SnapshotNeeded" else f"{name}:{said}"


def played(frames: list[Frame], parser: Parser | None = None) -> list[Event]:
    """Return all events; each frame gave some."""
    parser = parser or Parser()
    events = []
    for frame in frames:
        found = parser.receive(frame)
        assert found, frame.text[:100]
        events += found
    return events


def ids(events: list[Event]) -> list[str]:
    return [str(event.tick_id) for event in events if isinstance(event, Tick)]


def test_every_file_is_tested(folder: Path) -> None:
    files = {str(path.relative_to(folder)) for path in folder.glob("*/*.json*")}
    assert files == {*FIGURES, BTC}


@pytest.mark.parametrize("name", FIGURES)
def test_a_recording_gives_these_events(name: str, folder: Path) -> None:
    events = played(frames_of(folder, name))
    assert dict(Counter(map(label, events))) == FIGURES[name]


@pytest.mark.parametrize("name", FIGURES)
def test_replayed_twice_the_ids_are_the_same(name: str, folder: Path) -> None:
    frames = frames_of(folder, name)
    later = [
        dataclasses.replace(
            frame,
            received_us=frame.received_us + 999,
            connection=frame.connection.replace("ws-0/1", "ws-7/9"),
        )
        for frame in frames
    ]
    assert ids(played(frames)) == ids(played(later))


@pytest.mark.parametrize("cut", [1, 5, 13, 25])
def test_a_reconnect_changes_no_id(cut: int, folder: Path) -> None:
    """The second connection begins with the book as it stood, as the venue's do."""
    frames = frames_of(folder, "ws/book_deltas_book_2025-10-30.json")
    whole = ids(played(frames))
    parser = Parser()
    events = [*play(parser, frames[: cut + 1])]
    snapshot = book_event(parser, frames[cut])
    again = [dataclasses.replace(frame, connection="ws-0/2") for frame in frames[cut + 1 :]]
    events += [
        *play(parser, [dataclasses.replace(frames[cut], connection="ws-0/2", text=snapshot)])
    ]
    events += [*play(parser, again)]
    assert ids(events) == whole
    gaps = [event for event in events if isinstance(event, Gap)]
    assert [gap.to_ts is None for gap in gaps] == [True, False]
    assert gaps[0].reason == "disconnect"
    assert gaps[0].gap_id == gaps[1].gap_id


def book_event(parser: Parser, last: Frame) -> str:
    """Return our book as the snapshot of a new connection."""
    (book,) = parser.books()
    token = parser.following.tokens[book.outcome_id]
    return json.dumps(
        {
            "market": book.market_id,
            "asset_id": book.outcome_id,
            "timestamp": str(token.time_ms),
            "hash": token.hash,
            "bids": [
                {"price": str(p / 10**8), "size": str(s / 10**8)} for p, s in book.best_first("bid")
            ],
            "asks": [
                {"price": str(p / 10**8), "size": str(s / 10**8)} for p, s in book.best_first("ask")
            ],
            "event_type": "book",
        }
    )


def test_the_negrisk_session_is_proved_by_its_hashes(folder: Path) -> None:
    """2 books and 24 changes, with the inputs from the Gamma answer of the same day."""
    parser = Parser()
    played(frames_of(folder, "gamma/market_by_condition_2026-07-20.jsonl"), parser)
    played(frames_of(folder, "ws/session_negrisk_2026-07-20.jsonl"), parser)
    assert parser.hashes == {"socket_matched": 26}
    alone = Parser()
    played(frames_of(folder, "ws/session_negrisk_2026-07-20.jsonl"), alone)
    assert alone.hashes == {"socket_unknown_inputs": 26}


def test_snapshot_and_changes_give_the_next_snapshot(folder: Path) -> None:
    """All 69 changes and both books match their hashes, and the levels are equal."""
    frames = frames_of(folder, "ws/book_deltas_book_2025-10-30.json")
    parser = Parser()
    played(frames[:-1], parser)
    (book,) = parser.books()
    bids, asks = dict(book.bids), dict(book.asks)
    assert parser.hashes == {"socket_matched": 70}
    played(frames[-1:], parser)
    assert (book.bids, book.asks) == (bids, asks)
    assert parser.hashes == {"socket_matched": 71}
    assert book.trusted


def test_after_a_lost_change_the_book_is_right_or_doubted(folder: Path) -> None:
    """Whichever of the changes is lost: the next one's hash tells, unless it set the same level
    and thereby made the book right again."""
    frames = frames_of(folder, "ws/book_deltas_book_2025-10-30.json")
    doubted = 0
    for lost in range(2, len(frames) - 2):
        complete, parser = Parser(), Parser()
        played(frames[: lost + 2], complete)
        events = played(frames[:lost] + frames[lost + 1 : lost + 2], parser)
        gaps = [event for event in events if isinstance(event, Gap)]
        (ours,), (true,) = parser.books(), complete.books()
        if ours.trusted:
            assert not gaps
            assert (ours.bids, ours.asks) == (true.bids, true.asks)
            continue
        doubted += 1
        assert [gap.reason for gap in gaps] == ["book_mismatch"]
        # The next snapshot of the socket heals it.
        healed = played(frames[-1:], parser)
        assert [gap.to_ts is None for gap in healed if isinstance(gap, Gap)] == [False]
    assert doubted > 50


def test_every_rest_book_matches_its_hash(folder: Path) -> None:
    parser = Parser()
    played(frames_of(folder, "rest/book_responses_2026-07-20.jsonl"), parser)
    assert parser.hashes == {"rest_matched": 30}


def test_every_market_of_the_day_is_resolved(folder: Path) -> None:
    markets = [
        event
        for event in played(frames_of(folder, "gamma/markets_btc5m_2026-06-08.jsonl.gz"))
        if isinstance(event, Market)
    ]
    assert {market.status for market in markets} == {"resolved"}
    assert {market.resolution for market in markets} == {"Up", "Down"}
    assert all(len(market.outcomes) == 2 for market in markets)
    assert {str(market.fee_rate) for market in markets} == {"0.07"}


@pytest.mark.slow
def test_forty_thousand_books_match_their_hashes(folder: Path) -> None:
    parser = Parser()
    events = played(with_metadata(frames_of(folder, BTC)), parser)
    counts = Counter(map(label, events))
    assert counts == {"Market": 10, "Tick:quote": 40402, "Applied:book": 42}
    assert parser.hashes == {"socket_matched": 40444}
    assert not any(isinstance(event, Rejected | Ignored | Gap) for event in events)
    assert all(book.trusted and not book.crossed for book in parser.books())
    found = ids(events)
    assert len(set(found)) == len(found)
