"""What all boards have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import (
    AnnotationQuery,
    Dashboard,
    DashboardCursorSync,
    DashboardLinkType,
    Panel,
    RowPanel,
    VariableModel,
)

TAG = "echoarb"
MARKETS = "echoarb-markets"
LATENCY = "echoarb-latency"
SPREADS = "echoarb-spreads"
TRUST = "echoarb-trust"
PIPELINE = "echoarb-pipeline"
"""Uids: they stand in links and bookmarks, so they never change."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a board: its heading, and its panels from left to right, then downwards."""

    title: str
    panels: Sequence[Builder[Panel]]


def board(
    uid: str,
    title: str,
    description: str,
    variables: Sequence[Builder[VariableModel]],
    rows: Sequence[Row],
    annotations: Sequence[Builder[AnnotationQuery]] = (),
    *,
    since: str = "now-6h",
    refresh: str = "10s",
) -> Dashboard:
    """Return a board; panels are numbered in their order."""
    made = (
        builders.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .timezone("utc")
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .time(since, "now")
        .refresh(refresh)
        .link(_other_boards())
        .variables(list(variables))
        .annotations(list(annotations))
    )
    for row in rows:
        made.with_row(builders.Row(row.title))
        for panel in row.panels:
            made.with_panel(panel)
    found = made.build()
    _number(found.panels or [])
    return found


def _other_boards() -> builders.DashboardLink:
    """Return links to all boards of ours, which keep time and variables."""
    return (
        builders.DashboardLink("EchoArb")
        .type(DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .include_vars(True)
        .keep_time(True)
        .as_dropdown(False)
    )


def _number(panels: Sequence[Panel | RowPanel]) -> None:
    for number, panel in enumerate(panels, 1):
        panel.id_val = number
