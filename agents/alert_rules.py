"""What is found of a subject at a moment, and how a value becomes a finding. Pure functions.

A finding has one of three levels. ``on``: it is worth an alert. ``off``: it is over. ``between``:
neither begins nor ends one, so that a value around its threshold doesn't flap.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from agents.alert_settings import AlertSettings, us
from schemas.alert import Severity
from schemas.alert_detail import spread_detail
from schemas.spread import Spread

Level = Literal["on", "between", "off"]
Key = tuple[str, str]
"""Rule and subject."""

PLACES = Decimal("0.00000001")
SPREAD_BANDS: tuple[tuple[Decimal, Severity], ...] = (
    (Decimal("0.20"), "critical"),
    (Decimal("0.15"), "high"),
    (Decimal("0.10"), "medium"),
)
"""Severities of a spread by its size, as in the older system; low below."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found. ``at_us`` is UTC microseconds; ``value`` and ``threshold`` are in ``unit``.

    ``hold_us`` is how long it has to stay ``on`` before it is told. ``change`` is the movement of
    ``value`` that is worth telling again; None: only another severity is.
    """

    rule: str
    subject: str
    at_us: int
    level: Level
    severity: Severity
    message: str
    value: Decimal | None = None
    threshold: Decimal | None = None
    unit: str | None = None
    platform: str | None = None
    market_id: str | None = None
    pair_id: str | None = None
    detail: str | None = None
    hold_us: int = 0
    change: Decimal | None = None

    @property
    def key(self) -> Key:
        """Rule and subject."""
        return self.rule, self.subject


def level_of(value: Decimal, threshold: Decimal, settings: AlertSettings) -> Level:
    """Return ``on`` above the threshold, ``off`` from the clear ratio of it downwards."""
    if value > threshold:
        return "on"
    return "between" if value > threshold * settings.alert_clear_ratio else "off"


def severity_by_ratio(value: Decimal, threshold: Decimal) -> Severity:
    """Return medium, high from twice the threshold, critical from five times."""
    ratio = value / threshold
    if ratio >= 5:
        return "critical"
    return "high" if ratio >= 2 else "medium"


def severity_of_spread(size: Decimal) -> Severity:
    """Return the band that a difference of probabilities falls into."""
    return next((severity for bound, severity in SPREAD_BANDS if size >= bound), "low")


def seconds(duration_us: int) -> Decimal:
    """Return microseconds as seconds."""
    return Decimal(duration_us).scaleb(-6)


def text(value: Decimal) -> str:
    """Return a number for people: at most three places."""
    return f"{value.quantize(Decimal('0.001')).normalize():f}"


def of_spread(spread: Spread, settings: AlertSettings) -> Finding:
    """Return what a spread is worth. One that can't be told is nothing to act on: ``off``."""
    size, threshold = spread.max_spread, spread.threshold
    edge = spread.best_edge
    executable = edge is not None and edge > 0
    if size is None:
        level: Level = "off"
        message = f"{spread.description}: the spread can't be told any more"
    else:
        level = level_of(size, threshold, settings)
        message = f"{spread.description}: {text(size)} between {spread.max_spread_pair}"
        if executable and edge is not None:
            message += f", {text(edge)} a contract after fees at {spread.best_edge_pair}"
        else:
            message += ", nothing to be had after fees"
    return Finding(
        rule="spread",
        subject=spread.pair_id,
        at_us=spread.ts,
        level=level,
        severity=severity_of_spread(size or Decimal(0)),
        message=message,
        value=size,
        threshold=threshold,
        unit="probability",
        pair_id=spread.pair_id,
        detail=spread_detail(spread),
        hold_us=us(settings.alert_spread_seconds),
        change=threshold * settings.alert_change_ratio,
    )


def of_silence(
    platform: str, ticks_us: int | None, gap_us: int | None, now_us: int, settings: AlertSettings
) -> Finding:
    """Return what it is worth that a platform had no tick since ``ticks_us`` and a gap over all of
    it since ``gap_us``, UTC microseconds; None if that is not known or not so."""
    since = min(moment for moment in (ticks_us, gap_us, now_us) if moment is not None)
    quiet, limit = seconds(now_us - since), Decimal(str(settings.alert_silence_seconds))
    cut_off = gap_us is not None and gap_us == since
    what = "is silent or cut off" if cut_off else "had no tick"
    return Finding(
        rule="silence",
        subject=platform,
        at_us=min(now_us, since + us(settings.alert_silence_seconds)),
        level="on" if quiet >= limit else "off",
        severity="critical" if quiet >= 3 * limit else "high",
        message=f"{platform} {what} for {text(quiet)} s",
        value=quiet,
        threshold=limit,
        unit="s",
        platform=platform,
    )


def of_lag(group: str, records: int, at_us: int, settings: AlertSettings) -> Finding:
    """Return what a consumer group's distance from the topics' ends is worth."""
    value, threshold = Decimal(records), Decimal(settings.alert_lag_records)
    return Finding(
        rule="lag",
        subject=group,
        at_us=at_us,
        level=level_of(value, threshold, settings),
        severity=severity_by_ratio(value, threshold),
        message=f"consumer group {group} is {records} records behind",
        value=value,
        threshold=threshold,
        unit="records",
        hold_us=us(settings.alert_lag_seconds),
        change=threshold * settings.alert_change_ratio,
    )
