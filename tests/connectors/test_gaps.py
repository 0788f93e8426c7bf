"""Gaps open once, close with the same id, and have ids that depend on where they began."""

from __future__ import annotations

from connectors.gaps import GapLedger, make_gap


def test_a_gap_keeps_its_id_from_opening_to_closing() -> None:
    ledger = GapLedger("kalshi")
    (opened,) = ledger.open("M", "ws-0/1", "sequence", 10, missed=3)
    assert opened.to_ts is None
    assert ledger.is_open("M")
    assert ledger.open("M", "ws-0/1", "crossed_book", 11) == []
    (closed,) = ledger.close("M", 20)
    assert (closed.gap_id, closed.from_ts, closed.to_ts, closed.missed) == (
        opened.gap_id,
        10,
        20,
        3,
    )
    assert closed.reason == "sequence"
    assert not ledger.is_open("M")
    assert ledger.close("M", 30) == []


def test_gaps_of_other_markets_and_times_have_other_ids() -> None:
    ids = {
        make_gap("kalshi", market, "c", "silence", start).gap_id
        for market in ("A", "B", None)
        for start in (1, 2)
    }
    assert len(ids) == 6
