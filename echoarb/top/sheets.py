"""The tabs of `echoarb top`: what each shows of the API's rows."""

from __future__ import annotations

from echoarb.top.columns import MISSING, clock, measured, milliseconds, number, of, text
from echoarb.top.sheet import Column, Row, Sheet

SEVERITY = {"low": 1.0, "medium": 2.0, "high": 3.0, "critical": 4.0}
_SEVERITY_STYLE = {"medium": "yellow", "high": "bold yellow", "critical": "bold red"}
_STAGES = ("source_ingest", "ingest_emit", "emit_append", "append_stored")


def _spread(row: Row) -> float | None:
    bid, ask = of("bid")(row), of("ask")(row)
    return None if bid is None or ask is None else ask - bid


def _direction(row: Row) -> str:
    """Color a row by where its middle went with the newest quote."""
    return {1: "green", -1: "red"}.get(row.get("moved") or 0, "")


def _edge(row: Row) -> str:
    edge = of("best_edge")(row)
    return "bold green" if edge is not None and edge > 0 else ""


def _severity(row: Row) -> str:
    return _SEVERITY_STYLE.get(str(row.get("severity")), "")


def _yes(name: str, field: str) -> Column:
    def told(row: Row) -> str:
        return {True: "yes", False: "no"}.get(row.get(field), MISSING)  # type: ignore[arg-type]

    return Column(name, told, told)


TICKS = Sheet(
    "ticks",
    lambda row: f"{row['platform']}/{row['outcome_id']}",
    (
        clock("received", "ingest_ts"),
        text("venue", "platform"),
        text("market", "title", most=44),
        text("outcome", "outcome", most=16),
        number("bid", "bid", style=_direction),
        number("ask", "ask", style=_direction),
        measured("spread", _spread, 3),
        number("last", "price"),
        number("size", "size", 2),
        number("volume", "volume", 0),
        measured("delay ms", milliseconds("ingest_ts", "source_ts"), 1),
        number("changes", "changes"),
    ),
    ("received", True),
    "no ticks yet",
)
SPREADS = Sheet(
    "spreads",
    lambda row: str(row["pair_id"]),
    (
        text("pair", "description", most=48),
        number("kalshi", "kalshi_prob"),
        number("polymarket", "poly_prob"),
        number("manifold", "manifold_prob"),
        number("difference", "max_spread"),
        text("between", "max_spread_pair"),
        number("edge", "best_edge", style=_edge),
        text("buy-sell", "best_edge_pair"),
        number("complete", "data_completeness"),
        _yes("verified", "verified"),
        clock("at", "timestamp"),
    ),
    ("edge", True),
    "no spreads: none of the configured pairs has a price yet",
)
LATENCY = Sheet(
    "latency",
    lambda row: f"{row['platform']}/{_stage(row)}/{row['stage']}",
    (
        text("venue", "platform"),
        Column(
            "stage", lambda row: str(row["stage"]).replace("_", " to "), lambda row: _stage(row)
        ),
        number("count", "count"),
        number("p50 ms", "p50"),
        number("p90 ms", "p90"),
        number("p95 ms", "p95"),
        number("p99 ms", "p99"),
        number("max ms", "max"),
        number("floor ms", "floor"),
        number("negative", "negative"),
        number("missing", "missing"),
    ),
    ("venue", False),
    "no latencies yet",
)
ALERTS = Sheet(
    "alerts",
    lambda row: str(row["alert_id"]),
    (
        clock("raised", "raised_ts"),
        Column(
            "severity",
            lambda row: str(row.get("severity") or MISSING),
            lambda row: SEVERITY.get(str(row.get("severity"))),
            style=_severity,
        ),
        text("state", "state"),
        text("rule", "rule"),
        text("what", "message", most=90),
        number("value", "value"),
        number("limit", "threshold"),
        text("by", "acknowledged_by", most=16),
    ),
    ("severity", True),
    "no open alerts",
)
GAPS = Sheet(
    "gaps",
    lambda row: str(row["gap_id"]),
    (
        clock("from", "from_ts"),
        clock("to", "to_ts"),
        measured("ms", milliseconds("to_ts", "from_ts"), 0),
        text("venue", "platform"),
        text("market", "market_id", most=44),
        text("reason", "reason"),
        number("missed", "missed"),
        text("detail", "detail", most=60),
    ),
    ("from", True),
    "no gaps",
)
SHEETS = (TICKS, SPREADS, LATENCY, ALERTS, GAPS)


def _stage(row: Row) -> float:
    return float(_STAGES.index(row["stage"])) if row.get("stage") in _STAGES else float("inf")
