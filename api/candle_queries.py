"""SQL over the table candles, whose states are merged here; values are bound, as in queries.py."""

# ruff: noqa: S608 - what is put together here are texts of this file only

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from api.cursor import CandleKey
from api.queries import Order
from api.sql import Conditions, Query, instant

Interval = Literal["1m", "1h", "1d"]
SECONDS: dict[Interval, int] = {"1m": 60, "1h": 3600, "1d": 86_400}
_START: dict[Interval, str] = {
    "1m": "minute",
    "1h": "toStartOfHour(minute)",
    "1d": "toStartOfDay(minute, 'UTC')",
}
KEY = ("start_ts", "platform", "outcome_id")
_MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class CandleFilter:
    """Which candles of a market: those that start in [``since``, ``until``), UTC microseconds."""

    market: str
    platform: str | None = None
    outcome: str | None = None
    interval: Interval = "1m"
    since: int | None = None
    until: int | None = None
    order: Order = "desc"


def aligned(us: int, interval: Interval) -> int:
    """Return the first start of a candle at or after an instant, UTC microseconds."""
    width = SECONDS[interval] * _MICRO
    return -(-us // width) * width


def candles(chosen: CandleFilter, after: CandleKey | None, rows: int) -> Query:
    """Return the query for at most ``rows`` candles after the key.

    ``volume`` is the sum over each trade once, however often its record was stored: the states are
    of a kind that a repeated insert can't change (0009_candles.sql).
    """
    where = Conditions()
    where.equal("platform", chosen.platform)
    where.equal("market_id", chosen.market)
    where.equal("outcome_id", chosen.outcome)
    bounds = (("since", ">=", chosen.since), ("until", "<", chosen.until))
    for name, sign, us in bounds:
        if us is not None:
            where.add(f"minute {sign} {instant(name)}", **{name: aligned(us, chosen.interval)})
    start = _START[chosen.interval]
    newest_first = chosen.order == "desc"
    beyond, direction = ("<", "DESC") if newest_first else (">", "ASC")
    if after is not None:
        # What can't be beyond the key isn't read: the first half is for the index.
        width = SECONDS[chosen.interval] * _MICRO
        where.add(
            f"minute {beyond}= {instant('edge')} AND ({start}, platform, outcome_id) {beyond} "
            f"({instant('after_ts')}, {{after_platform:String}}, {{after_outcome:String}})",
            edge=after.start_us + (width if newest_first else 0),
            after_ts=after.start_us,
            after_platform=after.platform,
            after_outcome=after.outcome_id,
        )
    by = ", ".join(f"{column} {direction}" for column in KEY)
    sql = (
        f"SELECT toDateTime64({start}, 6, 'UTC') AS start_ts, platform, market_id, outcome_id, "
        "argMinMerge(trade_open) AS open, max(trade_high) AS high, min(trade_low) AS low, "
        "argMaxMerge(trade_close) AS close, maxMapMerge(trade_sizes) AS sizes, "
        "argMinMerge(mid_open) AS mid_open, max(mid_high) AS mid_high, min(mid_low) AS mid_low, "
        "argMaxMerge(mid_close) AS mid_close, argMaxMerge(last_quote) AS quote "
        f"FROM candles {where.where()} GROUP BY start_ts, platform, market_id, outcome_id "
        f"ORDER BY {by} LIMIT {{rows:UInt32}}"
    )
    shown = (
        "start_ts, platform, market_id, outcome_id, open, high, low, close, "
        "arraySum(mapValues(sizes)) AS volume, toInt64(length(mapKeys(sizes))) AS trades, "
        "mid_open, mid_high, mid_low, mid_close, quote.1 AS bid, quote.2 AS ask"
    )
    return Query(f"SELECT {shown} FROM ({sql}) ORDER BY {by}", {**where.parameters, "rows": rows})
