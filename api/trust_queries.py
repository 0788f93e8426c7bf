"""SQL for what says whether a stretch of a stream can be trusted; values are bound."""

from __future__ import annotations

from api.sql import Conditions, Query, instant

MOST_STARTS = 10_000


def starts(platform: str) -> Query:
    """Return the query for the moments at which the platform's connectors started, newest first."""
    return Query(
        "SELECT DISTINCT assumeNotNull(to_ts) AS started FROM gaps WHERE platform = "
        "{platform:String} AND reason = 'startup' AND to_ts IS NOT NULL "
        "ORDER BY started DESC LIMIT {rows:UInt32}",
        {"platform": platform, "rows": MOST_STARTS},
    )


def last_tick(platform: str) -> Query:
    """Return the query for the newest tick of the platform: no row, or one."""
    return Query(
        "SELECT max(ingest_ts) AS ingest_ts FROM latest WHERE platform = {platform:String} "
        "HAVING count() > 0",
        {"platform": platform},
    )


def ticks_between(platform: str, after: int, before: int) -> Query:
    """Return the query for whether the platform had any tick in between: one row, or none."""
    return Query(
        "SELECT 1 AS found FROM ticks WHERE platform = {platform:String} "  # noqa: S608 - ours
        f"AND ingest_ts > {instant('after')} AND ingest_ts < {instant('before')} LIMIT 1",
        {"platform": platform, "after": after, "before": before},
    )


def first_minutes(market: str, platform: str | None) -> Query:
    """Return the query for the first minute in which the market was recorded, by platform."""
    where = Conditions()
    where.equal("market_id", market)
    where.equal("platform", platform)
    return Query(
        "SELECT platform, toDateTime64(min(minute), 6, 'UTC') AS minute FROM candles "  # noqa: S608
        f"{where.where()} GROUP BY platform ORDER BY platform",
        where.parameters,
    )


def minutes(platform: str, since: int, until: int, rows: int = 1_000_000) -> Query:
    """Return the query for the minutes in which anything of the platform was recorded, in order."""
    return Query(
        "SELECT DISTINCT toDateTime64(minute, 6, 'UTC') AS minute FROM candles "  # noqa: S608
        f"WHERE platform = {{platform:String}} AND minute >= {instant('since')} "
        f"AND minute < {instant('until')} ORDER BY minute LIMIT {{rows:UInt32}}",
        {"platform": platform, "since": since, "until": until, "rows": rows},
    )
