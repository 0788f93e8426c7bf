"""Alert: something that a person should look at. The Python side of alert.avsc."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, get_args
from uuid import UUID

AlertState = Literal["raised", "acknowledged", "cleared"]
Severity = Literal["low", "medium", "high", "critical"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""From the least to the worst."""


@dataclass(frozen=True, slots=True)
class Alert:
    """Field meanings are in alert.avsc, in this order. Times are UTC microseconds."""

    alert_id: UUID
    ts: int
    rule: str
    subject: str
    state: AlertState
    severity: Severity
    raised_ts: int
    cleared_ts: int | None
    platform: str | None
    market_id: str | None
    pair_id: str | None
    value: Decimal | None
    threshold: Decimal | None
    unit: str | None
    message: str
    detail: str | None
    acknowledged_by: str | None
    acknowledged_ts: int | None
    acknowledged_note: str | None
