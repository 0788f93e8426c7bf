"""Panels of alerts: what is open, what was raised, how long things took."""

# ruff: noqa: S608 - what is put together here are texts of this package only

from __future__ import annotations

from grafana_foundation_sdk.builders import common, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.common import GraphDrawStyle, StackingMode
from grafana_foundation_sdk.models.dashboard import Panel

from grafana import board
from grafana.clickhouse import chosen, rows, series
from grafana.panels import (
    BLUE,
    LABEL,
    ORANGE,
    RED,
    YELLOW,
    Queries,
    grid,
    lines,
    named,
    to_board,
    with_,
)

ALERTS = 300
CHOSEN = (
    f"{chosen('severity', 'severity')} AND {chosen('rule', 'rule')} "
    f"AND (platform IS NULL OR {chosen('platform', 'platform')}) "
    f"AND (pair_id IS NULL OR {chosen('pair_id', 'pair')})"
)
"""Alerts that concern no platform or no pair are not left out by one that is chosen."""
SEVERITY = named(
    {
        "critical": ("critical", "dark-red"),
        "high": ("high", RED),
        "medium": ("medium", ORANGE),
        "low": ("low", YELLOW),
    }
)
_RANK = "indexOf(['critical', 'high', 'medium', 'low'], severity)"


def panels() -> list[Builder[Panel]]:
    """Return the panels of the row."""
    return [open_alerts(), raised(), recent()]


def open_alerts() -> table.Panel:
    """Return the alerts that are open, the gravest first."""
    found = rows(f"""
        SELECT severity AS "Severity", rule AS "Rule", message AS "Message",
            raised_ts AS "Raised", dateDiff('second', raised_ts, now64(3)) AS "Open for",
            toFloat64(value) AS "Value", toFloat64(threshold) AS "Threshold", unit AS "Unit",
            subject AS "Subject", state AS "State", acknowledged_by AS "Seen by",
            acknowledged_note AS "Note", toString(alert_id) AS "Alert id",
            ifNull(pair_id, '') AS "Pair id"
        FROM alerts_latest
        WHERE state != 'cleared' AND {CHOSEN}
        ORDER BY {_RANK}, raised_ts DESC, alert_id
        LIMIT {ALERTS}
    """)
    panel = _dressed(
        "Open alerts",
        "What a person should look at, whatever the board's time is. Acknowledge one by its id: "
        "POST /api/v1/alerts/ALERT_ID/acknowledge (docs/alerts.md).",
        [found],
        no_data="No open alert of this choice",
    )
    return panel.override_by_name("Open for", with_(unit="s", decimals=0))


def recent() -> table.Panel:
    """Return the alerts that were raised in the board's time."""
    found = rows(f"""
        SELECT severity AS "Severity", rule AS "Rule", message AS "Message",
            raised_ts AS "Raised", cleared_ts AS "Cleared",
            dateDiff('second', raised_ts, cleared_ts) AS "Lasted",
            toFloat64(value) AS "Value", toFloat64(threshold) AS "Threshold", unit AS "Unit",
            subject AS "Subject", state AS "State", acknowledged_by AS "Seen by",
            toString(alert_id) AS "Alert id", ifNull(pair_id, '') AS "Pair id"
        FROM alerts_latest
        WHERE $__timeFilter(raised_ts) AND {CHOSEN}
        ORDER BY raised_ts DESC, alert_id
        LIMIT {ALERTS}
    """)
    panel = _dressed(
        "Alerts raised in this time",
        f"The {ALERTS} newest. The value of one that is cleared is what it had fallen to.",
        [found],
        no_data="No alert of this choice was raised in this time",
    )
    panel.override_by_name("Cleared", with_(unit="dateTimeAsIso"))
    return panel.override_by_name("Lasted", with_(unit="s", decimals=0))


def raised() -> timeseries.Panel:
    """Return how many alerts were raised over time."""
    counted = series(f"""
        SELECT $__timeInterval(raised_ts) AS time, concat(severity, ' ', rule) AS series,
            count() AS Value
        FROM alerts_latest
        WHERE $__timeFilter(raised_ts) AND {CHOSEN}
        GROUP BY time, series
        ORDER BY time, series
    """)
    panel = lines(
        "Alerts raised",
        "Alerts by severity and rule, by the interval in which they were raised.",
        [counted],
        unit="short",
        width=24,
        height=6,
        no_data="No alert of this choice was raised in this time",
    )
    stack = common.StackingConfig().mode(StackingMode.NORMAL).group("A")
    panel.draw_style(GraphDrawStyle.BARS).fill_opacity(70).stacking(stack)
    return panel.display_name(LABEL).decimals(0).min(0).interval("1m")


def _dressed(title: str, about: str, queries: Queries, no_data: str) -> table.Panel:
    panel = grid(title, about, queries, unit="short", height=9, no_data=no_data)
    colored = {"type": "color-background"}
    panel.override_by_name(
        "Severity", with_(mappings=[SEVERITY], custom__cellOptions=colored, custom__width=90)
    )
    states = named(
        {
            "raised": ("raised", RED),
            "acknowledged": ("acknowledged", YELLOW),
            "cleared": ("cleared", BLUE),
        }
    )
    panel.override_by_name(
        "State", with_(mappings=[states], custom__cellOptions={"type": "color-text"})
    )
    panel.override_by_name("Raised", with_(unit="dateTimeAsIso"))
    history = to_board(
        "The pair's history", board.SPREADS, pair='${__data.fields["Pair id"]:percentencode}'
    )
    return panel.override_by_name("Message", with_(links=[history], custom__width=420))
