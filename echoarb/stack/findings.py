"""What the analytics found, for the live view and the summary: spreads and open alerts."""

# ruff: noqa: S608 - what is put together here are texts of this file only

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clickhouse_connect.driver.exceptions import ClickHouseError

MOST_SPREADS = 4
MOST_ALERTS = 4


@dataclass(frozen=True, slots=True)
class Findings:
    """``spreads`` are (description, difference, between, edge, buy-sell), the best edge first;
    ``alerts`` are (raised, severity, rule, message), the worst first. Beside them: how many pairs
    have a spread, and how many alerts are open."""

    pairs: int = 0
    open_alerts: int = 0
    spreads: Sequence[tuple[Any, ...]] = ()
    alerts: Sequence[tuple[Any, ...]] = ()


def look(client: Any, database: str) -> Findings:
    """Return what is found now; nothing while ClickHouse is away."""
    settings = {"database": database}
    try:
        spreads = client.query(
            "SELECT description, max_spread, max_spread_pair, best_edge, best_edge_pair, "
            "count() OVER () FROM latest_spreads FINAL ORDER BY best_edge DESC NULLS LAST "
            f"LIMIT {MOST_SPREADS}",
            settings=settings,
        ).result_rows
        alerts = client.query(
            "SELECT raised_ts, severity, rule, message, count() OVER () FROM alerts_latest "
            "WHERE state != 'cleared' ORDER BY "
            "indexOf(['critical', 'high', 'medium', 'low'], severity), raised_ts DESC "
            f"LIMIT {MOST_ALERTS}",
            settings=settings,
        ).result_rows
    except ClickHouseError:
        return Findings()
    return Findings(
        pairs=int(spreads[0][-1]) if spreads else 0,
        open_alerts=int(alerts[0][-1]) if alerts else 0,
        spreads=[tuple(row[:-1]) for row in spreads],
        alerts=[tuple(row[:-1]) for row in alerts],
    )
