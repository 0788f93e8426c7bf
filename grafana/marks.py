"""What lies under lines: stretches that can't be trusted, starts of connectors, closings."""

# ruff: noqa: S608 - what is put together here are texts of this package only

from __future__ import annotations

from grafana.clickhouse import Annotation, chosen
from grafana.sql import GAPS_IN_TIME, LINES, PLATFORM_GAPS_CHOSEN, busiest, gaps

MOST = 500
DRAWN = (
    f"{chosen('platform', 'platform')} AND (market_id IS NULL OR (platform, market_id) IN "
    f"(SELECT platform, market_id FROM ({busiest(LINES)})))"
)


def gap_regions(*, market: bool = True) -> Annotation:
    """Return the gaps of the chosen platforms and of the markets drawn, from begin to end.

    The region of one that is open ends where the board does. ``market`` says whether the board
    has that variable; without it there are only the gaps of whole platforms. Gaps of the markets
    that no line is of would redden what they don't concern.
    """
    concerned = DRAWN if market else PLATFORM_GAPS_CHOSEN
    sql = f"""
        SELECT began AS time,
            if(ended IS NULL, toDateTime64($__toTime, 6, 'UTC'), ended) AS timeEnd,
            concat('Gap: ', reason) AS title,
            concat(platform, ', ', ifNull(market_id, 'every market'), ': ',
                if(ended IS NULL, 'still open', concat('over after ',
                    toString(dateDiff('second', began, assumeNotNull(ended))), ' s')),
                ifNull(concat(', ', toString(missed), ' missed'), ''),
                ifNull(concat('. ', detail), '')) AS text,
            concat(platform, ',', reason) AS tags
        FROM ({gaps(concerned)})
        WHERE {GAPS_IN_TIME}
        ORDER BY time DESC
        LIMIT {MOST}
    """
    return Annotation("Gaps", sql, "red")


def starts() -> Annotation:
    """Return the moments at which connectors started: before them nothing was followed."""
    sql = f"""
        SELECT DISTINCT assumeNotNull(to_ts) AS time, 'Connector started' AS title,
            concat(platform, ': nothing was followed before') AS text, platform AS tags
        FROM gaps
        WHERE reason = 'startup' AND to_ts IS NOT NULL AND $__timeFilter(to_ts)
            AND {chosen("platform", "platform")}
        ORDER BY time DESC
        LIMIT {MOST}
    """
    return Annotation("Connector starts", sql, "blue")


def alert_regions() -> Annotation:
    """Return the alerts about the chosen pairs, from when they were raised to when cleared."""
    sql = f"""
        SELECT raised_ts AS time,
            ifNull(cleared_ts, toDateTime64($__toTime, 6, 'UTC')) AS timeEnd,
            concat(severity, ' ', rule, ' alert') AS title, message AS text,
            concat(rule, ',', severity) AS tags
        FROM alerts_latest
        WHERE rule = 'spread' AND {chosen("pair_id", "pair")}
            AND raised_ts <= $__toTime AND (cleared_ts IS NULL OR cleared_ts >= $__fromTime)
        ORDER BY time DESC
        LIMIT {MOST}
    """
    return Annotation("Spread alerts", sql, "orange")


def closings() -> Annotation:
    """Return the moments at which trading in the markets drawn closes or closed."""
    sql = f"""
        SELECT assumeNotNull(close_ts) AS time, 'Trading closes' AS title,
            concat(platform, ': ', markets.title,
                ifNull(concat('. Result: ', resolution), '')) AS text,
            concat(platform, ',', status) AS tags
        FROM markets FINAL
        WHERE $__timeFilter(close_ts) AND (platform, market_id) IN
        (SELECT platform, market_id FROM ({busiest(LINES)}))
        ORDER BY time DESC
        LIMIT {MOST}
    """
    return Annotation("Closings", sql, "purple")
