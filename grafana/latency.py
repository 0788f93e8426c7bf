"""Board 2, Latency: how late ticks are, stage by stage, and how far clocks disagree."""

# ruff: noqa: S608 - what is put together here are texts of this package only

from __future__ import annotations

from grafana_foundation_sdk.builders import common, heatmap, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.common import HeatmapCellLayout, ScaleDistribution
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode, HeatmapColorScale

from agents.alert_settings import AlertSettings
from grafana import board, marks, variables
from grafana.board import Row
from grafana.clickhouse import Sql, chosen, rows, series
from grafana.panels import (
    GREEN,
    LABEL,
    ORANGE,
    RED,
    YELLOW,
    drawn,
    dress,
    grid,
    levels,
    lines,
    number,
    with_,
)
from schemas.histogram import GROWTH
from schemas.latency import STAGES, Stage

ABOUT = (
    "Every tick's age at every stage, counted in histograms (docs/latency.md). Quantiles are by "
    "nearest rank and off by 2 % at most. The alert's threshold is drawn where there is one."
)
WHAT: dict[Stage, tuple[str, str]] = {
    "source_ingest": (
        "Venue to receipt",
        "From the venue's own time to the moment at which the frame left our socket. It holds the "
        "offset of the two clocks, so it may be below zero; the clock row tells it apart.",
    ),
    "ingest_emit": ("Receipt to producer", "Parsing and queueing in our connector."),
    "emit_append": (
        "Producer to Kafka",
        "Until Kafka's append time, which has whole milliseconds, rounded down: up to 1 ms below "
        "zero says nothing. The local stack's broker keeps the producer's time, so it is 0 there.",
    ),
    "append_stored": (
        "Kafka to ClickHouse",
        "Until the row was stored. The sink inserts about once a second, so half a second is its "
        "own; more means that it is behind.",
    ),
}
LIMITS_MS: dict[Stage, float] = {
    stage: AlertSettings.model_fields[f"alert_latency_{stage}_ms"].default for stage in STAGES
}
"""p99 above which an alert is raised, unless it is set otherwise."""

SLOTS = "slot_ts >= toStartOfMinute($__fromTime) AND slot_ts <= $__toTime"
SLOT = "toStartOfInterval(slot_ts, toIntervalSecond(greatest(60, $__interval_s)))"
"""Histograms are counted by minutes, so that no interval is shorter."""
BUCKETS = "latency FINAL ARRAY JOIN buckets.bucket AS bucket, buckets.count AS counted"
_RATIO = GROWTH[0] / GROWTH[1]
MIDDLE_MS = f"if(bucket = 0, 0, sign(bucket) * pow({_RATIO}, abs(bucket) - 1.5)) / 1000"
"""What stands for a bucket: the geometric middle of its bounds. As schemas/histogram.py has it."""
UPPER_MS = f"if(bucket > 0, pow({_RATIO}, bucket - 1) / 1000, 0)"
BOUNDS_MS = (
    *(0, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000),
    *(10_000, 20_000, 50_000, 100_000, 1_000_000),
)
"""Upper bounds of the heatmap's rows; the first holds zero and all below it."""


def make() -> Dashboard:
    """Return the board."""
    return board.board(
        board.LATENCY,
        "EchoArb / Latency",
        ABOUT,
        [
            variables.clickhouse_source(),
            variables.platform(),
            variables.fixed("stage", "Stage", "Stage of the heatmap and the table.", STAGES),
        ],
        [
            Row("p99 now", [_newest(stage) for stage in STAGES]),
            Row("Quantiles by stage", [_quantiles(stage) for stage in STAGES]),
            Row("Distribution", [_heatmap(), _stored()]),
            Row("Clocks", _clocks()),
            Row("Over the board's time", [_table()]),
        ],
        [marks.gap_regions(market=False), marks.starts()],
    )


def _of_stage(stage: Stage, quantiles: dict[str, float]) -> Sql:
    wanted = ", ".join(str(quantile) for quantile in quantiles.values())
    shown = ", ".join(f'q[{at}] AS "{name}"' for at, name in enumerate(quantiles, 1))
    return series(f"""
        SELECT time, platform AS series, {shown}
        FROM
        (
            SELECT {SLOT} AS time, platform,
                quantilesExactWeighted({wanted})({MIDDLE_MS}, toUInt64(counted)) AS q
            FROM {BUCKETS}
            WHERE {SLOTS} AND stage = '{stage}' AND {chosen("platform", "platform")}
            GROUP BY time, platform
        )
        ORDER BY time, series
    """)


def _newest(stage: Stage) -> stat.Panel:
    title, about = WHAT[stage]
    limit = LIMITS_MS[stage]
    panel = number(
        title,
        f"p99 of the newest minute, by platform. {about} Yellow from half of the alert's "
        f"threshold on, red from the threshold, {limit:g} ms.",
        [_of_stage(stage, {"Value": 0.99})],
        unit="ms",
        width=6,
    )
    return panel.display_name(LABEL).thresholds(levels(GREEN, (limit / 2, YELLOW), (limit, RED)))


def _quantiles(stage: Stage) -> timeseries.Panel:
    title, about = WHAT[stage]
    limit = LIMITS_MS[stage]
    panel = lines(
        f"{title}: p50, p95, p99",
        f"{about} An alert is raised when p99 of three minutes stays above {limit:g} ms.",
        [_of_stage(stage, {"p50": 0.5, "p95": 0.95, "p99": 0.99})],
        unit="ms",
        height=9,
    )
    panel.thresholds(levels(GREEN, (limit, RED))).thresholds_style(drawn())
    scale = common.ScaleDistributionConfig().type(ScaleDistribution.SYMLOG).log(10)
    panel.scale_distribution(scale.linear_threshold(1))
    return panel.display_name("${__field.labels.series} ${__field.name}")


def _heatmap() -> heatmap.Panel:
    columns = []
    for low, high in zip((None, *BOUNDS_MS), BOUNDS_MS, strict=False):
        above = f"upper > {low} AND " if low is not None else ""
        name = str(high)  # :g would write a million as 1e+06
        columns.append(f'sumIf(counted, {above}upper <= {high}) AS "{name}"')
    counted = series(f"""
        SELECT time, {", ".join(columns)}
        FROM
        (
            SELECT {SLOT} AS time, {UPPER_MS} AS upper, counted
            FROM {BUCKETS}
            WHERE {SLOTS} AND {chosen("stage", "stage")} AND {chosen("platform", "platform")}
        )
        GROUP BY time
        ORDER BY time
    """)
    panel = dress(
        heatmap.Panel(),
        "How ages are spread",
        "Ticks by age over time, of the chosen stages and platforms together; choose one stage to "
        "see it alone. A row is named by its upper bound; the lowest holds zero and all below it.",
        [counted],
        unit="short",
        height=11,
    )
    color = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Spectral")
    panel.color(color.scale(HeatmapColorScale.EXPONENTIAL).exponent(0.5).steps(64))
    panel.rows_frame(heatmap.RowsHeatmapOptions().layout(HeatmapCellLayout.LE).value("Ticks"))
    panel.y_axis(heatmap.YAxisConfig().unit("ms").axis_label("age, up to"))
    return panel.calculate(False).cell_gap(1)


def _stored() -> timeseries.Panel:
    whole = series(f"""
        SELECT time, platform AS series, q[1] / 1000 AS p50, q[2] / 1000 AS p99
        FROM
        (
            SELECT $__timeInterval(ingest_ts) AS time, platform,
                quantiles(0.5, 0.99)(dateDiff('microsecond', ingest_ts, stored_ts)) AS q
            FROM ticks
            WHERE $__timeFilter(ingest_ts) AND {chosen("platform", "platform")}
            GROUP BY time, platform
        )
        ORDER BY time, series
    """)
    panel = lines(
        "Receipt to stored, all stages",
        "From the socket to a row that can be asked for, from the ticks themselves: what a reader "
        "of the API waits. Quantiles of a sample of 8,192 ticks an interval.",
        [whole],
        unit="ms",
        height=11,
    )
    return panel.display_name("${__field.labels.series} ${__field.name}")


def _clocks() -> list[Builder[Panel]]:
    floor = series(f"""
        SELECT {SLOT} AS time, platform AS series, min(floor_us) / 1000 AS Value
        FROM latency FINAL
        WHERE {SLOTS} AND stage = 'source_ingest' AND floor_us IS NOT NULL
            AND {chosen("platform", "platform")}
        GROUP BY time, platform
        ORDER BY time, series
    """)
    above = series(f"""
        SELECT time, platform AS series, q[1] - floor_ms AS p50, q[2] - floor_ms AS p99
        FROM
        (
            SELECT {SLOT} AS time, platform, min(floor_us) / 1000 AS floor_ms,
                quantilesExactWeighted(0.5, 0.99)({MIDDLE_MS}, toUInt64(counted)) AS q
            FROM {BUCKETS}
            WHERE {SLOTS} AND stage = 'source_ingest' AND floor_us IS NOT NULL
                AND {chosen("platform", "platform")}
            GROUP BY time, platform
        )
        ORDER BY time, series
    """)
    shares = series(f"""
        SELECT {SLOT} AS time, platform AS series,
            sum(negative) / greatest(1, sum(count)) AS "below zero",
            sum(missing) / greatest(1, sum(count) + sum(missing)) AS "without a time"
        FROM latency FINAL
        WHERE {SLOTS} AND stage = 'source_ingest' AND {chosen("platform", "platform")}
        GROUP BY time, platform
        ORDER BY time, series
    """)
    two = "${__field.labels.series} ${__field.name}"
    return [
        lines(
            "Clock offset and shortest way",
            "The lowest age at receipt of ten minutes: how far the venue's clock is behind ours, "
            "plus the shortest way. Messages that come one way can't tell the two apart. A jump "
            "is a clock that was set.",
            [floor],
            unit="ms",
            width=8,
        ).display_name(LABEL),
        lines(
            "Age at receipt above the floor",
            "Age at receipt less the lowest one of ten minutes: delay without the clocks' offset.",
            [above],
            unit="ms",
            width=8,
        ).display_name(two),
        lines(
            "Ages that say little",
            "Share of ticks that seem to have come before they were sent (the clocks disagree; "
            "the sign is kept), and of ticks whose venue gave no time.",
            [shares],
            unit="percentunit",
            width=8,
        )
        .display_name(two)
        .min(0)
        .max(1),
    ]


def _table() -> table.Panel:
    merged = rows(f"""
        SELECT platform AS "Platform", stage AS "Stage", if(empty(q), NULL, q[1]) AS "p50",
            if(empty(q), NULL, q[2]) AS "p95", if(empty(q), NULL, q[3]) AS "p99",
            lowest / 1000 AS "Lowest", highest / 1000 AS "Highest",
            floor_us / 1000 AS "Floor", ticks AS "Ticks", below AS "Below zero",
            without AS "Without a time"
        FROM
        (
            SELECT platform, stage,
                quantilesExactWeighted(0.5, 0.95, 0.99)({MIDDLE_MS}, toUInt64(counted)) AS q
            FROM {BUCKETS}
            WHERE {SLOTS} AND {chosen("stage", "stage")} AND {chosen("platform", "platform")}
            GROUP BY platform, stage
        ) AS quantiles
        RIGHT JOIN
        (
            SELECT platform, stage, min(min_us) AS lowest, max(max_us) AS highest,
                min(latency.floor_us) AS floor_us, sum(count) AS ticks, sum(negative) AS below,
                sum(missing) AS without
            FROM latency FINAL
            WHERE {SLOTS} AND {chosen("stage", "stage")} AND {chosen("platform", "platform")}
            GROUP BY platform, stage
        ) AS counts
        USING (platform, stage)
        ORDER BY "Platform", indexOf([{", ".join(f"'{stage}'" for stage in STAGES)}], "Stage")
    """)
    panel = grid(
        "Every platform and stage",
        "All minutes of the board's time, merged: exact lowest, highest and counts, quantiles off "
        "by 2 % at most.",
        [merged],
        unit="ms",
    )
    for column in ("Ticks", "Below zero", "Without a time"):
        panel.override_by_name(column, with_(unit="short", decimals=0))
    limits = levels(GREEN, (1000, YELLOW), (5000, ORANGE), (10_000, RED)).build()
    colored = with_(thresholds=limits, custom__cellOptions={"type": "color-text"})
    return panel.override_by_name("p99", colored).decimals(1)
