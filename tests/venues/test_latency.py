"""Latency quantiles of recorded traffic, counted in parts and merged, against the exact ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import ceil
from pathlib import Path

import numpy as np
import pytest

from connectors.events import Frame
from connectors.kalshi.parse import Parser as KalshiParser
from connectors.playback import play
from connectors.polymarket.parse import Parser as PolymarketParser
from schemas.histogram import Histogram, count
from schemas.tick import Tick
from tests.venues.kalshi import recordings as kalshi_recordings
from tests.venues.polymarket import recordings as polymarket_recordings

BTC = "ws/books_btc5m_2026-04-16_a.jsonl.gz"


def latencies(parser: KalshiParser | PolymarketParser, frames: Iterable[Frame]) -> list[int]:
    """Return how long after the venue's time each tick was received, microseconds."""
    return [
        event.ingest_ts - event.source_ts
        for event in play(parser, frames)
        if isinstance(event, Tick) and event.source_ts is not None
    ]


def kalshi_tape(venues: Path) -> list[int]:
    frames = kalshi_recordings.tape(venues / "kalshi", kalshi_recordings.TAPES[0])
    return latencies(KalshiParser(), frames)


def kalshi_session(venues: Path) -> list[int]:
    return latencies(KalshiParser(), kalshi_recordings.session(venues / "kalshi"))


def polymarket_books(venues: Path) -> list[int]:
    recorded = polymarket_recordings.frames_of(venues / "polymarket", BTC)[:5000]
    frames = polymarket_recordings.with_metadata(recorded)
    return latencies(PolymarketParser(), frames)


@pytest.mark.parametrize("recording", [kalshi_tape, kalshi_session, polymarket_books])
def test_quantiles_are_within_two_percent(
    recording: Callable[[Path], list[int]], venues: Path
) -> None:
    found = recording(venues)
    assert len(found) >= 10, "the recording has no times to compare"
    merged = Histogram()
    for part in range(6):
        merged += count(np.array(found[part::6], dtype=np.int64))
    exact = sorted(found)
    for quantile in (0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 1.0):
        (value,) = merged.quantiles([quantile])
        wanted = exact[ceil(quantile * len(exact)) - 1]
        assert value is not None
        assert abs(value - wanted) <= abs(wanted) * 0.02
