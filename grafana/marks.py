"""What lies under every price: stretches that can't be trusted, and starts of connectors."""

# ruff: noqa: S608 - what is put together here are texts of this package only

from __future__ import annotations

from grafana.clickhouse import Annotation, chosen
from grafana.sql import GAPS_CHOSEN, GAPS_IN_TIME, gaps

MOST = 500


def gap_regions() -> Annotation:
    """Return the gaps of the chosen platforms and markets, as regions from begin to end.

    Without end for those that are open: the region then ends where the board does.
    """
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
        FROM ({gaps(GAPS_CHOSEN)})
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
