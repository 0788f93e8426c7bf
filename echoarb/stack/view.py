"""A snapshot for people: tables on a terminal, one line elsewhere; and the summary as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from echoarb.stack.findings import Findings
from echoarb.stack.ledger import STAGES
from echoarb.stack.snapshot import Snapshot


def line(snapshot: Snapshot) -> str:
    """Return the snapshot as one line."""
    venues = " | ".join(
        f"{venue.platform} {venue.rate:.0f}/s {venue.ticks} ticks"
        + (f" {venue.gaps} gaps" if venue.gaps else "")
        + (f" {venue.dropped} dropped" if venue.dropped else "")
        + (f" ({venue.state})" if venue.state != "connected" else "")
        for venue in snapshot.venues
    )
    dead = f" | {snapshot.dead_letters} dead letters" if snapshot.dead_letters else ""
    return (
        f"{snapshot.seconds:5.0f} s | {venues} | stored {snapshot.stored} lag {snapshot.lag}"
        f"{dead} | {snapshot.findings.pairs} pairs {snapshot.findings.open_alerts} alerts"
        f" | {snapshot.rss_mb:.0f} MB"
    )


def tables(snapshot: Snapshot, notes: list[str]) -> RenderableType:
    """Return the live view."""
    parts: list[RenderableType] = [_venues(snapshot), _processes(snapshot)]
    if snapshot.last_ticks:
        parts.append(_ticks(snapshot))
    if snapshot.findings.spreads:
        parts.append(_spreads(snapshot.findings))
    if snapshot.findings.alerts:
        parts.append(_alerts(snapshot.findings))
    footer = [escape(note) for note in notes[-4:]]
    return Group(*parts, *footer, "Ctrl-C stops everything")


def _venues(snapshot: Snapshot) -> Table:
    table = Table(title=f"EchoArb, {snapshot.seconds:.0f} s", title_justify="left")
    table.add_column("venue")
    for name in ("ticks/s", "ticks", "gaps", "dropped", "rejected", "sockets"):
        table.add_column(name, justify="right")
    for stage in STAGES:
        table.add_column(f"{stage.replace('_', ' to ')}\np50 / p99 ms", justify="right")
    table.add_column("state")
    for venue in snapshot.venues:
        stages = snapshot.latencies.get(venue.platform, {})
        table.add_row(
            venue.platform,
            f"{venue.rate:.0f}",
            *(str(getattr(venue, name)) for name in ("ticks", "gaps", "dropped", "rejected")),
            str(venue.sockets),
            *(_pair(stages.get(stage, {})) for stage in STAGES),
            escape(venue.state),
        )
    return table


def _pair(values: Mapping[str, float | None]) -> str:
    p50, p99 = values.get("p50"), values.get("p99")
    return "-" if p50 is None or p99 is None else f"{p50:.1f} / {p99:.1f}"


def _processes(snapshot: Snapshot) -> Table:
    title = (
        f"sink: {snapshot.stored} rows, lag {snapshot.lag}, {snapshot.dead_letters} dead letters"
    )
    table = Table("process", "state", title=title, title_justify="left")
    table.add_column("restarts", justify="right")
    table.add_column("MB", justify="right")
    for part in snapshot.parts:
        table.add_row(part.name, part.state, str(part.restarts), f"{part.rss_mb:.0f}")
    return table


def _ticks(snapshot: Snapshot) -> Table:
    table = Table("received", "venue", "market", "kind", title="last ticks", title_justify="left")
    for name in ("price", "bid", "ask"):
        table.add_column(name, justify="right")
    for received, platform, market, kind, *money in snapshot.last_ticks:
        time = f"{received:%H:%M:%S.%f}"
        cells = ("-" if value is None else f"{value.normalize():f}" for value in money)
        table.add_row(time, platform, escape(market[:24]), kind, *cells)
    return table


def _spreads(findings: Findings) -> Table:
    title = f"spreads of {findings.pairs} pairs, by what is left after fees"
    table = Table("pair", title=title, title_justify="left")
    for name in ("difference", "between", "edge", "buy-sell"):
        table.add_column(name, justify="right" if name in ("difference", "edge") else "left")
    for description, difference, between, edge, route in findings.spreads:
        table.add_row(
            escape(description[:48]), _money(difference), between or "-", _money(edge), route or "-"
        )
    return table


def _alerts(findings: Findings) -> Table:
    title = f"{findings.open_alerts} open alerts (echoarb top shows all)"
    table = Table("raised", "severity", "rule", "what", title=title, title_justify="left")
    for raised, severity, rule, message in findings.alerts:
        table.add_row(f"{raised:%H:%M:%S}", severity, rule, escape(message[:90]))
    return table


def _money(value: Any) -> str:
    return "-" if value is None else f"{value.normalize():f}"


def summary_tables(summary: Mapping[str, Any]) -> RenderableType:
    """Return the summary for people."""
    venues = Table(title=f"{summary['seconds']} s", title_justify="left")
    venues.add_column("venue")
    columns = ("frames", "ticks", "stored", "gaps", "dropped")
    for name in columns:
        venues.add_column(name, justify="right")
    for platform, row in summary["platforms"].items():
        venues.add_row(platform, *(str(row[name]) for name in columns))
    latency = Table("latency, ms", title_justify="left")
    for name in ("p50", "p99"):
        latency.add_column(name, justify="right")
    for stage, values in summary["latency_ms"].items():
        cells = ("-" if values[name] is None else f"{values[name]:.1f}" for name in ("p50", "p99"))
        latency.add_row(stage.replace("_", " to "), *cells)
    lost = "unknown" if summary["lost"] is None else summary["lost"]
    memory = ", ".join(f"{name} {mb:.0f}" for name, mb in summary["rss_mb"].items())
    return Group(
        venues,
        latency,
        f"{summary['pairs']} pairs with a spread, {summary['open_alerts']} open alerts",
        f"lost {lost}, duplicates {summary['duplicates']}, dead letters {summary['dead_letters']}",
        f"peak memory in MB: {memory}",
    )
