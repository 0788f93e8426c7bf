"""Panels of gaps: how many, why, how long, and each of them."""

# ruff: noqa: S608 - what is put together here are texts of this package only

from __future__ import annotations

from typing import get_args

from grafana_foundation_sdk.builders import common, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.common import (
    GraphDrawStyle,
    StackingMode,
)
from grafana_foundation_sdk.models.dashboard import Panel

from grafana import board
from grafana.clickhouse import chosen, rows, series
from grafana.panels import (
    GREEN,
    LABEL,
    RED,
    YELLOW,
    grid,
    levels,
    lines,
    number,
    to_board,
    with_,
)
from grafana.sql import BEGAN, GAPS_CHOSEN, GAPS_IN_TIME, TITLE, TITLES, gaps
from schemas.gap import GapReason

REASONS = tuple(reason for reason in get_args(GapReason) if reason != "startup")
GAPS = 300
FOUND = f"({gaps(GAPS_CHOSEN)})"
WHY = chosen("reason", "reason")
NO_GAP = "No gap of this choice: nothing speaks against the recording here"


def numbers() -> list[stat.Panel]:
    """Return the numbers on top."""
    still_open = series(f"""
        SELECT now() AS time, count() AS Value FROM {FOUND} WHERE ended IS NULL AND {WHY}
    """)
    oldest = series(f"""
        SELECT now() AS time,
            dateDiff('second', min({BEGAN}), now64(6)) AS Value
        FROM {FOUND} WHERE ended IS NULL AND {WHY}
    """)
    began = series(f"""
        SELECT now() AS time, count() AS Value FROM {FOUND}
        WHERE $__timeFilter(began) AND {WHY}
    """)
    missed = series(f"""
        SELECT now() AS time, sum(missed) AS Value FROM {FOUND}
        WHERE $__timeFilter(began) AND {WHY}
    """)
    return [
        number(
            "Open gaps",
            "Gaps that are open now. What they concern can't be trusted.",
            [still_open],
            unit="short",
            course=False,
        ).thresholds(levels(GREEN, (1, RED))),
        number(
            "Oldest open gap",
            "How long it has been open. From two minutes on it is an alert.",
            [oldest],
            unit="s",
            no_data="None is open",
            course=False,
        ).thresholds(levels(YELLOW, (120, RED))),
        number(
            "Gaps begun",
            "Gaps that began in the board's time, starts of connectors not counted.",
            [began],
            unit="short",
            course=False,
        ),
        number(
            "Messages missed",
            "Sum over these gaps, where it is known: only venues with sequence numbers tell.",
            [missed],
            unit="short",
            no_data="Not known",
            course=False,
        ),
    ]


def panels() -> list[Builder[Panel]]:
    """Return the panels of the row."""
    return [_by_reason(), _summary(), _each()]


def _by_reason() -> timeseries.Panel:
    counted = series(f"""
        SELECT $__timeInterval(began) AS time, concat(platform, ' ', reason) AS series,
            count() AS Value
        FROM {FOUND}
        WHERE $__timeFilter(began) AND {WHY}
        GROUP BY time, series
        ORDER BY time, series
    """)
    panel = lines(
        "Gaps begun by reason",
        "disconnect: the socket closed. silence: open but no data. sequence: numbers were "
        "skipped. overflow: our queue was full. crossed_book: bid at or above ask. book_mismatch: "
        "the venue's own hash or answer differed. parse_failure: a frame could not be read. "
        "subscription: the venue ended it.",
        [counted],
        unit="short",
        height=9,
        no_data=NO_GAP,
    )
    stack = common.StackingConfig().mode(StackingMode.NORMAL).group("A")
    panel.draw_style(GraphDrawStyle.BARS).fill_opacity(70).stacking(stack)
    return panel.display_name(LABEL).decimals(0).min(0).interval("1m")


def _summary() -> table.Panel:
    found = rows(f"""
        SELECT platform AS "Platform", reason AS "Reason", count() AS "Gaps",
            countIf(ended IS NULL) AS "Open",
            intervalLengthSum(greatest(toUnixTimestamp(began), toUnixTimestamp($__fromTime)),
                least(toUnixTimestamp(ifNull(ended, now64(6))), toUnixTimestamp($__toTime)))
                AS "Time lost",
            max(dateDiff('second', {BEGAN}, ifNull(ended, now64(6)))) AS "Longest",
            sum(missed) AS "Missed", uniqExact(market_id) AS "Markets"
        FROM {FOUND}
        WHERE {GAPS_IN_TIME} AND {WHY}
        GROUP BY platform, reason
        ORDER BY "Time lost" DESC, "Platform", "Reason"
    """)
    panel = grid(
        "What gaps cost",
        "By platform and reason: time within the board's time that at least one of them covers "
        "(overlaps once), the longest one, messages missed if known, and markets concerned alone.",
        [found],
        unit="short",
        width=12,
        height=9,
        no_data=NO_GAP,
    )
    for column in ("Time lost", "Longest"):
        panel.override_by_name(column, with_(unit="s", decimals=0))
    return panel


def _each() -> table.Panel:
    found = rows(f"""
        SELECT {BEGAN} AS "Began", ended AS "Ended",
            dateDiff('second', "Began", ifNull(ended, now64(6))) AS "Lasted",
            platform AS "Platform", reason AS "Reason",
            if(market_id IS NULL, 'every market', {TITLE}) AS "Market", missed AS "Missed",
            detail AS "Detail", connection AS "Connection", ifNull(market_id, '') AS "Market id"
        FROM {FOUND} AS found
        LEFT JOIN {TITLES} AS described
        ON found.platform = described.platform AND found.market_id = described.market_id
        WHERE {GAPS_IN_TIME} AND {WHY}
        ORDER BY began DESC, gap_id
        LIMIT {GAPS}
    """)
    panel = grid(
        "Gaps",
        f"The {GAPS} newest that touch the board's time; without an end they are still open. "
        "Without a beginning it isn't known. A click shows the market's prices.",
        [found],
        unit="short",
        no_data=NO_GAP,
    )
    for column in ("Began", "Ended"):
        panel.override_by_name(column, with_(unit="dateTimeAsIso"))
    panel.override_by_name("Lasted", with_(unit="s", decimals=0))
    prices = to_board(
        "Prices",
        board.MARKETS,
        platform="${__data.fields.Platform}",
        market='${__data.fields["Market id"]:percentencode}',
    )
    panel.override_by_name("Market", with_(links=[prices], custom__width=320))
    return panel.override_by_name("Detail", with_(custom__width=320))
