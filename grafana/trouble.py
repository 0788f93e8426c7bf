"""Panels of what connectors do about doubt: fresh books, breakers, frames that can't be read."""

# ruff: noqa: S608 - what is put together here are texts of this package only

from __future__ import annotations

from grafana_foundation_sdk.builders import common, statetimeline, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.common import GraphDrawStyle, StackingMode
from grafana_foundation_sdk.models.dashboard import Panel

from grafana import prometheus
from grafana.clickhouse import Sql, series
from grafana.gap_panels import FOUND
from grafana.panels import GREEN, LABEL, RED, lines, named, states
from grafana.prometheus import promql
from grafana.sql import BEGAN

RESYNCED = ("sequence", "crossed_book", "book_mismatch", "disconnect", "silence")
"""Reasons after which a book is dropped and read anew."""
WRONG = ("crossed_book", "book_mismatch")
"""Reasons that are a book which the venue itself contradicts."""


def panels() -> list[Builder[Panel]]:
    """Return the panels of the row."""
    return [_resyncs(), _recovery(), _mismatches(), _breakers(), _rejected(), _connects()]


def _over(reasons: tuple[str, ...]) -> str:
    """Return what picks the gaps of these reasons that were over in the board's time."""
    listed = ", ".join(f"'{reason}'" for reason in reasons)
    return f"reason IN ({listed}) AND ended IS NOT NULL AND $__timeFilter(ended)"


def _bars(title: str, about: str, query: Sql, no_data: str) -> timeseries.Panel:
    panel = lines(title, about, [query], unit="short", width=8, no_data=no_data)
    stack = common.StackingConfig().mode(StackingMode.NORMAL).group("A")
    panel.draw_style(GraphDrawStyle.BARS).fill_opacity(70).stacking(stack).interval("1m")
    return panel.display_name(LABEL).decimals(0).min(0)


def _resyncs() -> timeseries.Panel:
    counted = series(f"""
        SELECT $__timeInterval(over) AS time, platform AS series, count() AS Value
        FROM (SELECT platform, assumeNotNull(ended) AS over FROM {FOUND} WHERE {_over(RESYNCED)})
        GROUP BY time, platform
        ORDER BY time, series
    """)
    return _bars(
        "Resyncs",
        "Books read anew after doubt (a jump in numbers, a crossed book, a wrong hash, a lost or "
        "silent connection), by the interval in which they were right again.",
        counted,
        "No book had to be read anew in this time",
    )


def _recovery() -> timeseries.Panel:
    took = series(f"""
        SELECT $__timeInterval(over) AS time, platform AS series,
            quantile(0.5)(seconds) AS p50, max(seconds) AS longest
        FROM
        (
            SELECT platform, assumeNotNull(ended) AS over,
                dateDiff('millisecond', began, over) / 1000 AS seconds
            FROM {FOUND} WHERE {_over(RESYNCED)} AND {BEGAN} IS NOT NULL
        )
        GROUP BY time, platform
        ORDER BY time, series
    """)
    panel = lines(
        "Time until a book is right again",
        "From the last moment that could be trusted to the fresh book, of the resyncs beside.",
        [took],
        unit="s",
        width=8,
        no_data="No book had to be read anew in this time",
    )
    panel.draw_style(GraphDrawStyle.POINTS).point_size(6)
    return panel.display_name("${__field.labels.series} ${__field.name}").min(0).interval("1m")


def _mismatches() -> timeseries.Panel:
    counted = series(f"""
        SELECT $__timeInterval(over) AS time, concat(platform, ' ', reason) AS series,
            count() AS Value
        FROM
        (
            SELECT platform, reason, assumeNotNull(ended) AS over
            FROM {FOUND} WHERE {_over(WRONG)}
        )
        GROUP BY time, series
        ORDER BY time, series
    """)
    return _bars(
        "Books found wrong",
        "book_mismatch: the venue's own hash, top of book or REST answer contradicted ours. "
        "crossed_book: bid at or above ask. Each is a bug, a lost message or the venue's own "
        "error.",
        counted,
        "No book was found wrong in this time",
    )


def _breakers() -> statetimeline.Panel:
    query = promql(
        'max by (platform, venue_endpoint) (echoarb_breaker_open{platform=~"$platform"})',
        "{{platform}} {{venue_endpoint}}",
    )
    panel = states(
        "Breakers",
        "While an endpoint's breaker is open, its connector leaves it alone; docs/runbook.md says "
        "what to do.",
        [query],
        unit="short",
        width=12,
        height=8,
        source=prometheus.SOURCE,
        no_data="No connector has asked an endpoint yet, or Prometheus doesn't see it",
    )
    return panel.mappings([named({"0": ("closed", GREEN), "1": ("open", RED)})])


def _rejected() -> timeseries.Panel:
    query = promql(
        "sum by (platform, reason) "
        '(rate(echoarb_rejected_total{platform=~"$platform"}[$__rate_interval]))',
        "{{platform}} {{reason}}",
    )
    return lines(
        "Frames that could not be used",
        "Frames or parts of them that connectors rejected, by reason. Each leaves a gap over what "
        "it may have concerned.",
        [query],
        unit="cps",
        width=6,
        source=prometheus.SOURCE,
    ).min(0)


def _connects() -> timeseries.Panel:
    query = promql(
        "sum by (platform, result) "
        '(rate(echoarb_connects_total{platform=~"$platform"}[$__rate_interval]))',
        "{{platform}} {{result}}",
    )
    return lines(
        "Connection attempts",
        "By result. Many that fail, or many that succeed, mean that sockets don't last.",
        [query],
        unit="cps",
        width=6,
        source=prometheus.SOURCE,
    ).min(0)
