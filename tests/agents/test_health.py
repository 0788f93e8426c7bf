"""Stuck is: something to do, nothing done, nobody waited for."""

from __future__ import annotations

from agents.health import Progress, Standing

BEHIND = {"p": Standing(committed=5, read=8, end=9, in_hand=True)}


def test_stuck_counts_from_the_last_move() -> None:
    progress = Progress(0)
    assert progress.stuck_seconds(10, BEHIND, waiting=False) == 0
    assert progress.stuck_seconds(40, BEHIND, waiting=False) == 30
    moved = {"p": Standing(committed=6, read=8, end=9, in_hand=True)}
    assert progress.stuck_seconds(50, moved, waiting=False) == 0


def test_waiting_for_something_unreachable_is_not_stuck() -> None:
    progress = Progress(0)
    progress.stuck_seconds(0, BEHIND, waiting=False)
    assert progress.stuck_seconds(1000, BEHIND, waiting=True) == 0
    assert progress.stuck_seconds(1010, BEHIND, waiting=False) == 10


def test_nothing_to_do_is_not_stuck() -> None:
    done = {"p": Standing(committed=5, read=9, end=9, in_hand=False)}  # 5..8 have no records
    progress = Progress(0)
    progress.stuck_seconds(0, done, waiting=False)
    assert progress.stuck_seconds(1000, done, waiting=False) == 0
    assert not done["p"].past_end
    assert done["p"].lag == 4


def test_reading_behind_the_end_is_noticed() -> None:
    assert Standing(committed=5, read=9, end=3, in_hand=False).past_end
    assert not Standing(committed=None, read=None, end=None, in_hand=False).past_end
