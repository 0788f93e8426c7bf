"""Board 3, Spreads and alerts: where venues disagree, what of it could be had, who was told."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import QueryVariable
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana import alerts, board, marks, spreads_history, spreads_now, variables
from grafana.board import Row

ABOUT = (
    "The configured pairs (docs/spreads.md). A difference of mids is no profit: the edge is what "
    "is left per contract after both venues' taker fees, for the size at which it holds, between "
    "venues that pay real money. Whether two markets settle alike is for people to confirm: "
    "verified says whether somebody has."
)
SEVERITIES = ("low", "medium", "high", "critical")


def make() -> Dashboard:
    """Return the board."""
    return board.board(
        board.SPREADS,
        "EchoArb / Spreads and alerts",
        ABOUT,
        [
            variables.clickhouse_source(),
            variables.platform(),
            _pair(),
            variables.fixed("severity", "Severity", "Severity of alerts.", SEVERITIES),
            _rule(),
        ],
        [
            Row("Now", spreads_now.numbers()),
            Row("Pairs", [spreads_now.pairs(), spreads_now.edges()]),
            Row("Alerts", alerts.panels()),
            Row("Pairs over time", spreads_history.several()),
            Row("One pair: the chosen one with the best edge now", spreads_history.one()),
        ],
        [marks.gap_regions(market=False), marks.alert_regions()],
        since="now-3h",
    )


def _pair() -> QueryVariable:
    sql = """
        SELECT pair_id, if(description = '', pair_id, description) AS name
        FROM latest_spreads FINAL
        ORDER BY name
        LIMIT 1000
    """
    return variables.listed("pair", "Pair", "Pairs of which a spread was stored.", sql)


def _rule() -> QueryVariable:
    sql = "SELECT DISTINCT rule FROM alerts ORDER BY rule LIMIT 100"
    return variables.listed("rule", "Rule", "Rules of which an alert was stored.", sql)
