"""Panels of the Markets board over time: prices, volume, candles, sizes."""

# ruff: noqa: S608 - what is put together here are texts of this package only

from __future__ import annotations

from grafana_foundation_sdk.builders import candlestick, common, timeseries
from grafana_foundation_sdk.builders.candlestick import CandlestickFieldMap
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.candlestick import VizDisplayMode
from grafana_foundation_sdk.models.common import (
    GraphDrawStyle,
    StackingMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import Panel

from grafana.clickhouse import Sql, chosen, rows, series
from grafana.panels import BLUE, GREEN, LABEL, RED, dress, grid, lines, steps, with_
from grafana.sql import (
    LINES,
    MARKETS_CHOSEN,
    MINUTES,
    NAME,
    TICKS_CHOSEN,
    TITLE,
    TITLES,
    WHOLE_INTERVALS,
    among,
    busiest,
)

POINTS = 20_000
CANDLE = "toStartOfInterval(minute, toIntervalSecond(greatest(60, $__interval_s)))"
"""Candles are kept by minutes, so that none is shorter."""


def prices() -> list[Builder[Panel]]:
    """Return the panels of several outcomes."""
    return [_mids(), _spreads(), _volumes(), _rates()]


def one_outcome() -> list[Builder[Panel]]:
    """Return the panels of the busiest chosen outcome."""
    return [_which(), _quotes_and_trades(), _sizes(), _candles("trade"), _candles("mid")]


def _last_quotes(value: str, outcomes: int) -> Sql:
    """Return a query for a value of each outcome's last quote of each interval."""
    return series(f"""
        SELECT time, {NAME} AS series, {value} AS Value
        FROM
        (
            SELECT $__timeInterval(ingest_ts) AS time, platform, market_id, outcome_id,
                argMax(tuple(bid, ask), tuple(ingest_ts, kafka_offset)) AS quote
            FROM ticks
            WHERE {TICKS_CHOSEN} AND kind = 'quote' AND {among(outcomes)}
            GROUP BY time, platform, market_id, outcome_id
        ) AS found
        LEFT JOIN {TITLES} AS described USING (platform, market_id)
        ORDER BY time, series
    """)


def _mids() -> timeseries.Panel:
    panel = steps(
        "Mid price",
        f"The middle of best bid and ask, the last of each interval, of the {LINES} busiest "
        "outcomes of this choice. A price holds until it changes; in a red region it may have "
        "changed unseen.",
        [_last_quotes("toFloat64(quote.1 + quote.2) / 2", LINES)],
        unit="percentunit",
        width=24,
        height=10,
    )
    return panel.display_name(LABEL).decimals(1).min(0).max(1)


def _spreads() -> timeseries.Panel:
    panel = steps(
        "Bid to ask",
        "Distance of best ask and best bid, the last of each interval: what it costs to change "
        "one's mind, before fees.",
        [_last_quotes("toFloat64(quote.2 - quote.1)", LINES)],
        unit="percentunit",
    )
    return panel.display_name(LABEL).decimals(1).min(0)


def _volumes() -> timeseries.Panel:
    traded = series(f"""
        SELECT time, {NAME} AS series, Value
        FROM
        (
            SELECT {CANDLE} AS time, platform, market_id, outcome_id,
                arraySum(mapValues(maxMapMerge(trade_sizes))) AS Value
            FROM candles
            WHERE {MINUTES} AND {among(LINES)}
            GROUP BY time, platform, market_id, outcome_id
            HAVING Value > 0
        ) AS found
        LEFT JOIN {TITLES} AS described USING (platform, market_id)
        ORDER BY time, series
    """)
    panel = lines(
        "Volume",
        "Contracts or shares traded, each trade once, however often its record came. Bars are a "
        "minute wide or more. Venues count in units of their own: compare within a venue.",
        [traded],
        unit="short",
    )
    stack = common.StackingConfig().mode(StackingMode.NORMAL).group("A")
    panel.draw_style(GraphDrawStyle.BARS).fill_opacity(60).stacking(stack)
    return panel.display_name(LABEL).min(0)


def _rates() -> timeseries.Panel:
    counted = series(f"""
        SELECT $__timeInterval(ingest_ts) AS time, concat(platform, ' ', kind, 's') AS series,
            count() / $__interval_s AS Value
        FROM ticks
        WHERE {WHOLE_INTERVALS} AND {MARKETS_CHOSEN} AND {chosen("kind", "kind")}
        GROUP BY time, series
        ORDER BY time, series
    """)
    panel = lines(
        "Ticks per second",
        "Stored ticks by platform and kind. Records that came twice count twice until ClickHouse "
        "has merged them.",
        [counted],
        unit="short",
        width=24,
        height=7,
    )
    return panel.display_name(LABEL).min(0)


def _which() -> Builder[Panel]:
    about = rows(f"""
        SELECT {TITLE} AS "Market", outcome_id AS "Outcome id", platform AS "Platform",
            status AS "Status", market_id AS "Market id", close_ts AS "Closes"
        FROM ({busiest(1)}) AS found
        LEFT JOIN {TITLES} AS described USING (platform, market_id)
    """)
    return grid(
        "Which outcome this is",
        "Of the chosen outcomes the one that had something in the most minutes. Choose a market "
        "above to see another.",
        [about],
        unit="short",
        height=3,
    )


def _at_ends(columns: str, shown: str) -> str:
    """Return a query for ``shown`` of ``quote``: columns of the last quote of each interval."""
    return f"""
        SELECT time, {shown}
        FROM
        (
            SELECT $__timeInterval(ingest_ts) AS time,
                argMax(tuple({columns}), tuple(ingest_ts, kafka_offset)) AS quote
            FROM ticks
            WHERE {TICKS_CHOSEN} AND kind = 'quote' AND {among(1)}
            GROUP BY time
        )
        ORDER BY time
    """


def _quotes_and_trades() -> timeseries.Panel:
    quotes = series(_at_ends("bid, ask", "quote.1 AS bid, quote.2 AS ask"))
    trades = series(
        f"""
        SELECT time, price
        FROM
        (
            SELECT ingest_ts AS time, argMax(ticks.price, kafka_offset) AS price FROM ticks
            WHERE {TICKS_CHOSEN} AND kind = 'trade' AND {among(1)}
            GROUP BY ingest_ts
            ORDER BY ingest_ts DESC LIMIT {POINTS}
        )
        ORDER BY time
        """,
        "B",
    )
    panel = steps(
        "Bid, ask and trades",
        "Best bid and ask as they stood at the end of each interval, and trades as points (of "
        "several in one frame, the last). A trade outside of the band means that the quote moved "
        "within the interval.",
        [quotes, trades],
        unit="percentunit",
        width=16,
        height=10,
    )
    panel.override_by_name("bid", with_(color={"mode": "fixed", "fixedColor": GREEN}))
    band = with_(color={"mode": "fixed", "fixedColor": RED}, custom__fillBelowTo="bid")
    panel.override_by_name("ask", band)
    points = with_(
        color={"mode": "fixed", "fixedColor": BLUE},
        custom__drawStyle="points",
        custom__pointSize=5,
        custom__showPoints="always",
    )
    panel.override_by_name("price", points)
    return panel.decimals(1)


def _sizes() -> timeseries.Panel:
    sizes = series(_at_ends("bid_size, ask_size", 'quote.1 AS "at bid", -quote.2 AS "at ask"'))
    panel = steps(
        "Size at the best prices",
        "Contracts or shares at the best bid (up) and the best ask (down): what could be had at "
        "once. Venues that state no size have no line.",
        [sizes],
        unit="short",
        width=8,
        height=10,
        no_data="This venue states no sizes, or there was no quote",
    )
    return panel.fill_opacity(30)


def _candles(of: str) -> candlestick.Panel:
    found = rows(f"""
        SELECT {CANDLE} AS time, argMinMerge({of}_open) AS open, max({of}_high) AS high,
            min({of}_low) AS low, argMaxMerge({of}_close) AS close,
            arraySum(mapValues(maxMapMerge(trade_sizes))) AS volume
        FROM candles
        WHERE {MINUTES} AND {among(1)}
        GROUP BY time
        HAVING close IS NOT NULL
        ORDER BY time
        LIMIT {POINTS}
    """)
    titles = {"trade": "Candles of trades", "mid": "Candles of the mid"}
    about = {
        "trade": "First, highest, lowest and last trade of each minute or longer, with the volume.",
        "mid": "The same of the middle between best bid and ask, for outcomes that trade seldom; "
        "the volume is that of the trades.",
    }
    panel = dress(
        candlestick.Panel(), titles[of], about[of], [found], unit="percentunit", height=10
    )
    names = CandlestickFieldMap().open("open").high("high").low("low").close("close")
    panel.mode(VizDisplayMode.CANDLES_VOLUME).fields(names.volume("volume"))
    panel.override_by_name("volume", with_(unit="short"))
    return panel.show_points(VisibilityMode.NEVER).decimals(1)
