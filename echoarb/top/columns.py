"""Ways to tell and order a column's values: texts, decimals, times, ages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from echoarb.top.sheet import Column, Row

MISSING = "-"


def text(name: str, field: str, *, most: int = 200) -> Column:
    """Return a column of texts, cut after ``most`` characters."""

    def told(row: Row) -> str:
        value = row.get(field)
        if value is None:
            return MISSING
        found = " ".join(str(value).split())
        return found if len(found) <= most else f"{found[: most - 1]}…"

    return Column(name, told, lambda row: None if row.get(field) is None else str(row[field]))


def number(
    name: str, field: str, digits: int = 4, style: Callable[[Row], str] = lambda _: ""
) -> Column:
    """Return a column of decimals, rounded to ``digits`` places and ordered by size."""
    return Column(name, lambda row: _plain(row.get(field), digits), of(field), True, style)


def of(field: str) -> Callable[[Row], float | None]:
    """Return what reads a decimal field for ordering; None where it is missing or no number."""

    def value(row: Row) -> float | None:
        try:
            return float(row[field])
        except (KeyError, TypeError, ValueError):
            return None

    return value


def clock(name: str, field: str) -> Column:
    """Return a column of times: UTC, to the millisecond; with the date unless it is today."""

    def told(row: Row) -> str:
        at = instant(row.get(field))
        if at is None:
            return MISSING
        form = "%H:%M:%S.%f" if at.date() == datetime.now(UTC).date() else "%Y-%m-%d %H:%M:%S.%f"
        return f"{at:{form}}"[:-3]

    return Column(name, told, lambda row: row.get(field), True)


def instant(value: Any) -> datetime | None:
    """Return an RFC 3339 time as the API writes it; None for anything else."""
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None


def milliseconds(later: str, earlier: str) -> Callable[[Row], float | None]:
    """Return what gives the milliseconds between two times of a row, None if one is missing."""

    def value(row: Row) -> float | None:
        end, start = instant(row.get(later)), instant(row.get(earlier))
        return None if end is None or start is None else (end - start).total_seconds() * 1000

    return value


def measured(name: str, value: Callable[[Row], float | None], digits: int) -> Column:
    """Return a column of a measured number, told with ``digits`` places."""

    def told(row: Row) -> str:
        found = value(row)
        return MISSING if found is None else f"{found:,.{digits}f}"

    return Column(name, told, value, True)


def _plain(value: Any, digits: int) -> str:
    """Return a decimal rounded and without zeros at its end; what is none as it is."""
    if value is None:
        return MISSING
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return str(value)
    if not found.is_finite() or found.adjusted() > 30:
        return str(value)
    told = f"{found:,.{digits}f}"
    return told.rstrip("0").rstrip(".") if "." in told else told
