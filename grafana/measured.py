"""Panels of what EchoArb's own metrics say, and the PromQL that they have in common."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders import common, stat, timeseries

from grafana import prometheus
from grafana.panels import GREEN, RED, drawn, levels, lines, number
from grafana.prometheus import promql

Query = tuple[str, str]
"""PromQL and the legend of its series, which may hold {{label}}."""
NOT_SEEN = "Prometheus doesn't see the process that tells it"


def rate(metric: str, *by: str, where: str = "") -> str:
    """Return a counter's growth per second, summed over all but ``by``."""
    return f"{_sum(by)} (rate({metric}{_braced(where)}[$__rate_interval]))"


def total(metric: str, *by: str, where: str = "") -> str:
    """Return a gauge summed over all but ``by``."""
    return f"{_sum(by)} ({metric}{_braced(where)})"


def quantile(q: float, histogram: str, *by: str, where: str = "") -> str:
    """Return a quantile of a histogram's latest observations."""
    return f"histogram_quantile({q:g}, {rate(f'{histogram}_bucket', *by, 'le', where=where)})"


def mean(histogram: str, *by: str) -> str:
    """Return the mean of a histogram's latest observations."""
    return f"{rate(f'{histogram}_sum', *by)} / {rate(f'{histogram}_count', *by)}"


def course(
    title: str,
    description: str,
    *queries: Query,
    unit: str = "cps",
    limit: float | None = None,
    **more: Any,
) -> timeseries.Panel:
    """Return lines over time from zero up; ``limit`` is drawn: an alert's threshold."""
    asked = [
        promql(expr, legend, ref) for (expr, legend), ref in zip(queries, "ABCDE", strict=False)
    ]
    more = {"width": 8, "no_data": NOT_SEEN, "source": prometheus.SOURCE, **more}
    panel = lines(title, description, asked, unit=unit, **more).min(0)
    if limit is not None:
        panel.thresholds(levels(GREEN, (limit, RED))).thresholds_style(drawn())
    return panel


def figure(
    title: str,
    description: str,
    expr: str,
    *,
    unit: str,
    bad: float | None = None,
    worst: bool = False,
) -> stat.Panel:
    """Return one number and its course, red from ``bad`` on: the newest value, or the ``worst``."""
    panel = number(
        title,
        description,
        [promql(expr)],
        unit=unit,
        width=3,
        no_data=NOT_SEEN,
        source=prometheus.SOURCE,
    )
    if worst:
        panel.reduce_options(common.ReduceDataOptions().calcs(["max"]).values(False))
    return panel.thresholds(levels(GREEN) if bad is None else levels(GREEN, (bad, RED)))


def _sum(by: tuple[str, ...]) -> str:
    return f"sum by ({', '.join(by)})" if by else "sum"


def _braced(where: str) -> str:
    return f"{{{where}}}" if where else ""
