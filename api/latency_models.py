"""Latencies as JSON. Milliseconds are numbers with three places, not texts: they are measured."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from api.latency_queries import Merged
from api.models import Instant
from schemas.clock import isoformat
from schemas.latency import Stage

WANTED = (0.5, 0.9, 0.95, 0.99)
Milliseconds = Annotated[float, Meta(examples=[12.345])]


class AboveFloor(Struct):
    """Delays without the clock offset: each quantile less floor_ms."""

    p50_ms: Milliseconds
    p90_ms: Milliseconds
    p95_ms: Milliseconds
    p99_ms: Milliseconds


class LatencyStep(Struct):
    """How late one platform's ticks were at one stage. Quantiles are off by 2 % at most."""

    start_ts: Instant
    platform: Annotated[str, Meta(examples=["kalshi"])]
    stage: Stage
    count: Annotated[int, Meta(description="Ticks with both times of the stage", examples=[1200])]
    missing: Annotated[int, Meta(description="Ticks without them", examples=[0])]
    negative: Annotated[
        int, Meta(description="Of count: below zero, since clocks disagree", examples=[0])
    ]
    min_ms: Milliseconds | None
    avg_ms: Milliseconds | None
    p50_ms: Milliseconds | None
    p90_ms: Milliseconds | None
    p95_ms: Milliseconds | None
    p99_ms: Milliseconds | None
    max_ms: Milliseconds | None
    floor_ms: Annotated[
        Milliseconds | None,
        Meta(
            description="source_ingest only: the lowest latency around, which is the offset of "
            "the venue's clock to ours plus the shortest way; one way alone can't tell them apart"
        ),
    ]
    above_floor: AboveFloor | None


class LatencyAnswer(Struct):
    """Latencies by step, platform and stage; steps without ticks are left out."""

    data: list[LatencyStep]


class SourceLatency(Struct):
    """One platform's stage over the window; all times in milliseconds."""

    source: Annotated[str, Meta(description="Platform, upper case", examples=["KALSHI"])]
    stage: Stage
    count: int
    missing: int
    negative: int
    min: Milliseconds | None
    avg: Milliseconds | None
    p50: Milliseconds | None
    p90: Milliseconds | None
    p95: Milliseconds | None
    p99: Milliseconds | None
    max: Milliseconds | None
    floor: Milliseconds | None


class LatencyStats(Struct):
    """The last minutes' latencies, as the older system named them."""

    sources: list[SourceLatency]
    window_seconds: Annotated[int, Meta(examples=[300])]


def step_of(merged: Merged) -> LatencyStep:
    """Return the answer's form of a merged histogram."""
    found, floor = merged.histogram, merged.floor_us
    p50, p90, p95, p99 = quantiles = found.quantiles(WANTED)
    above = None
    if floor is not None and None not in quantiles:
        above = AboveFloor(*(_ms(us - floor) for us in quantiles if us is not None))  # type: ignore[arg-type]
    return LatencyStep(
        start_ts=isoformat(merged.start_us),
        platform=merged.platform,
        stage=merged.stage,
        count=found.count,
        missing=found.missing,
        negative=found.negative,
        min_ms=_ms(found.min_us),
        avg_ms=_ms(merged.average_us),
        p50_ms=_ms(p50),
        p90_ms=_ms(p90),
        p95_ms=_ms(p95),
        p99_ms=_ms(p99),
        max_ms=_ms(found.max_us),
        floor_ms=_ms(floor),
        above_floor=above,
    )


def source_of(merged: Merged) -> SourceLatency:
    """Return the older system's form of a merged histogram."""
    one = step_of(merged)
    return SourceLatency(
        source=one.platform.upper(),
        stage=one.stage,
        count=one.count,
        missing=one.missing,
        negative=one.negative,
        min=one.min_ms,
        avg=one.avg_ms,
        p50=one.p50_ms,
        p90=one.p90_ms,
        p95=one.p95_ms,
        p99=one.p99_ms,
        max=one.max_ms,
        floor=one.floor_ms,
    )


def _ms(us: float | None) -> float | None:
    return None if us is None else round(us / 1000, 3)
