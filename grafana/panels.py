"""Panels with the house's manners: each says what it shows, in which unit, and what no data means.

A panel is one of the SDK's builders with ``dress`` put on; what only one kind has, a board sets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from grafana_foundation_sdk.builders import (
    candlestick,
    common,
    heatmap,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders.dashboard import DashboardLink, ThresholdsConfig
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    LineInterpolation,
    SortOrder,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DataSourceRef,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)

from grafana import clickhouse

Panel = TypeVar(
    "Panel",
    timeseries.Panel,
    stat.Panel,
    table.Panel,
    heatmap.Panel,
    statetimeline.Panel,
    candlestick.Panel,
)
Queries = Sequence[Builder[Dataquery]]
WIDTH = 24
"""Columns of Grafana's grid."""
NO_DATA = "Nothing in this time for this choice"
LABEL = "${__field.labels.series}"
"""A series' name: the value of its label ``series``, without the column's name before it."""
GREEN, YELLOW, ORANGE, RED, BLUE, GREY = ("green", "yellow", "orange", "red", "blue", "text")


def dress(
    panel: Panel,
    title: str,
    description: str,
    queries: Queries,
    *,
    unit: str,
    width: int = 12,
    height: int = 8,
    no_data: str = NO_DATA,
    source: DataSourceRef = clickhouse.SOURCE,
) -> Panel:
    """Return the panel with what every panel has."""
    panel.title(title).description(description).datasource(source)
    panel.unit(unit).no_value(no_data).span(width).height(height)
    for query in queries:
        panel.with_target(query)
    return panel


def lines(title: str, description: str, queries: Queries, **more: Any) -> timeseries.Panel:
    """Return lines over time: a table of last and highest values below, all series in the tip."""
    legend = (
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(LegendDisplayMode.TABLE)
        .placement(LegendPlacement.BOTTOM)
        .calcs(["lastNotNull", "max"])
    )
    tip = common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
    panel = dress(timeseries.Panel(), title, description, queries, **more)
    # Auto: a value between two that are missing would be no line, and so be invisible.
    panel.legend(legend).tooltip(tip).show_points(VisibilityMode.AUTO).line_width(1)
    return panel.fill_opacity(0)


def steps(title: str, description: str, queries: Queries, **more: Any) -> timeseries.Panel:
    """Return lines of what holds until it changes, such as quotes."""
    panel = lines(title, description, queries, **more)
    return panel.line_interpolation(LineInterpolation.STEP_AFTER).span_nulls(True)


def number(
    title: str, description: str, queries: Queries, *, course: bool = True, **more: Any
) -> stat.Panel:
    """Return the newest value of each series, large; where there is one, its course behind it."""
    more = {"width": 4, "height": 4, **more}
    panel = dress(stat.Panel(), title, description, queries, **more)
    panel.graph_mode(BigValueGraphMode.AREA if course else BigValueGraphMode.NONE)
    panel.color_mode(BigValueColorMode.VALUE)
    return panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))


def grid(title: str, description: str, queries: Queries, **more: Any) -> table.Panel:
    """Return a table whose columns can be filtered and sorted."""
    more = {"width": WIDTH, "height": 10, **more}
    return dress(table.Panel(), title, description, queries, **more).filterable(True)


def states(title: str, description: str, queries: Queries, **more: Any) -> statetimeline.Panel:
    """Return a row per series, coloured by its state over time."""
    more = {"width": WIDTH, "height": 10, **more}
    panel = dress(statetimeline.Panel(), title, description, queries, **more)
    panel.show_value(VisibilityMode.NEVER).line_width(0).fill_opacity(80)
    tip = common.VizTooltipOptions().mode(TooltipDisplayMode.SINGLE)
    legend = common.VizLegendOptions().show_legend(True).display_mode(LegendDisplayMode.LIST)
    return panel.tooltip(tip).legend(legend.placement(LegendPlacement.BOTTOM))


def levels(base: str, *above: tuple[float, str]) -> ThresholdsConfig:
    """Return thresholds: the colour below all, then the value from which each colour holds."""
    found = [Threshold(None, base), *(Threshold(value, color) for value, color in above)]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(found)


def drawn() -> common.GraphThresholdsStyleConfig:
    """Return the wish to draw thresholds as dashed lines."""
    return common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED)


def named(values: Mapping[str, tuple[str, str]]) -> ValueMap:
    """Return what each value is shown as: (text, colour)."""
    options = {
        value: ValueMappingResult(text=text, color=color, index=at)
        for at, (value, (text, color)) in enumerate(values.items())
    }
    return ValueMap(options)


def with_(**properties: object) -> list[DynamicConfigValue]:
    """Return properties of an override: ``unit="ms"``; __ stands for a dot (custom__hidden)."""
    return [
        DynamicConfigValue(name.replace("__", "."), value) for name, value in properties.items()
    ]


def link(title: str, url: str) -> dict[str, object]:
    """Return a data link, for ``with_(links=[...])``."""
    return {"title": title, "url": url, "targetBlank": False}


def to_board(title: str, uid: str, **variables: str) -> dict[str, object]:
    """Return a data link to a board of ours, which keeps the time and sets variables."""
    chosen = "".join(f"&var-{name}={value}" for name, value in variables.items())
    return link(title, f"/d/{uid}?${{__url_time_range}}{chosen}")


def leads_to(title: str, uid: str) -> DashboardLink:
    """Return a panel's link to a board of ours, which keeps the time and every variable."""
    url = f"/d/{uid}?${{__url_time_range}}&${{__all_variables}}"
    return DashboardLink(title).type(DashboardLinkType.LINK).url(url)
