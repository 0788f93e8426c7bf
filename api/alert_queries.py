"""SQL over the view alerts_latest; values are bound, as in queries.py."""

# ruff: noqa: S608 - what is put together here are texts of this file only

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal
from uuid import UUID

from api.cursor import AlertKey
from api.sql import Conditions, Query, instant

State = Literal["open", "raised", "acknowledged", "cleared", "any"]
COLUMNS = (
    *("alert_id", "ts", "rule", "subject", "state", "severity", "raised_ts", "cleared_ts"),
    *("platform", "market_id", "pair_id", "value", "threshold", "unit", "message", "detail"),
    *("acknowledged_by", "acknowledged_ts", "acknowledged_note"),
)
"""The fields of alert.avsc, in its order."""


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts. ``since`` is inclusive, ``until`` exclusive: when raised, UTC microseconds.

    ``min_threshold`` leaves out open alerts about spreads below it.
    """

    min_threshold: Decimal
    state: State = "open"
    rule: str | None = None
    severity: str | None = None
    platform: str | None = None
    pair_id: str | None = None
    since: int | None = None
    until: int | None = None


def alerts(chosen: AlertFilter, after: AlertKey | None, rows: int) -> Query:
    """Return the query for at most ``rows`` alerts after the key, the one raised last first."""
    where = Conditions()
    for column in ("rule", "severity", "platform", "pair_id"):
        where.equal(column, getattr(chosen, column))
    if chosen.state == "open":
        where.add("state != 'cleared'")
    elif chosen.state != "any":
        where.equal("state", chosen.state)
    # What a spread has fallen to when its alert is cleared says nothing of what it was.
    where.add(
        "(rule != 'spread' OR state = 'cleared' OR value >= toDecimal64({least:String}, 8))",
        least=f"{chosen.min_threshold:f}",
    )
    if chosen.since is not None:
        where.add(f"raised_ts >= {instant('since')}", since=chosen.since)
    if chosen.until is not None:
        where.add(f"raised_ts < {instant('until')}", until=chosen.until)
    if after is not None:
        where.add(
            f"(raised_ts, alert_id) < ({instant('after_ts')}, {{after_alert:UUID}})",
            after_ts=after.raised_us,
            after_alert=str(after.alert_id),
        )
    sql = (
        f"SELECT {', '.join(COLUMNS)} FROM alerts_latest {where.where()} "
        "ORDER BY raised_ts DESC, alert_id DESC LIMIT {rows:UInt32}"
    )
    return Query(sql, {**where.parameters, "rows": rows})


def alert(alert_id: UUID) -> Query:
    """Return the query for one alert."""
    sql = f"SELECT {', '.join(COLUMNS)} FROM alerts_latest WHERE alert_id = {{alert_id:UUID}}"
    return Query(sql, {"alert_id": str(alert_id)})
