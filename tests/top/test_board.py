"""What the board makes of ticks and lists."""

from __future__ import annotations

from typing import Any

from echoarb.top import board as boards
from echoarb.top.board import Board
from echoarb.top.rate import Rate


def tick(**changes: Any) -> dict[str, Any]:
    found = {
        "platform": "kalshi",
        "market_id": "KXA",
        "outcome_id": "KXA",
        "outcome": "yes",
        "ingest_ts": "2026-07-25T17:20:00.000000Z",
        "source_ts": None,
        "kind": "quote",
        "price": None,
        "size": None,
        "side": None,
        "bid": "0.4",
        "bid_size": "1",
        "ask": "0.5",
        "ask_size": "2",
        "volume": None,
    }
    return found | changes


def test_a_quote_and_a_trade_make_one_row() -> None:
    board = Board()
    board.tick(tick())
    board.tick(tick(kind="trade", bid=None, ask=None, price="0.45", size="7", volume="70"))

    (row,) = board.rows("ticks")
    assert (row["bid"], row["ask"], row["price"], row["size"]) == ("0.4", "0.5", "0.45", "7")
    assert (row["volume"], row["changes"], board.ticks) == ("70", 2, 2)


def test_a_side_that_is_gone_is_missing_and_not_the_old_one() -> None:
    board = Board()
    board.tick(tick())
    board.tick(tick(ask=None, ask_size=None))

    assert board.rows("ticks")[0]["ask"] is None


def test_it_says_where_the_middle_went() -> None:
    board = Board()
    moved = []
    for bid in ("0.4", "0.42", "0.42", "0.3"):
        board.tick(tick(bid=bid))
        moved.append(board.rows("ticks")[0]["moved"])

    assert moved == [0, 1, 0, -1]


def test_stored_state_names_the_outcome_and_never_replaces_what_came_live() -> None:
    board = Board()
    board.tick(tick(bid="0.41"))
    stored = {
        "platform": "kalshi",
        "market_id": "KXA",
        "outcome": "yes",
        "bid": "0.1",
        "quote_ts": "2026-07-25T17:00:00.000000Z",
        "trade_ts": None,
    }
    board.latest([{**stored, "outcome_id": "KXA", "title": "Rain?"}])
    board.latest([{**stored, "outcome_id": "KXB", "title": None}])

    rows = {row["outcome_id"]: row for row in board.rows("ticks")}
    assert (rows["KXA"]["bid"], rows["KXA"]["title"]) == ("0.41", "Rain?")
    assert (rows["KXB"]["bid"], rows["KXB"]["title"]) == ("0.1", "KXA")
    assert rows["KXB"]["ingest_ts"] == "2026-07-25T17:00:00.000000Z"


def test_the_outcome_that_was_longest_quiet_makes_room(monkeypatch: Any) -> None:
    monkeypatch.setattr(boards, "MOST_OUTCOMES", 2)
    board = Board()
    for outcome in ("A", "B", "A", "C"):
        board.tick(tick(outcome_id=outcome))

    assert {row["outcome_id"] for row in board.rows("ticks")} == {"A", "C"}


def test_lists_are_replaced_whole() -> None:
    board = Board()
    board.replace("alerts", [{"alert_id": "1"}])
    board.replace("alerts", [{"alert_id": "2"}])

    assert board.rows("alerts") == [{"alert_id": "2"}]
    assert board.rows("gaps") == []


def test_the_rate_is_of_the_last_seconds() -> None:
    rate = Rate()
    assert rate.after(0, now=0) == 0
    assert rate.after(10, now=1) == 10
    for second in range(2, 12):
        found = rate.after(10, now=second)
    assert found == 0
