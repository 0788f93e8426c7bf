"""The variables that boards share, so that links carry a choice from one to the next."""

# ruff: noqa: S608 - what is put together here are texts of this package only

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders.dashboard import (
    CustomVariable,
    DatasourceVariable,
    QueryVariable,
    TextBoxVariable,
)
from grafana_foundation_sdk.models.dashboard import (
    VariableHide,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from grafana import clickhouse
from grafana.clickhouse import chosen, decoded, laid_out

MOST_MARKETS = 1000
"""How many a list shows; the text box narrows it down."""
_ALL = VariableOption(selected=True, text=["All"], value=["$__all"])

TITLE_HOLDS = (
    "arrayAll(word -> positionCaseInsensitiveUTF8(concat(title, ' ', ifNull(slug, ''), ' ', "
    f"market_id), word) > 0, splitByWhitespace({decoded('search')}))"
)


def found(*columns: str) -> str:
    """Return the condition that a market's title, slug or id holds each word of the text box."""
    names = ", ".join(columns)
    return (
        f"$__conditionalAll(({names}) IN (SELECT platform, market_id FROM markets FINAL "
        f"WHERE {TITLE_HOLDS}), $search)"
    )


def datasource(name: str, label: str, plugin: str) -> DatasourceVariable:
    """Return the choice of a datasource; ours are provisioned with the variable's name as uid."""
    current = VariableOption(selected=True, text=label, value=name)
    return DatasourceVariable(name).label(label).type(plugin).current(current)


def clickhouse_source() -> DatasourceVariable:
    """Return the choice of ClickHouse."""
    return datasource("clickhouse", "ClickHouse", clickhouse.TYPE)


def prometheus_source() -> DatasourceVariable:
    """Return the choice of Prometheus."""
    return datasource("prometheus", "Prometheus", "prometheus")


def listed(name: str, label: str, description: str, sql: str) -> QueryVariable:
    """Return a list of values from ClickHouse, of which several or all may be chosen.

    Of two columns the first is the value, the second what is shown.
    """
    query: dict[str, object] = {
        "editorType": "sql",
        "queryType": "sql",
        "rawSql": laid_out(sql),
        "refId": name,
    }
    return (
        QueryVariable(name)
        .label(label)
        .description(description)
        .datasource(clickhouse.SOURCE)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.DISABLED)
        .multi(True)
        .include_all(True)
        .current(_ALL)
    )


def fixed(name: str, label: str, description: str, values: Sequence[str]) -> CustomVariable:
    """Return a list of values that are known, of which several or all may be chosen."""
    return (
        CustomVariable(name)
        .label(label)
        .description(description)
        .values(",".join(values))
        .multi(True)
        .include_all(True)
        .current(_ALL)
    )


def platform() -> QueryVariable:
    """Return the venues that ticks were stored of."""
    sql = "SELECT DISTINCT platform FROM latest ORDER BY platform LIMIT 100"
    return listed("platform", "Platform", "Venues that ticks were stored of.", sql)


def search() -> TextBoxVariable:
    """Return the text box that narrows markets down."""
    return (
        TextBoxVariable("search")
        .label("Search")
        .description("Words that a market's title, slug or id holds, in any case and order.")
        .hide(VariableHide.DONT_HIDE)
        .default_value("")
        .current(VariableOption(text="", value=""))
    )


def market() -> QueryVariable:
    """Return the markets that ticks were stored of, the latest first."""
    sql = f"""
        SELECT market_id, concat(platform, ': ', if(title = '', market_id, title)) AS name
        FROM
        (
            SELECT platform, market_id, max(ingest_ts) AS last_ts FROM latest
            WHERE {chosen("platform", "platform")}
            AND {found("platform", "market_id")}
            GROUP BY platform, market_id
            ORDER BY last_ts DESC, market_id
            LIMIT {MOST_MARKETS}
        ) AS recorded
        LEFT JOIN (SELECT platform, market_id, title FROM markets FINAL) AS described
        USING (platform, market_id)
        ORDER BY last_ts DESC, market_id
    """
    about = f"The {MOST_MARKETS} markets with the latest ticks; search finds the others."
    return listed("market", "Market", about, sql)


def outcome() -> QueryVariable:
    """Return the outcomes of the chosen markets."""
    sql = f"""
        SELECT outcome_id, concat(label, ' · ', if(title = '', market_id, title)) AS name
        FROM
        (
            SELECT platform, market_id, outcome_id,
                ifNull(argMax(outcome, ingest_ts), outcome_id) AS label
            FROM latest
            WHERE {chosen("platform", "platform")}
            AND {chosen("market_id", "market")}
            AND {found("platform", "market_id")}
            GROUP BY platform, market_id, outcome_id
            ORDER BY max(ingest_ts) DESC, outcome_id
            LIMIT {MOST_MARKETS}
        ) AS recorded
        LEFT JOIN (SELECT platform, market_id, title FROM markets FINAL) AS described
        USING (platform, market_id)
        ORDER BY name
    """
    return listed("outcome", "Outcome", "Outcomes of the chosen markets.", sql)


def kind() -> CustomVariable:
    """Return the kinds of ticks."""
    about = "Quotes (the best bid or ask changed), trades, or both."
    return fixed("kind", "Kind", about, ("quote", "trade"))
