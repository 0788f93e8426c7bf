"""SQL over the table latency: histograms of minutes and parts, merged; values are bound."""

# ruff: noqa: S608 - what is put together here are texts of this file only

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from api.sql import Conditions, Query, instant
from schemas.histogram import Histogram
from schemas.latency import STAGES, Stage

Step = Literal["1m", "5m", "15m", "1h", "1d", "all"]
SECONDS: dict[Step, int] = {"1m": 60, "5m": 300, "15m": 900, "1h": 3600, "1d": 86_400, "all": 0}


@dataclass(frozen=True, slots=True)
class LatencyFilter:
    """Which minutes: those that start in [``since``, ``until``), UTC microseconds."""

    since: int
    until: int
    platform: str | None = None
    stage: Stage | None = None
    step: Step = "1m"


@dataclass(frozen=True, slots=True)
class Merged:
    """One platform's stage in one step: a histogram of all its parts and minutes."""

    start_us: int
    platform: str
    stage: Stage
    histogram: Histogram
    average_us: float | None
    floor_us: int | None


def merged(chosen: LatencyFilter) -> Query:
    """Return the query for the histograms of each platform, stage and step, merged."""
    where = Conditions()
    where.equal("platform", chosen.platform)
    where.equal("stage", chosen.stage)
    where.add(f"slot_ts >= {instant('since')}", since=chosen.since)
    where.add(f"slot_ts < {instant('until')}", until=chosen.until)
    step = SECONDS[chosen.step] * 1_000_000
    slot = "toUnixTimestamp64Micro(slot_ts)"
    start = f"{slot} - {slot} % {step}" if step else "{since:Int64}"
    # Sums of microseconds as floats: 64 bits may not hold those of many parts.
    sql = (
        f"SELECT {start} AS start_us, platform, stage, sum(missing) AS missing, "
        "sum(toFloat64(sum_us)) AS sum_us, min(min_us) AS min_us, max(max_us) AS max_us, "
        "min(floor_us) AS floor_us, sumMap(buckets.bucket, buckets.count) AS counts "
        f"FROM latency FINAL {where.where()} GROUP BY start_us, platform, stage"
    )
    shown = "start_us, platform, stage, missing, sum_us, min_us, max_us, floor_us"
    return Query(
        f"SELECT {shown}, counts.1 AS bucket, counts.2 AS number FROM ({sql}) "
        "ORDER BY start_us, platform, stage",
        where.parameters,
    )


def of_table(table: pa.Table) -> list[Merged]:
    """Return the query's rows; stages in the order in which a tick passes them."""
    found = [_of_row(row) for row in table.to_pylist() if row["stage"] in STAGES]
    return sorted(found, key=lambda one: (one.start_us, one.platform, STAGES.index(one.stage)))


def _of_row(row: dict[str, Any]) -> Merged:
    counts = dict(zip(row["bucket"], row["number"], strict=True))
    histogram = Histogram(counts, row["missing"], 0, row["min_us"], row["max_us"])
    count = histogram.count
    return Merged(
        start_us=row["start_us"],
        platform=row["platform"],
        stage=row["stage"],
        histogram=histogram,
        average_us=row["sum_us"] / count if count else None,
        floor_us=row["floor_us"],
    )
