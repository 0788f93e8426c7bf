"""Board 4, Trust: when and where the recording can be believed, and why not."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana import board, coverage, gap_panels, marks, trouble, variables
from grafana.board import Row

ABOUT = (
    "Nothing is given the benefit of the doubt: what no gap speaks of, but nothing vouches for "
    "either, isn't trusted. A gap is a stretch in which a stream could not be followed for sure; "
    "it is data like the ticks themselves."
)


def make() -> Dashboard:
    """Return the board."""
    return board.board(
        board.TRUST,
        "EchoArb / Trust",
        ABOUT,
        [
            variables.clickhouse_source(),
            variables.prometheus_source(),
            variables.platform(),
            variables.search(),
            variables.market(),
            variables.fixed("reason", "Reason", "Reasons of gaps.", gap_panels.REASONS),
        ],
        [
            Row("Now", [*coverage.numbers(), *gap_panels.numbers()]),
            Row("Coverage", [coverage.platforms(), coverage.markets()]),
            Row("Gaps", gap_panels.panels()),
            Row("Books and endpoints", trouble.panels()),
        ],
        [marks.starts()],
        since="now-24h",
        refresh="30s",
    )
