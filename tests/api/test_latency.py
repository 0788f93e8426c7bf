"""Latency routes over the real engine: histograms merged over parts, minutes and versions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.latency_slots import latency_record
from agents.stored_latency import records_of, statement
from schemas.clock import isoformat, now_us
from schemas.histogram import Histogram, count
from schemas.latency import Latency, Stage
from tests.api.support import BASE_US, TOPIC, Api, Tables

PATH = "/api/v1/latency"
MINUTE = 60_000_000
SLOT = BASE_US // MINUTE * MINUTE
HOUR = {"since": isoformat(SLOT), "until": isoformat(SLOT + 60 * MINUTE)}


def histogram(*us: int, missing: int = 0) -> Histogram:
    return count(np.array(us, dtype=np.int64), missing)


def record(
    counted: Histogram,
    *,
    slot: int = SLOT,
    platform: str = "kalshi",
    stage: Stage = "ingest_emit",
    part: str = "a/0",
    version: int = 1,
    floor: int | None = None,
) -> Latency:
    return latency_record((slot, stage), platform, part, version, counted, floor, slot)


async def test_parts_and_minutes_are_merged_and_the_highest_version_counts(
    api: Api, tables: Tables
) -> None:
    tables.insert(
        "latency",
        [
            record(histogram(1000), version=5),
            record(histogram(1000, 2000, missing=1), version=9),
            record(histogram(1), version=7),  # came late
            record(histogram(3000), part="a/1"),
            record(histogram(-4000), slot=SLOT + MINUTE),
            record(histogram(10), platform="manifold"),
        ],
        TOPIC,
    )
    found = (await api.get(PATH, platform="kalshi", step="1m", **HOUR))["data"]
    assert [(row["start_ts"], row["count"], row["missing"], row["negative"]) for row in found] == [
        (isoformat(SLOT), 3, 1, 0),
        (isoformat(SLOT + MINUTE), 1, 0, 1),
    ]
    assert (found[0]["min_ms"], found[0]["avg_ms"], found[0]["max_ms"]) == (1.0, 2.0, 3.0)
    assert found[0]["p50_ms"] == pytest.approx(2, rel=0.02)
    assert (found[1]["p50_ms"], found[1]["floor_ms"], found[1]["above_floor"]) == (-4.0, None, None)

    (whole,) = (await api.get(PATH, platform="kalshi", step="all", **HOUR))["data"]
    assert (whole["count"], whole["min_ms"], whole["max_ms"]) == (4, -4.0, 3.0)
    assert whole["avg_ms"] == 0.5


async def test_the_clock_offset_is_shown_apart(api: Api, tables: Tables) -> None:
    tables.insert(
        "latency",
        [
            record(histogram(-50_000, -40_000), stage="source_ingest", floor=-50_000),
            record(histogram(-45_000), stage="source_ingest", floor=-45_000, part="a/1"),
            record(histogram(), stage="emit_append"),
        ],
        TOPIC,
    )
    first, last = (await api.get(PATH, step="1h", **HOUR))["data"]
    assert (first["stage"], first["floor_ms"], first["negative"]) == ("source_ingest", -50.0, 3)
    assert first["above_floor"]["p50_ms"] == pytest.approx(5, abs=0.9)
    assert (last["count"], last["p50_ms"], last["avg_ms"], last["min_ms"]) == (0, None, None, None)


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"stage": "somewhere"}, "stage"),
        ({"platform": "nyse"}, "platform"),
        ({"step": "2s"}, "step"),
        ({"since": "2026-01-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "since"),
        ({"since": "2020-01-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "step"),
    ],
)
async def test_bad_parameters_are_named(api: Api, params: dict[str, Any], named: str) -> None:
    assert named in (await api.problem(400, PATH, **params))["detail"]


async def test_the_older_route_tells_the_last_minutes(api: Api, tables: Tables) -> None:
    now = now_us() // MINUTE * MINUTE
    tables.insert(
        "latency",
        [
            record(histogram(2000), slot=now, stage="source_ingest", floor=2000),
            record(histogram(3000), slot=now - MINUTE, part="*", stage="append_stored"),
            record(histogram(9000), slot=now - 10 * MINUTE),
        ],
        TOPIC,
    )
    found = await api.get("/api/v1/stats/latency")
    assert found["window_seconds"] == 300
    assert [
        (row["source"], row["stage"], row["max"], row["floor"]) for row in found["sources"]
    ] == [
        ("KALSHI", "source_ingest", 2.0, 2.0),
        ("KALSHI", "append_stored", 3.0, None),
    ]
    assert len((await api.get("/api/v1/stats/latency", minutes=30))["sources"]) == 3
    assert (await api.get(PATH))["data"]  # the last hour by default


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(latencies=st.lists(st.integers(-(10**9), 10**10), min_size=1, max_size=40))
def test_clickhouse_buckets_rows_as_we_do(tables: Tables, latencies: list[int]) -> None:
    """append_stored is counted by ClickHouse: on the same rows it has to give our histogram."""
    tables.client.command("TRUNCATE TABLE ticks")
    now = datetime.now(UTC)
    ids = {"platform": "kalshi", "market_id": "m", "outcome_id": "m", "kind": "quote"}
    # Another topic each time: an insert that is the same as one before is left out.
    ids |= {"topic_id": uuid4(), "tick_id": uuid4(), "ingest_ts": now, "emit_ts": now}
    tables.client.insert(
        "ticks",
        [[*ids.values(), at, now - timedelta(microseconds=us)] for at, us in enumerate(latencies)],
        column_names=[*ids, "kafka_offset", "append_ts"],
    )
    times = tables.client.query(
        "SELECT toUnixTimestamp64Micro(stored_ts) - toUnixTimestamp64Micro(append_ts) FROM ticks"
    )
    true = [int(us) for (us,) in times.result_rows]
    assert len(true) == len(latencies)
    begin, end = now_us() - 3600_000_000, now_us() + 3600_000_000
    rows = tables.client.query(statement(begin, end)).result_rows
    found = records_of(rows, now_us=0)

    merged = Histogram()
    for one in found:
        counts = {item.bucket: item.count for item in one.buckets}
        merged += Histogram(counts, 0, one.sum_us, one.min_us, one.max_us)
        assert (one.part, one.version, one.count) == ("*", one.count, sum(counts.values()))
    assert merged == histogram(*true)
