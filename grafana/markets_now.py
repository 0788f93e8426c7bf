"""Panels of the Markets board that say what is the case now: numbers, live ticks, outcomes."""

# ruff: noqa: S608 - what is put together here are texts of this package only

from __future__ import annotations

from grafana_foundation_sdk.builders import stat, table
from grafana_foundation_sdk.models.common import TableCellHeight

from grafana import board
from grafana.clickhouse import chosen, rows, series
from grafana.panels import (
    BLUE,
    GREEN,
    GREY,
    LABEL,
    ORANGE,
    RED,
    YELLOW,
    grid,
    leads_to,
    levels,
    named,
    number,
    to_board,
    with_,
)
from grafana.sql import (
    GAPS_CHOSEN,
    MARKETS_CHOSEN,
    MINUTES,
    TICKS_CHOSEN,
    TITLE,
    TITLES,
    WHOLE_INTERVALS,
    gaps,
)

TICKS = 200
OUTCOMES = 300
SILENCE = 300
"""Seconds without a tick after which the API, too, calls a platform silent."""


def numbers() -> list[stat.Panel]:
    """Return the numbers on top."""
    rate = series(f"""
        SELECT $__timeInterval(ingest_ts) AS time, platform AS series,
            count() / $__interval_s AS Value
        FROM ticks
        WHERE {WHOLE_INTERVALS} AND {MARKETS_CHOSEN} AND {chosen("kind", "kind")}
        GROUP BY time, platform
        ORDER BY time
    """)
    markets = series(f"""
        SELECT minute AS time, platform AS series, uniqExact(market_id) AS Value
        FROM candles
        WHERE {MINUTES} AND minute < toStartOfMinute($__toTime) AND {MARKETS_CHOSEN}
        GROUP BY time, platform
        ORDER BY time
    """)
    age = series(f"""
        SELECT now() AS time, platform AS series,
            greatest(0, dateDiff('millisecond', max(ingest_ts), now64(3)) / 1000) AS Value
        FROM latest
        WHERE {MARKETS_CHOSEN}
        GROUP BY platform
        ORDER BY platform
    """)
    quoted = series(f"""
        SELECT $__timeInterval(ingest_ts) AS time, platform AS series,
            quantile(0.5)(toFloat64(ask - bid)) AS Value
        FROM ticks
        WHERE {TICKS_CHOSEN} AND kind = 'quote' AND bid IS NOT NULL AND ask IS NOT NULL
        GROUP BY time, platform
        ORDER BY time
    """)
    late = series(f"""
        SELECT $__timeInterval(ingest_ts) AS time, platform AS series,
            quantile(0.5)(dateDiff('microsecond', assumeNotNull(source_ts), ingest_ts)) / 1000
                AS Value
        FROM ticks
        WHERE {TICKS_CHOSEN} AND source_ts IS NOT NULL
        GROUP BY time, platform
        ORDER BY time
    """)
    untrusted = series(f"""
        SELECT now() AS time, count() AS Value FROM ({gaps(GAPS_CHOSEN)}) WHERE ended IS NULL
    """)
    return [
        number(
            "Ticks per second",
            "Stored ticks of the newest whole interval, by platform. Zero or no line: look at the "
            "feed.",
            [rate],
            unit="short",
        ).display_name(LABEL),
        number(
            "Markets that moved",
            "Markets with a quote or a trade in the newest whole minute, by platform.",
            [markets],
            unit="short",
        ).display_name(LABEL),
        number(
            "Age of the newest tick",
            "Time since the last tick, by platform, whatever the board's time is. Red from "
            f"{SILENCE} s on: the platform is silent, and its prices can't be trusted.",
            [age],
            unit="s",
            no_data="No tick was ever stored",
            course=False,
        )
        .display_name(LABEL)
        .thresholds(levels(GREEN, (30, YELLOW), (SILENCE, RED))),
        number(
            "Bid to ask",
            "Median distance of best ask and best bid over the quotes of the newest interval.",
            [quoted],
            unit="percentunit",
        )
        .display_name(LABEL)
        .decimals(1),
        number(
            "Age at receipt",
            "Median time from the venue's clock to our receipt in the newest interval. It holds "
            "the offset of both clocks: the Latency board tells more. Platforms without a time of "
            "their own are missing.",
            [late],
            unit="ms",
        )
        .display_name(LABEL)
        .decimals(0)
        .thresholds(levels(GREEN, (1000, YELLOW), (5000, RED)))
        .links([leads_to("Latency", board.LATENCY)]),
        number(
            "Open gaps",
            "Gaps that are open now, of the chosen markets and of their whole platforms. What "
            "they concern can't be trusted.",
            [untrusted],
            unit="short",
            course=False,
        )
        .thresholds(levels(GREEN, (1, RED)))
        .links([leads_to("Which, and why", board.TRUST)]),
    ]


def ticks() -> table.Panel:
    """Return the live ticks, the newest first."""
    # The inner query finds how far back the rows reach while it reads little but times, so that
    # the outer one reads all columns of hardly more than that. As api/queries.py has it.
    chosen_ticks = f"{TICKS_CHOSEN} AND {chosen('kind', 'kind')}"
    newest = rows(f"""
        SELECT ingest_ts AS "Received", platform AS "Platform", {TITLE} AS "Market",
            outcome AS "Outcome", kind AS "Kind", price AS "Price", size AS "Size", side AS "Side",
            bid AS "Bid", bid_size AS "Bid size", ask AS "Ask", ask_size AS "Ask size",
            ask - bid AS "Spread", volume AS "Volume", open_interest AS "Open interest",
            dateDiff('microsecond', source_ts, ingest_ts) / 1000 AS "Age",
            market_id AS "Market id", outcome_id AS "Outcome id"
        FROM
        (
            SELECT * FROM ticks
            WHERE {chosen_ticks} AND ingest_ts >=
            (
                SELECT min(ingest_ts) FROM
                (
                    SELECT ingest_ts FROM ticks WHERE {chosen_ticks}
                    ORDER BY ingest_ts DESC LIMIT {TICKS}
                )
            )
            ORDER BY ingest_ts DESC, topic_id DESC, kafka_partition DESC, kafka_offset DESC
            LIMIT 1 BY topic_id, kafka_partition, kafka_offset
            LIMIT {TICKS}
        ) AS found
        LEFT JOIN {TITLES} AS described USING (platform, market_id)
        ORDER BY "Received" DESC
    """)
    shown = grid(
        "Live ticks",
        f"The {TICKS} newest ticks of this choice. A quote is a change of the best bid or ask, a "
        "trade a fill; prices are parts of the payout; what a venue doesn't say is empty. Age is "
        "the venue's time to our receipt, below zero if the clocks disagree. A click on a market "
        "chooses it.",
        [newest],
        unit="short",
        height=12,
    )
    shown.cell_height(TableCellHeight.SM)
    shown.mappings([named({"buy": ("buy", GREEN), "sell": ("sell", RED)})])
    for column in ("Price", "Bid", "Ask", "Spread"):
        shown.override_by_name(column, with_(unit="percentunit", decimals=1))
    shown.override_by_name("Received", with_(unit="dateTimeAsIso", custom__width=190))
    shown.override_by_name(
        "Market",
        with_(links=[_of_this_market("Only this market", board.MARKETS)], custom__width=320),
    )
    coloured = {"type": "color-text"}
    shown.override_by_name("Side", with_(custom__cellOptions=coloured))
    limits = levels(GREEN, (100, YELLOW), (500, ORANGE), (5000, RED)).build()
    shown.override_by_name(
        "Age", with_(unit="ms", decimals=0, thresholds=limits, custom__cellOptions=coloured)
    )
    return shown


def outcomes() -> table.Panel:
    """Return the outcomes with their newest quote and trade, and how far they moved."""
    now = rows(f"""
        SELECT platform AS "Platform", {TITLE} AS "Market", label AS "Outcome", status AS "Status",
            quote.1 AS "Bid", quote.3 AS "Ask", (quote.1 + quote.3) / 2 AS "Mid",
            toFloat64("Mid") - toFloat64(first_mid) AS "Change",
            quote.3 - quote.1 AS "Spread", quote.2 AS "Bid size", quote.4 AS "Ask size",
            trade.1 AS "Last price", trade.2 AS "Last size", volume AS "Volume",
            dateDiff('millisecond', last_ts, now64(3)) / 1000 AS "Quiet for",
            close_ts AS "Closes", market_id AS "Market id", outcome_id AS "Outcome id"
        FROM
        (
            SELECT platform, market_id, outcome_id, argMax(outcome, ingest_ts) AS label,
                argMaxIf(tuple(bid, bid_size, ask, ask_size), ingest_ts, kind = 'quote') AS quote,
                argMaxIf(tuple(price, size), ingest_ts, kind = 'trade') AS trade,
                argMax(volume, ingest_ts) AS volume, max(ingest_ts) AS last_ts
            FROM latest FINAL
            WHERE {MARKETS_CHOSEN}
            GROUP BY platform, market_id, outcome_id
            ORDER BY last_ts DESC, outcome_id
            LIMIT {OUTCOMES}
        ) AS newest
        LEFT JOIN
        (
            SELECT platform, market_id, outcome_id, argMinMerge(mid_open) AS first_mid
            FROM candles WHERE {MINUTES} AND {MARKETS_CHOSEN}
            GROUP BY platform, market_id, outcome_id
        ) AS earlier
        USING (platform, market_id, outcome_id)
        LEFT JOIN {TITLES} AS described USING (platform, market_id)
        ORDER BY abs(ifNull("Change", 0)) DESC, "Market", "Outcome"
    """)
    shown = grid(
        "Outcomes, the biggest movers first",
        f"Newest quote and trade of the {OUTCOMES} chosen outcomes with the latest ticks. Change "
        "is the mid now less the first mid in the board's time; empty sides are null, so they "
        "have no mid.",
        [now],
        unit="short",
        height=12,
    )
    for column in ("Bid", "Ask", "Mid", "Spread", "Last price"):
        shown.override_by_name(column, with_(unit="percentunit", decimals=1))
    moved = levels(RED, (0, GREY), (0.000001, GREEN)).build()
    shown.override_by_name(
        "Change",
        with_(
            unit="percentunit",
            decimals=1,
            thresholds=moved,
            custom__cellOptions={"type": "color-text"},
        ),
    )
    shown.override_by_name("Quiet for", with_(unit="s", decimals=0))
    shown.override_by_name("Closes", with_(unit="dateTimeAsIso"))
    states = named({"open": ("open", GREEN), "paused": ("paused", YELLOW), "resolved": ("", BLUE)})
    shown.override_by_name("Status", with_(mappings=[states]))
    shown.override_by_name(
        "Market",
        with_(
            links=[
                _of_this_market("Only this market", board.MARKETS),
                _of_this_market("Can it be trusted?", board.TRUST),
            ],
            custom__width=320,
        ),
    )
    return shown


def _of_this_market(title: str, uid: str) -> dict[str, object]:
    return to_board(
        title,
        uid,
        platform="${__data.fields.Platform}",
        market='${__data.fields["Market id"]:percentencode}',
    )
