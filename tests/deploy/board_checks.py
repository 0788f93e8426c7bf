"""What each kind of panel needs of an answer."""

from __future__ import annotations

import re

from tests.deploy.boards import Answer, ClickHouse, Query, queries
from tests.deploy.macros import ALL, Asked, Value, expand

SHOWN = re.compile(
    r"(LowCardinality\()?(Nullable\()?"
    r"(String|Bool|U?Int\d+|Float\d+|Decimal\(.*\)|DateTime(64)?(\(.*\))?)\)*"
)
"""Types that the plugin shows as what they are; arrays and tuples it shows as JSON."""
NUMBER = re.compile(r"(Nullable\()?(U?Int\d+|Float\d+|Decimal\(.*\))\)?")

_NAMES = ("platform", "market", "outcome", "kind", "stage", "pair", "severity", "rule", "reason")
EVERYTHING: dict[str, Value] = {**dict.fromkeys(_NAMES, ALL), "search": ""}
"""The variables when nothing is chosen."""


def check(query: Query, answer: Answer) -> None:
    """Assert that a panel of this kind can show the answer."""
    for name, kind in answer.columns:
        assert SHOWN.fullmatch(kind), f"{name} is {kind}"
    if query.format == 0:
        check_series(answer)
    match query.kind:
        case "timeseries" | "stat" | "heatmap" | "state-timeline":
            assert query.format == 0
        case "candlestick":
            check_candles(answer)
        case "annotation":
            assert query.format == 1  # or the plugin folds the two times into one series
            check_annotation(answer)
        case "variable":
            assert len(answer.columns) <= 2
            assert all(kind.endswith("String)") or kind == "String" for _, kind in answer.columns)
            values = [row[0] for row in answer.rows]
            assert len(set(values)) == len(values)
        case _:
            assert query.kind == "table"
            assert query.format == 1
    if query.kind == "heatmap":
        bounds = [float(name) for name in answer.names[1:]]
        assert bounds == sorted(bounds)
        assert all(count >= 0 for row in answer.rows for count in row[1:])


def check_series(answer: Answer) -> None:
    """Assert that the plugin makes lines of it: texts are labels, numbers are values."""
    (first, kind), *others = answer.columns
    assert first == "time"
    assert kind.startswith("DateTime")
    times = answer.column("time")
    assert times == sorted(times)
    labels = [name for name, kind in others if "String" in kind]
    values = [name for name, kind in others if NUMBER.fullmatch(kind)]
    assert values
    assert {*labels, *values} == {name for name, _ in others}
    keys = [(row[0], *(row[answer.names.index(label)] for label in labels)) for row in answer.rows]
    assert len(set(keys)) == len(keys), "two points of one series at one time"
    assert all(part is not None for key in keys for part in key)


def check_candles(answer: Answer) -> None:
    assert answer.names == ["time", "open", "high", "low", "close", "volume"]
    assert answer.column("time") == sorted(answer.column("time"))
    for _, opened, high, low, close, volume in answer.rows:
        assert low <= min(opened, close) <= max(opened, close) <= high
        assert volume >= 0


def check_annotation(answer: Answer) -> None:
    assert set(answer.names) >= {"time", "title", "text", "tags"}
    assert set(answer.names) <= {"time", "timeEnd", "title", "text", "tags"}
    assert all(answer.column("time"))
    assert all(answer.column("text"))
    if "timeEnd" in answer.names:
        pairs = zip(answer.column("time"), answer.column("timeEnd"), strict=True)
        assert all(begin <= end for begin, end in pairs)


def empty_over(server: ClickHouse, since_us: int, until_us: int) -> set[str]:
    """Run and check every query of every board for everything in a time; return those without
    rows."""
    asked = Asked(since_us // 1000, until_us // 1000, 15_000, EVERYTHING)
    found = set()
    for query in queries():
        answer = server.ask(expand(query.sql, asked))
        check(query, answer)
        if not answer.rows:
            found.add(str(query))
    return found
