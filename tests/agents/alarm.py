"""Alerting under a simulated clock: records in, alerts out, and a topic that outlives a worker."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from agents.alert_settings import AlertSettings
from agents.alerting import Alerting
from agents.transport import Batch
from schemas.alert import Alert
from schemas.codec import Record, encode, parsed_schema
from schemas.framing import frame
from schemas.gap import Gap, GapReason
from schemas.identity import event_id
from schemas.latency import Latency, LatencyBucket, Stage
from schemas.spread import Spread, SpreadEdge, SpreadLeg
from schemas.topics import ALERTS, GAPS, LATENCY, SPREADS, TOPICS

T0 = 1_785_000_000_000_000
"""A minute's start."""
SECOND = 1_000_000
IDS = {name: number for number, name in enumerate(TOPICS, 1)}
_SCHEMA_BY_ID = {number: parsed_schema(TOPICS[name].schema) for name, number in IDS.items()}


@dataclass(frozen=True)
class Stored:
    """A record as Kafka holds it."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes | None


def settings(**changes: Any) -> AlertSettings:
    """Return settings that no environment changes."""
    return AlertSettings(_env_file=None, **changes)


def topic_of(record: Record) -> str:
    """Return the topic that takes the record."""
    kinds = {Alert: ALERTS, Gap: GAPS, Latency: LATENCY, Spread: SPREADS}
    return kinds[type(record)].name  # type: ignore[index]


@dataclass
class Sim:
    """One worker and the topics, with a clock of their own in microseconds."""

    settings: AlertSettings = field(default_factory=settings)
    now: int = T0
    log: dict[str, list[Stored]] = field(default_factory=lambda: defaultdict(list))
    said: list[Alert] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start()

    def start(self, *, speaking: bool = True) -> None:
        """Begin with a fresh worker, that reads all that the topics hold."""
        self.worker = Alerting(self.settings, _SCHEMA_BY_ID.__getitem__)
        for topic in Alerting.topics:
            if self.log[topic]:
                assert not self.worker.process(Batch(topic, 0, self.log[topic]), live=False)
        if speaking:
            self.worker.speak(self.now)

    def feed(self, *records: Record) -> list[Alert]:
        """Put records on their topics and have the worker read them, each as a batch."""
        before = len(self.said)
        for record in records:
            self.raw(topic_of(record), encode(record))
        return self.said[before:]

    def raw(self, topic: str, datum: bytes | None) -> None:
        """Put a datum on a topic and have the worker read it."""
        value = None if datum is None else frame(IDS[topic], datum)
        stored = Stored(len(self.log[topic]), self.now // 1000, b"k", value)
        self.log[topic].append(stored)
        self._publish(self.worker.process(Batch(topic, 0, [stored]), live=True))

    def wait(self, seconds: float, step: float = 1) -> list[Alert]:
        """Let time pass; return what was said meanwhile."""
        before, end = len(self.said), self.now + round(seconds * SECOND)
        while self.now < end:
            self.now = min(self.now + round(step * SECOND), end)
            self._publish(self.worker.pass_time(self.now))
        return self.said[before:]

    def _publish(self, outgoing: list[Any]) -> None:
        for item in outgoing:
            assert item.topic == ALERTS.name
            assert item.key == f"{item.record.rule}:{item.record.subject}"
            self.said.append(item.record)
            self.raw(ALERTS.name, encode(item.record))  # read back, as from Kafka

    def spread(self, size: str | None, *, pair: str = "rate", edge: str | None = None) -> Spread:
        """Return a spread of now; threshold 0.05."""
        value = None if size is None else Decimal(size)
        low = Decimal("0.40")
        high = None if value is None else low + value
        best = None if edge is None else Decimal(edge)
        none = {"bid": None, "bid_size": None, "ask": None, "ask_size": None, "quote_ts": None}
        return Spread(
            ts=self.now,
            pair_id=pair,
            description="Will rates be cut?",
            verified=False,
            legs=(
                SpreadLeg(platform="kalshi", probability=low, unusable=None, **none),
                SpreadLeg(platform="polymarket", probability=high, unusable=None, **none),
            ),
            edges=(SpreadEdge("kalshi", "polymarket", value, best, None, None, None, False),),
            max_spread=value,
            max_spread_pair=None if value is None else "KALSHI-POLYMARKET",
            best_edge=best,
            best_edge_pair=None if best is None else "kalshi-polymarket",
            completeness=Decimal(1),
            threshold=Decimal("0.05"),
        )

    def latency(
        self,
        bucket: int = 100,
        count: int = 50,
        *,
        stage: Stage = "ingest_emit",
        platform: str = "kalshi",
        lowest: int | None = None,
        part: str = "x/0",
        version: int | None = None,
    ) -> Latency:
        """Return the current minute's histogram: ``count`` ticks in one bucket.

        ``lowest`` is the shortest latency, microseconds.
        """
        slot = self.now // 60_000_000 * 60_000_000
        return Latency(
            slot_ts=slot,
            platform=platform,
            stage=stage,
            part=part,
            version=self.now if version is None else version,
            count=count,
            missing=0,
            negative=0,
            sum_us=0,
            min_us=lowest,
            max_us=None,
            buckets=(LatencyBucket(bucket, count),) if count else (),
            floor_us=None,
            emit_ts=self.now,
        )

    def gap(
        self,
        market: str | None = "M",
        reason: GapReason = "sequence",
        *,
        ago: float = 0,
        to: int | None = None,
        platform: str = "kalshi",
        number: int = 0,
    ) -> Gap:
        """Return a gap that began ``ago`` seconds before now."""
        begun = self.now - round(ago * SECOND)
        return Gap(
            gap_id=event_id(platform, market, reason, begun, number),
            platform=platform,
            market_id=market,
            connection="ws-0/1",
            reason=reason,
            from_ts=begun,
            to_ts=to,
            missed=None,
            detail=None,
        )


async def until(done: Callable[[], Any], seconds: float = 60) -> None:
    """Wait until ``done()`` is true. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            if done():
                return
            await asyncio.sleep(0.01)
