"""Pieces of SQL that several panels share. They hold variables and macros of the plugin."""

# ruff: noqa: S608 - what is put together here are texts of this package only

from __future__ import annotations

from grafana.clickhouse import chosen
from grafana.variables import found

LINES = 8
"""Outcomes that one panel draws; with more, nobody can tell the colours apart."""

MARKETS_CHOSEN = (
    f"{chosen('platform', 'platform')} AND {chosen('market_id', 'market')} "
    f"AND {chosen('outcome_id', 'outcome')} AND {found('platform', 'market_id')}"
)
TICKS_CHOSEN = f"$__timeFilter(ingest_ts) AND {MARKETS_CHOSEN}"
"""Ticks of the board's time: ingest_ts is what the table is partitioned by."""
WHOLE_INTERVALS = (
    "ingest_ts >= toStartOfInterval($__fromTime, toIntervalSecond($__interval_s)) "
    "AND ingest_ts < toStartOfInterval($__toTime, toIntervalSecond($__interval_s))"
)
"""Ticks of the intervals that are over: of one that has just begun, a rate would be too low."""
MINUTES = "minute >= toStartOfMinute($__fromTime) AND minute <= $__toTime"
"""Candles of the board's time."""


def busiest(outcomes: int) -> str:
    """Return a subquery for the chosen outcomes that had something in the most minutes.

    From candles, which have a row a minute: counting ticks would read all of them, twice.
    """
    return f"""
        SELECT platform, market_id, outcome_id FROM candles
        WHERE {MINUTES} AND {MARKETS_CHOSEN}
        GROUP BY platform, market_id, outcome_id
        ORDER BY uniqExact(minute) DESC, max(minute) DESC, outcome_id
        LIMIT {outcomes}
    """


def among(outcomes: int) -> str:
    """Return the condition to be one of the busiest chosen outcomes."""
    return f"(platform, market_id, outcome_id) IN ({busiest(outcomes)})"


TITLES = "(SELECT platform, market_id, title, status, close_ts, outcomes FROM markets FINAL)"
"""What venues say of markets, to be joined on (platform, market_id)."""
TITLE = "if(title = '', market_id, title)"
LABEL = "arrayFirst(each -> each.outcome_id = found.outcome_id, outcomes).outcome"
NAME = f"concat({TITLE}, ' · ', if({LABEL} = '', found.outcome_id, {LABEL}), ' · ', platform)"
"""An outcome's name in a legend; the rows that TITLES are joined to are called found."""

BEGINNING = "toDateTime64(0, 6, 'UTC')"
_STATE = ("platform", "market_id", "connection", "reason", "from_ts", "to_ts", "missed", "detail")


def gaps(where: str) -> str:
    """Return a subquery for gaps, one row each, as they were last said to be; ``where`` picks
    among the records.

    A closed state wins over an open one, whatever came in first. A gap that its connector left
    open, since it ended, is over when the platform's next connector starts. One that doesn't know
    when it began did so, for all we know, when its connector started. What connectors publish when
    they start is not among them. As api/queries.py and api/coverage.py have it.
    """
    columns = ", ".join(
        f"state.{at} AS {name if name != 'to_ts' else 'own_to_ts'}"
        for at, name in enumerate(_STATE, 1)
    )
    return f"""
        SELECT gap_id, platform, market_id, connection, reason, missed, detail, first_ts,
            ifNull(from_ts, arrayLast(start -> start <= first_ts, starts)) AS began,
            ifNull(own_to_ts, nullIf(
                arrayFirst(start -> start > ifNull(from_ts, first_ts), starts), {BEGINNING}))
                AS ended
        FROM
        (
            SELECT gap_id, first_ts, {columns}
            FROM
            (
                SELECT gap_id, min(append_ts) AS first_ts,
                    argMax(tuple({", ".join(_STATE)}),
                           tuple(isNotNull(to_ts), append_ts, kafka_offset)) AS state
                FROM gaps
                WHERE reason != 'startup' AND {where}
                GROUP BY gap_id
            )
        ) AS states
        LEFT JOIN
        (
            SELECT platform, arraySort(groupUniqArray(assumeNotNull(to_ts))) AS starts FROM gaps
            WHERE reason = 'startup' AND to_ts IS NOT NULL
            GROUP BY platform
        ) AS started
        USING (platform)
    """


GAPS_CHOSEN = (
    f"{chosen('platform', 'platform')} AND (market_id IS NULL OR {chosen('market_id', 'market')})"
)
"""A market is also concerned by the gaps that name no market, those of its whole platform."""
BEGAN = f"nullIf(began, {BEGINNING})"
"""When a gap began, null if that isn't known; ``began`` is then the beginning of all times."""
PLATFORM_GAPS_CHOSEN = f"market_id IS NULL AND {chosen('platform', 'platform')}"
GAPS_IN_TIME = "began <= $__toTime AND (ended IS NULL OR ended >= $__fromTime)"
