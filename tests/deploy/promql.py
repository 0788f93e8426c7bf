"""What the rules and boards ask Prometheus, and what our code has to answer with."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser as promql
import yaml
from prometheus_client import Counter, Gauge, Histogram

from tests.deploy.boards import boards, panels

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
TARGET_LABELS = frozenset({"job", "instance", "namespace"})
"""What Prometheus adds to each series; the namespace on Kubernetes only."""
PROCESS = (
    *("up", "process_resident_memory_bytes", "process_open_fds", "process_max_fds"),
    *("process_start_time_seconds", "process_cpu_seconds_total"),
)
"""What Prometheus and its client library give by themselves, and we use."""
SPLITTING = frozenset({"==", "!=", ">", "<", ">=", "<=", "and", "or", "unless"})
"""Operators whose answer may be empty though both sides have values."""


@cache
def known() -> dict[str, frozenset[str]]:
    """Return every series name of our code with its labels."""
    found: dict[str, frozenset[str]] = {name: frozenset() for name in PROCESS}
    found["ALERTS"] = frozenset({"alertname", "alertstate", "severity"})
    packages = (ROOT / name for name in ("agents", "api", "connectors"))
    files = [path for package in packages for path in sorted(package.glob("*metrics.py"))]
    for name in (*(f"{path.parent.name}.{path.stem}" for path in files), "schemas.process"):
        for metric in vars(importlib.import_module(name)).values():
            if not isinstance(metric, Counter | Gauge | Histogram):
                continue
            labels = frozenset(metric._labelnames)
            (family,) = metric.describe()
            if isinstance(metric, Counter):
                found[f"{family.name}_total"] = labels
            elif isinstance(metric, Gauge):
                found[family.name] = labels
            else:
                found |= {f"{family.name}_{end}": labels for end in ("sum", "count")}
                found[f"{family.name}_bucket"] = labels | {"le"}
    return found


@cache
def rules() -> list[dict[str, Any]]:
    """Return every rule."""
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    """Return every alert rule by its name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def recorded() -> set[str]:
    """Return the names of the series that rules record."""
    return {rule["record"] for rule in rules() if "record" in rule}


def filled_in(expr: str) -> str:
    """Return a board's expression as Grafana might send it: all chosen, a minute between points."""
    expr = re.sub(r"\$__rate_interval|\$__interval|\$__range", "1m", expr)
    return re.sub(r"\$\{?\w+(:\w+)?\}?", ".*", expr)


def asked() -> dict[str, str]:
    """Return every PromQL expression of rules and boards by where it stands."""
    found = {rule.get("alert") or rule["record"]: rule["expr"] for rule in rules()}
    for name, board in boards().items():
        for panel in panels(board):
            for target in panel["targets"]:
                if "expr" in target:
                    place = f"{name}: {panel['title']} {target['refId']}"
                    found[place] = filled_in(target["expr"])
    return found


def selectors(expr: promql.Expr) -> list[promql.VectorSelector]:
    """Return every series selection in an expression."""
    found: list[promql.VectorSelector] = []

    def visit(node: promql.Expr) -> None:
        if isinstance(node, promql.VectorSelector):
            found.append(node)

    promql.walk(expr, visit)
    return found


def mistakes(text: str) -> Iterator[str]:
    """Yield what of an expression our metrics can't answer: names and labels."""
    expr = promql.parse(text)
    metrics = {**known(), **{name: frozenset[str]() for name in recorded()}}
    for each in selectors(expr):
        if each.name not in metrics:
            yield f"no metric {each.name}"
            continue
        wanted = {matcher.name for matcher in each.matchers.matchers}
        for label in sorted(wanted - metrics[each.name] - TARGET_LABELS):
            yield f"{each.name} has no label {label}"
    missing: list[str] = []

    def visit(node: promql.Expr) -> None:
        if not isinstance(node, promql.AggregateExpr) or node.modifier is None:
            return
        below = frozenset[str]().union(
            *(metrics.get(s.name or "", frozenset()) for s in selectors(node.expr))
        )
        wanted = set(node.modifier.labels)
        missing.extend(f"no label {label} in {node}" for label in wanted - below - TARGET_LABELS)

    promql.walk(expr, visit)
    yield from missing


def measured(expr: promql.Expr) -> list[str]:
    """Return the parts of an expression that have a value whether or not there is trouble.

    An alert's expression is empty while all is well; what it compares is not.
    """
    if isinstance(expr, promql.ParenExpr):
        return measured(expr.expr)
    if isinstance(expr, promql.Call) and expr.func.name == "absent":
        return [part for arg in expr.args for part in measured(arg)]
    if isinstance(expr, promql.BinaryExpr) and str(expr.op) in SPLITTING:
        return [*measured(expr.lhs), *measured(expr.rhs)]
    return [expr.prettify()] if selectors(expr) else []
