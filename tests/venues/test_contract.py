"""What every venue's connector must do, against its simulator. A new venue joins by its name."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from pathlib import Path

import pytest

from connectors.capture import Capture, read_frames
from connectors.events import Frame, Rejected
from connectors.playback import play
from connectors.venues import venue
from echoarb.simulators.faults import FaultKind
from schemas.clock import now_us
from schemas.codec import encode
from schemas.gap import Gap
from schemas.tick import Tick
from schemas.topics import PLATFORMS
from tests.venues.live import live

platforms = pytest.mark.parametrize("platform", PLATFORMS)


@platforms
async def test_every_market_is_found_and_every_book_is_right(platform: str, tmp_path: Path) -> None:
    started = now_us()
    async with live(platform, tmp_path) as running:
        await running.until(lambda: len(running.kept.ticks) > 300)
        await running.settle()
        kept = running.kept
        books = {(book["market_id"], book["outcome_id"]) for book in running.simulator.books()}
        assert {(tick.market_id, tick.outcome_id) for tick in kept.ticks} == books
        assert {market.market_id for market in kept.markets} == {market for market, _ in books}
        assert {tick.kind for tick in kept.ticks} == {"quote", "trade"}
        for tick in kept.ticks:
            assert started <= tick.ingest_ts <= now_us()
            assert tick.source_ts is None or abs(tick.ingest_ts - tick.source_ts) < 60_000_000
            assert (tick.price is None) == (tick.kind == "quote")
        assert kept.gaps == []
        assert len({tick.tick_id for tick in kept.ticks}) >= 0.99 * len(kept.ticks)


@platforms
async def test_the_last_quote_is_the_top_of_the_true_book(platform: str, tmp_path: Path) -> None:
    async with live(platform, tmp_path) as running:
        await running.until(lambda: len(running.kept.ticks) > 200)
        await running.settle()
        last = {tick.outcome_id: tick for tick in running.kept.ticks if tick.kind == "quote"}
        for book in running.simulator.books():
            quote = last[book["outcome_id"]]
            for side, price, size in (
                ("bids", quote.bid, quote.bid_size),
                ("asks", quote.ask, quote.ask_size),
            ):
                best = book[side][0] if book[side] else [None, None]
                assert [price, size] == [None if part is None else Decimal(part) for part in best]


@platforms
async def test_a_captured_session_replays_to_byte_equal_ticks(
    platform: str, tmp_path: Path
) -> None:
    """With a reconnect in the middle. Only emit_ts is not of the session: it is set equal."""
    async with live(platform, tmp_path) as running:
        await running.until(lambda: len(running.kept.ticks) > 150)
        await running.simulator.drop_all()
        await running.until(lambda: bool(running.open_gaps()))
        await running.until(lambda: not running.open_gaps())
        await running.settle()
        kept = running.kept
    capture = Capture(tmp_path / "capture", platform, 100_000)
    for frame in kept.frames:
        capture.write(frame)
    capture.close()
    files = sorted((tmp_path / "capture").iterdir())
    for _ in range(2):
        frames = [frame for path in files for frame in read_frames(path)]
        again = [
            event for event in play(venue(platform).new_parser(), frames) if isinstance(event, Tick)
        ]
        assert [datum(tick) for tick in again] == [datum(tick) for tick in kept.ticks]


def datum(tick: Tick) -> bytes:
    return encode(dataclasses.replace(tick, emit_ts=0))


@platforms
async def test_a_second_connector_gives_the_same_ids(platform: str, tmp_path: Path) -> None:
    """Another connection, other receive times: what both saw has one id."""
    async with live(platform, tmp_path, rate=60) as running:
        await running.until(lambda: len(running.kept.ticks) > 100)
        await running.simulator.drop_all()
        await running.until(lambda: len(running.kept.ticks) > 250)
        frames = running.kept.frames
    first = ids(platform, frames)
    late = [dataclasses.replace(frame, received_us=frame.received_us + 1234) for frame in frames]
    assert ids(platform, late) == first


def ids(platform: str, frames: list[Frame]) -> list[str]:
    events = play(venue(platform).new_parser(), frames)
    return [str(event.tick_id) for event in events if isinstance(event, Tick)]


@platforms
@pytest.mark.parametrize("kind", ["drop", "stall", "gap", "garbage", "duplicate", "slow_reader"])
async def test_each_fault_heals_and_is_on_record(
    platform: str, kind: FaultKind, tmp_path: Path
) -> None:
    async with live(platform, tmp_path) as running:
        await running.until(lambda: len(running.kept.ticks) > 100)
        before = len(running.kept.gaps)
        running.fault(kind, count=3, seconds=3)
        if kind == "drop":
            await running.simulator.drop_all()
        if kind in ("drop", "stall"):
            # Nothing else can tell that something was missed: it must be on record.
            await running.until(lambda: len(running.kept.gaps) > before)
        seen = len(running.kept.ticks)
        await running.until(lambda: len(running.kept.ticks) > seen + 100, 40)
        await running.settle(40)
        assert all(gap.reason != "other" for gap in running.kept.gaps)


@platforms
@pytest.mark.parametrize("kind", ["http_429", "http_500", "bad_key"])
async def test_refusals_are_waited_out(platform: str, kind: FaultKind, tmp_path: Path) -> None:
    async with live(platform, tmp_path) as running:
        await running.until(lambda: len(running.kept.ticks) > 50)
        running.fault(kind, count=4, seconds=1.5)
        await running.simulator.drop_all()
        seen = len(running.kept.ticks)
        await running.until(lambda: len(running.kept.ticks) > seen + 50, 40)
        await running.settle(40)


@platforms
async def test_a_replay_of_what_faults_left_does_not_raise(platform: str, tmp_path: Path) -> None:
    async with live(platform, tmp_path) as running:
        await running.until(lambda: len(running.kept.ticks) > 50)
        running.fault("garbage", count=5)
        running.fault("gap", count=2)
        await running.until(lambda: len(running.kept.ticks) > 200, 40)
        frames = running.kept.frames
    events = [*play(venue(platform).new_parser(), frames)]
    assert any(isinstance(event, Rejected | Gap) for event in events)
