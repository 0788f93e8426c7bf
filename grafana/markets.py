"""Board 1, Markets: what trades where, at which price, and how much of it can be believed."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana import board, markets_history, markets_now, marks, variables
from grafana.board import Row

ABOUT = (
    "Every quote and trade as it was stored. Platform, market, outcome and search narrow all "
    "panels, kind those of ticks. Red regions are gaps: stretches in which what is drawn can't be "
    "trusted."
)


def make() -> Dashboard:
    """Return the board."""
    return board.board(
        board.MARKETS,
        "EchoArb / Markets",
        ABOUT,
        [
            variables.clickhouse_source(),
            variables.platform(),
            variables.search(),
            variables.market(),
            variables.outcome(),
            variables.kind(),
        ],
        [
            Row("Now", markets_now.numbers()),
            Row("Live ticks", [markets_now.ticks()]),
            Row("Prices", markets_history.prices()),
            Row("One outcome: the busiest of those chosen", markets_history.one_outcome()),
            Row("Outcomes", [markets_now.outcomes()]),
        ],
        [marks.gap_regions(), marks.starts(), marks.closings()],
    )
