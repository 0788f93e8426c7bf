"""An alert as JSON: the older system's fields and ours."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from api.formats import decimal_text
from api.models import Amount, Instant
from api.spread_view import Spread, micros, view
from schemas.alert import Alert as AlertRecord
from schemas.alert import Severity
from schemas.alert_detail import read_spread_detail
from schemas.clock import isoformat


class Alert(Struct):
    """Something that a person should look at, in its last known state."""

    alert_id: Annotated[str, Meta(examples=["0c4f3a52-0d0b-8f6e-9a5b-1f2e3d4c5b6a"])]
    rule: Annotated[str, Meta(description="What was found", examples=["spread"])]
    subject: Annotated[str, Meta(description="What it was found of", examples=["rate-cut"])]
    state: Literal["raised", "acknowledged", "cleared"]
    severity: Literal["low", "medium", "high", "critical"]
    message: Annotated[str, Meta(examples=["A cut?: 0.12 between KALSHI-POLYMARKET"])]
    created_at: Annotated[Instant, Meta(description="The same as raised_ts")]
    raised_ts: Instant
    updated_ts: Annotated[Instant, Meta(description="When its value or state was told last")]
    cleared_ts: Annotated[Instant | None, Meta(description="null: still open")]
    platform: str | None
    market_id: str | None
    pair_id: str | None
    value: Annotated[Amount | None, Meta(description="What was measured last, in unit")]
    threshold: Annotated[Amount | None, Meta(description="What it is held against, in unit")]
    unit: Annotated[str | None, Meta(examples=["probability"])]
    executable: Annotated[
        bool | None,
        Meta(
            description="For a spread: whether something is left after fees between venues that "
            "pay real money"
        ),
    ]
    spread_result: Annotated[
        Spread | None, Meta(description="For a spread: the one that the alert was told for last")
    ]
    detail: Annotated[Any, Meta(description="For other rules: more of it, or null")]
    acknowledged_by: str | None
    acknowledged_ts: Instant | None
    acknowledged_note: str | None


class AlertPage(Struct):
    """Alerts, the one raised last first; next_cursor is null at the end."""

    data: list[Alert]
    next_cursor: str | None


class Acknowledgement(Struct, forbid_unknown_fields=True):
    """Who has seen an alert, and what they have to say of it."""

    by: Annotated[str, Meta(min_length=1, max_length=200, examples=["ada"])] | None = None
    note: Annotated[str, Meta(max_length=2000, examples=["looking into it"])] | None = None


def view_of(alert: AlertRecord) -> Alert:
    """Return the record as clients see it."""
    spread = read_spread_detail(alert.detail) if alert.rule == "spread" else None
    return Alert(
        alert_id=str(alert.alert_id),
        rule=alert.rule,
        subject=alert.subject,
        state=alert.state,
        severity=alert.severity,
        message=alert.message,
        created_at=isoformat(alert.raised_ts),
        raised_ts=isoformat(alert.raised_ts),
        updated_ts=isoformat(alert.ts),
        cleared_ts=_instant(alert.cleared_ts),
        platform=alert.platform,
        market_id=alert.market_id,
        pair_id=alert.pair_id,
        value=None if alert.value is None else decimal_text(alert.value),
        threshold=None if alert.threshold is None else decimal_text(alert.threshold),
        unit=alert.unit,
        executable=None if spread is None else spread.executable,
        spread_result=None if spread is None else view(spread.spread),
        detail=None if spread is not None else _plain(alert.detail),
        acknowledged_by=alert.acknowledged_by,
        acknowledged_ts=_instant(alert.acknowledged_ts),
        acknowledged_note=alert.acknowledged_note,
    )


def record_of(row: dict[str, Any]) -> AlertRecord:
    """Return the record in a row of the view alerts_latest, as Arrow gives its values."""
    severity: Severity = row["severity"]
    return AlertRecord(
        **{
            **row,
            "alert_id": UUID(str(row["alert_id"])),
            "severity": severity,
            **{name: _micros(value) for name, value in row.items() if name.endswith("ts")},
        }
    )


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else micros(moment)


def _instant(us: int | None) -> str | None:
    return None if us is None else isoformat(us)


def _plain(detail: str | None) -> Any:
    try:
        return msgspec.json.decode(detail or "null")
    except (msgspec.DecodeError, UnicodeError):
        return detail
