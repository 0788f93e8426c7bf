"""GET /api/v1/latency and /api/v1/stats/latency: how late ticks are, stage by stage."""

from __future__ import annotations

import asyncio
from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import Parameter

from api.errors import InvalidParameter, answers
from api.latency_models import LatencyAnswer, LatencyStats, source_of, step_of
from api.latency_queries import SECONDS, LatencyFilter, Step, merged, of_table
from api.parameters import Platform, Since, Until, instant, platform_of
from api.store import Store
from schemas.clock import now_us
from schemas.latency import Stage

HOUR_US = 3600 * 1_000_000
MINUTE_US = 60 * 1_000_000
MOST_STEPS = 1500
Steps = Annotated[Step, Parameter(description="What is merged: minutes, hours, ..., or all of it")]
OfStage = Annotated[
    Stage | None,
    Parameter(
        description="source_ingest: the venue's time to ours; ingest_emit: ours to the producer; "
        "emit_append: to Kafka; append_stored: to the row in ClickHouse"
    ),
]
Minutes = Annotated[int, Parameter(description="Length of the window", ge=1, le=1440)]


@get(
    "/api/v1/latency",
    summary="Latency by stage",
    description="Quantiles of how late ticks were, for each platform and stage, merged from "
    "histograms of minutes by UTC; the last hour unless since and until say otherwise. "
    f"At most {MOST_STEPS} steps; the newest may still grow.",
    responses=answers(),
    tags=["latency"],
)
async def latency(
    store: NamedDependency[Store],
    platform: Platform = None,
    stage: OfStage = None,
    since: Since = None,
    until: Until = None,
    step: Steps = "1m",
) -> LatencyAnswer:
    """Return latencies by step, platform and stage."""
    end = instant("until", until)
    end = now_us() + MINUTE_US if end is None else end
    begin = instant("since", since)
    begin = max(end - HOUR_US, 0) if begin is None else begin
    width = SECONDS[step] * 1_000_000
    if begin >= end:
        raise InvalidParameter("since", "has to be before until")
    if width and (end - begin) > MOST_STEPS * width:
        raise InvalidParameter("step", f"gives more than {MOST_STEPS} steps; take a longer one")
    chosen = LatencyFilter(begin, end, platform_of(platform), stage, step)
    table = await store.table(merged(chosen))
    rows = await asyncio.to_thread(lambda: [step_of(one) for one in of_table(table)])
    return LatencyAnswer(rows)


@get(
    "/api/v1/stats/latency",
    summary="Latency of the last minutes",
    description="The older system's route: for each platform and stage one line over the last "
    "minutes; milliseconds. /api/v1/latency has them over time.",
    responses=answers(),
    tags=["stats"],
)
async def latency_stats(store: NamedDependency[Store], minutes: Minutes = 5) -> LatencyStats:
    """Return the last minutes' latencies."""
    now = now_us()
    begin = now - now % MINUTE_US - minutes * MINUTE_US
    table = await store.table(merged(LatencyFilter(begin, now + MINUTE_US, step="all")))
    rows = await asyncio.to_thread(lambda: [source_of(one) for one in of_table(table)])
    return LatencyStats(rows, window_seconds=minutes * 60)
