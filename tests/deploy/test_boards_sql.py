"""Every query of every board, run on the engine: columns, types and rows that its panel needs.

Over samples, for every way in which people choose. Over what the simulated stack stored they run in
tests/flow/test_faults.py, whose stack has been through every fault.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from grafana.build import BOARDS
from tests.deploy.board_checks import check
from tests.deploy.board_data import QUOTED, Filled
from tests.deploy.boards import Answer, ClickHouse, Query, Refused, boards, panels, queries
from tests.deploy.macros import ALL, Asked, Value, expand

QUERIES = list(queries())
pytestmark = pytest.mark.xdist_group("boards")
HOSTILE = "\\') OR 1=1 -- "
"""Ends the string that Grafana's sqlstring makes of it, for ClickHouse takes \\ for an escape."""
ONE: dict[str, Value] = {
    "platform": ["kalshi"],
    "market": ["SAMPLE-K0-rain-in-lisbon"],
    "outcome": ["SAMPLE-K0-rain-in-lisbon"],
    "kind": ["quote"],
    "search": "lisbon RAIN",
    "stage": ["source_ingest"],
    "pair": ["sample-rain-in-lisbon"],
    "severity": ["low"],
    "rule": ["spread"],
    "reason": ["sequence"],
}
CHOICES: dict[str, dict[str, Value]] = {
    "all": {**dict.fromkeys(ONE, ALL), "search": ""},
    "none": {**{name: [] for name in ONE}, "search": ""},
    "one": ONE,
    "several": {
        "platform": ["kalshi", "manifold"],
        "market": ["SAMPLE-K0-rain-in-lisbon", "SAMPLE-M1-rate-cut", QUOTED],
        "outcome": ["SAMPLE-K0-rain-in-lisbon", "SAMPLE-M1-rate-cut", QUOTED],
        "kind": ["quote", "trade"],
        "search": "will",
        "stage": ["source_ingest", "append_stored"],
        "pair": ["sample-rain-in-lisbon", "sample-rate-cut"],
        "severity": ["low", "critical"],
        "rule": ["spread", "silence"],
        "reason": ["sequence", "silence"],
    },
    "a quote": {**{name: [QUOTED, "an'other"] for name in ONE}, "search": QUOTED},
    "a hostile value": {**{name: [HOSTILE] for name in ONE}, "search": HOSTILE},
}


def over(data: Filled, choice: str) -> Asked:
    """Return the question that a board over all of the data asks."""
    values = {**CHOICES[choice], "clickhouse": "clickhouse", "prometheus": "prometheus"}
    return Asked(data.begin_us // 1000, data.end_us // 1000, 60_000, values)


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_queries_answer_what_their_panels_need(
    query: Query, filled: tuple[ClickHouse, Filled]
) -> None:
    server, data = filled
    asked: dict[str, Answer] = {}
    for choice in CHOICES:
        sql = expand(query.sql, over(data, choice))
        if sql not in asked:
            asked[sql] = server.ask(sql)
            check(query, asked[sql])
        if choice in ("all", "none", "several"):
            assert asked[sql].rows, choice
    assert len(query.sql) < 15_000
    assert re.match(r"SELECT\b", query.sql)
    assert "[[" not in query.sql  # Grafana's older way to write a variable


@pytest.mark.parametrize("name", list(BOARDS))
def test_overrides_and_links_name_columns_that_there_are(
    name: str, filled: tuple[ClickHouse, Filled]
) -> None:
    server, data = filled
    for panel in panels(boards()[name]):
        texts = [target["rawSql"] for target in panel["targets"] if "rawSql" in target]
        if not texts:
            continue
        columns = {
            column for sql in texts for column in server.ask(expand(sql, over(data, "all"))).names
        }
        for override in panel["fieldConfig"]["overrides"]:
            matcher = override["matcher"]
            if matcher["id"] == "byName":
                assert matcher["options"] in columns, panel["title"]
            else:  # Grafana takes a pattern without slashes for the whole name, labels included
                pattern = re.fullmatch("/(.+)/", matcher["options"])
                assert pattern, panel["title"]
                assert any(re.search(pattern[1], column) for column in columns)
        text = json.dumps(panel).replace('\\"', '"')
        fields = re.findall(r'__data\.fields(?:\.(\w+)|\["([^"]+)"\])', text)
        assert {plain or quoted for plain, quoted in fields} <= columns, panel["title"]


def find(board: str, name: str) -> Query:
    """Return a query by its board and name."""
    (found,) = (query for query in QUERIES if (query.board, query.name) == (board, name))
    return found


def test_a_misspelt_column_is_the_engines_error(filled: tuple[ClickHouse, Filled]) -> None:
    server, data = filled
    query = find("markets", "Live ticks/A")
    server.ask(expand(query.sql, over(data, "all")))
    planted = replace(query, sql=query.sql.replace("bid_size AS", "bid_sise AS"))
    with pytest.raises(Refused, match=r"Unknown expression.*bid_sise"):
        server.ask(expand(planted.sql, over(data, "all")))
    with pytest.raises(Refused, match="READONLY"):
        server.ask("CREATE TABLE more (a Int8) ENGINE = Memory")


def test_values_choose_and_do_nothing_else(filled: tuple[ClickHouse, Filled]) -> None:
    server, data = filled
    query = find("markets", "Live ticks/A")
    quiet = {**CHOICES["all"], "clickhouse": "", "prometheus": ""}
    asked = over(data, "all")

    def markets(**values: Value) -> set[str]:
        sql = expand(query.sql, replace(asked, values={**quiet, **values}))
        return set(server.ask(sql).column("Market id"))

    assert markets(market=[QUOTED]) == {QUOTED}
    assert markets(market=[QUOTED], kind=["trade"], platform=["kalshi"]) == {QUOTED}
    assert markets(search="WIN o'brien") == {QUOTED}
    assert markets(search="LISBON will")
    assert all("lisbon" in market for market in markets(search="LISBON will"))
    for name in CHOICES["all"]:
        hostile: Value = HOSTILE if name == "search" else [HOSTILE]
        assert markets(**{name: hostile}) == set() or f"${name}" not in query.sql
    # What Grafana's own format would have done:
    quoted = "SELECT count() FROM ticks WHERE market_id IN (${market:sqlstring})"
    sql = expand(quoted, replace(asked, values=CHOICES["a hostile value"]))
    assert server.ask(sql).rows[0][0] > 0


def test_a_time_without_data_reads_next_to_nothing(filled: tuple[ClickHouse, Filled]) -> None:
    server, data = filled
    ticks = server.ask("SELECT count() FROM ticks").rows[0][0]
    day = 86_400_000
    for query in QUERIES:
        if not re.search(r"FROM (ticks|candles|latency|spreads)\b", query.sql):
            continue
        if str(query) == "trust/Markets/A":  # looks for each market's first minute, ever
            continue
        asked = replace(over(data, "all"), since_ms=100 * day, until_ms=100 * day + 3_600_000)
        answer = server.ask(expand(query.sql, asked))
        assert answer.rows_read < ticks / 4, f"{query} reads {answer.rows_read} of {ticks} ticks"
