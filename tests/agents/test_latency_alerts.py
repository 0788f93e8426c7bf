"""The alerts that rest on latencies, raised by what the ledger makes of ticks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any
from uuid import UUID

from agents.ledger import LatencyLedger
from agents.transport import Batch
from schemas.alert import Alert
from schemas.codec import encode, parsed_schema
from schemas.framing import frame
from schemas.latency import Latency
from schemas.topics import ticks_topic

from .alarm import Sim, Stored, settings
from .lab import tick

MS = 1000


class Feed:
    """Ticks of one platform through the ledger to the alerting, by the simulated clock."""

    def __init__(self, sim: Sim) -> None:
        self._sim = sim
        self._offsets: Iterator[int] = count()
        self._topic = ticks_topic("kalshi")
        self._ledger = LatencyLedger(
            lambda _: parsed_schema("tick"), lambda _: UUID(int=5), self, clock=lambda: sim.now
        )
        self._ledger.restore(Batch(self._topic, 0, [self._record(0, 0)]))

    def of(self, part: str, since_us: int) -> tuple[list[Latency], int]:
        """Return that nothing was published before."""
        return [], 0

    def ticks(self, number: int, *, source: int = 9 * MS, emit: int = MS) -> list[Alert]:
        """Take ticks that are received now, so many microseconds late, and handed on."""
        records = [self._record(source, emit) for _ in range(number)]
        found = self._ledger.process(Batch(self._topic, 0, records), live=True)
        latencies: list[Any] = [item.record for item in found]
        return self._sim.feed(*latencies)

    def _record(self, source: int, emit: int) -> Stored:
        now = self._sim.now
        said = replace(tick(1), ingest_ts=now - emit, emit_ts=now, source_ts=now - emit - source)
        return Stored(next(self._offsets), now // 1000, b"k", frame(7, encode(said)))


def brief(alerts: list[Alert]) -> list[tuple[str, str, str]]:
    return [(alert.rule, alert.subject, alert.state) for alert in alerts]


def test_latency_over_its_threshold_is_raised_and_cleared() -> None:
    sim = Sim(settings(alert_latency_ingest_emit_ms=250))
    feed = Feed(sim)
    feed.ticks(98)
    feed.ticks(2, emit=300 * MS)
    [raised] = sim.wait(60)
    assert brief([raised]) == [("latency", "kalshi/ingest_emit", "raised")]
    assert raised.value is not None
    assert 294 < raised.value < 306
    feed.ticks(900)
    assert brief(sim.wait(60)) == [("latency", "kalshi/ingest_emit", "cleared")]


def test_a_reader_that_falls_behind_is_told_soon_and_its_recovery_too() -> None:
    """Ages rise from what they always were; the floor, of ten minutes, would rise much later."""
    sim = Sim(settings(alert_latency_source_ingest_ms=10**9))
    feed = Feed(sim)
    for _ in range(15):
        feed.ticks(30)
        assert sim.wait(60, 5) == []
    said = []
    for minute in range(1, 8):
        feed.ticks(30, source=minute * 600 * MS)
        said += [(minute, *each) for each in brief(sim.wait(60, 5))]
    assert said == [(5, "age_growing", "kalshi", "raised")]
    feed.ticks(30)
    assert brief(sim.wait(120, 5)) == [("age_growing", "kalshi", "cleared")]


def test_silence_after_the_last_tick() -> None:
    sim = Sim()
    feed = Feed(sim)
    feed.ticks(1)
    assert sim.wait(299) == []
    assert brief(sim.wait(2)) == [("silence", "kalshi", "raised")]
    feed.ticks(1)
    assert brief(sim.wait(60)) == [("silence", "kalshi", "cleared")]
