"""Panels of coverage: how much of each hour can be trusted.

The rules are those of GET /api/v1/coverage (api/coverage.py), as one query. A stretch can't be
trusted if a gap covers it, if it lies between the last minute in which anything of the platform was
recorded and the start of a connector, if it comes before the market's first record, or after the
platform's last tick once it has been silent for five minutes.
"""

# ruff: noqa: S608 - what is put together here are texts of this package only

from __future__ import annotations

from grafana_foundation_sdk.builders import stat, statetimeline

from grafana.clickhouse import Sql, chosen, series
from grafana.markets_now import SILENCE
from grafana.panels import GREEN, LABEL, ORANGE, RED, YELLOW, levels, number, states
from grafana.sql import BEGINNING, GAPS_CHOSEN, PLATFORM_GAPS_CHOSEN, TITLE, TITLES, gaps
from grafana.variables import found

MARKETS = 40
"""Rows of the state timeline."""
TRUSTED = levels(RED, (0.5, ORANGE), (0.95, YELLOW), (0.9999, GREEN))
"""Green is the whole hour."""

_NOW = "toUnixTimestamp(now())"
_SINCE, _UNTIL = "toUnixTimestamp($__fromTime)", f"least(toUnixTimestamp($__toTime), {_NOW})"
_STEP = "if($__toTime - $__fromTime <= 21600, 300, 3600)"
"""Seconds of a cell: hours, or five minutes where the board shows six hours or less."""
_FIRST = f"intDiv({_SINCE}, {_STEP}) * {_STEP}"
_FAR = "toDateTime64('2200-01-01 00:00:00', 6, 'UTC')"

_PLATFORMS = f"""
    SELECT DISTINCT platform, '' AS market_id FROM latest WHERE {chosen("platform", "platform")}
"""
_MARKETS = f"""
    SELECT platform, market_id FROM latest
    WHERE {chosen("platform", "platform")} AND {chosen("market_id", "market")}
        AND {found("platform", "market_id")}
    GROUP BY platform, market_id
    ORDER BY max(ingest_ts) DESC, market_id
    LIMIT {MARKETS}
"""
_SILENT = f"""
    SELECT platform, '' AS market_id, max(ingest_ts) AS began, {_FAR} AS ended FROM latest
    WHERE {chosen("platform", "platform")}
    GROUP BY platform
    HAVING began < now() - INTERVAL {SILENCE} SECOND
"""
_STARTED = f"""
    SELECT platform FROM gaps
    WHERE reason = 'startup' AND to_ts >= $__fromTime AND {chosen("platform", "platform")}
"""
# Starts after the board's time count too: there may have been nobody to notice. Minutes are looked
# for a day around it; a start without one in that time is an outage of all of it.
_OUTAGES = f"""
    SELECT starts.platform AS platform, '' AS market_id, toDateTime64(minute, 6, 'UTC') AS began,
        started AS ended
    FROM
    (
        SELECT DISTINCT platform, assumeNotNull(to_ts) AS started,
            toStartOfMinute(assumeNotNull(to_ts)) AS within
        FROM gaps
        WHERE reason = 'startup' AND to_ts >= $__fromTime AND {chosen("platform", "platform")}
    ) AS starts
    ASOF LEFT JOIN
    (
        SELECT DISTINCT platform, minute FROM candles
        WHERE minute >= $__fromTime - INTERVAL 1 DAY AND minute <= $__toTime + INTERVAL 1 DAY
            AND platform IN ({_STARTED})
    ) AS alive
    ON starts.platform = alive.platform AND starts.within > alive.minute
"""
_UNBORN = f"""
    SELECT platform, market_id, {BEGINNING} AS began,
        toDateTime64(min(minute) + INTERVAL 1 MINUTE, 6, 'UTC') AS ended
    FROM candles
    WHERE (platform, market_id) IN ({_MARKETS})
    GROUP BY platform, market_id
"""


def _stretches(concerned: str) -> str:
    """Return a subquery for what can't be trusted; no market id means the whole platform."""
    return f"""
        SELECT platform, ifNull(market_id, '') AS market_id, began, ifNull(ended, {_FAR}) AS ended
        FROM ({gaps(concerned)})
        UNION ALL {_OUTAGES}
        UNION ALL {_SILENT}
    """


def _covered(entities: str, stretches: str, name: str) -> Sql:
    """Return a query for the trusted share of each entity's cells."""
    return series(f"""
        SELECT toDateTime(cell, 'UTC') AS time, {name} AS series,
            greatest(0, 1 - lost / over) AS Value
        FROM
        (
            SELECT platform, market_id,
                arrayJoin(range(toUInt64({_FIRST}), toUInt64({_UNTIL}), toUInt64({_STEP}))) AS cell,
                least(cell + {_STEP}, {_NOW}) - cell AS over
            FROM ({entities})
        ) AS cells
        LEFT JOIN
        (
            SELECT platform, entity.market_id AS market_id, cell,
                intervalLengthSum(low, high) / 1000 AS lost
            FROM ({entities}) AS entity
            INNER JOIN
            (
                SELECT platform, market_id AS concerned,
                    arrayJoin(range(toUInt64({_FIRST}), toUInt64({_UNTIL}), toUInt64({_STEP})))
                        AS cell,
                    greatest(toUnixTimestamp64Milli(began), toInt64(cell) * 1000) AS low,
                    least(toUnixTimestamp64Milli(ended), toInt64(cell + {_STEP}) * 1000,
                          toInt64({_NOW}) * 1000) AS high
                FROM ({stretches})
                WHERE began <= $__toTime + INTERVAL 1 HOUR
                    AND ended >= $__fromTime - INTERVAL 1 HOUR
            ) AS stretch
            USING (platform)
            WHERE low < high AND (concerned = '' OR concerned = entity.market_id)
            GROUP BY platform, market_id, cell
        ) AS missing
        USING (platform, market_id, cell)
        LEFT JOIN {TITLES} AS described USING (platform, market_id)
        ORDER BY time, series
    """)


def _of_platforms() -> Sql:
    return _covered(_PLATFORMS, _stretches(PLATFORM_GAPS_CHOSEN), "platform")


def numbers() -> list[stat.Panel]:
    """Return the numbers on top."""
    panel = number(
        "Trusted, newest hour",
        "Share of the newest hour (or five minutes) in which nothing speaks against the "
        "platform's feed, as far as it is over. Gaps of single markets are not in it.",
        [_of_platforms()],
        unit="percentunit",
        width=8,
        no_data="No tick was ever stored",
        course=False,
    )
    panel.display_name(LABEL).thresholds(TRUSTED)
    return [panel.decimals(1)]


def platforms() -> statetimeline.Panel:
    """Return coverage by platform."""
    panel = states(
        "Platforms",
        "Trusted share of each hour by platform: green is all of it, yellow from 95 %, orange "
        "from half, red less. Only gaps of whole platforms count here.",
        [_of_platforms()],
        unit="percentunit",
        height=6,
        no_data="No tick was ever stored",
    )
    return panel.display_name(LABEL).thresholds(TRUSTED).decimals(1)


def markets() -> statetimeline.Panel:
    """Return coverage by market."""
    name = f"concat({TITLE}, ' · ', platform)"
    stretches = f"{_stretches(GAPS_CHOSEN)} UNION ALL {_UNBORN}"
    panel = states(
        "Markets",
        f"The same by market, of the {MARKETS} chosen ones with the latest ticks, with their own "
        "gaps and from their first record on. As GET /api/v1/coverage has it.",
        [_covered(_MARKETS, stretches, name)],
        unit="percentunit",
        height=16,
        no_data="No tick of this choice was ever stored",
    )
    return panel.display_name(LABEL).thresholds(TRUSTED).decimals(1)
