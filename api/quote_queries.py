"""SQL for the newest quote and trade of outcomes, now and at any time; values are bound."""

# ruff: noqa: S608 - what is put together here are texts of this file only

from __future__ import annotations

from dataclasses import dataclass

from api.cursor import OutcomeKey
from api.queries import market_text_holds
from api.sql import Conditions, Query, instant

MOST_OUTCOMES = 1000
"""Books of one market that are answered at once."""


@dataclass(frozen=True, slots=True)
class OutcomeFilter:
    """Which outcomes. ``search`` is text to be found in the market's title, slug or id;
    ``markets``, if any are named, are all that are wanted."""

    platform: str | None = None
    market: str | None = None
    outcome: str | None = None
    search: str | None = None
    markets: frozenset[str] = frozenset()


def latest(chosen: OutcomeFilter, after: OutcomeKey | None, rows: int) -> Query:
    """Return the query for at most ``rows`` outcomes after the key, alphabetically.

    Tuples carry what belongs to one tick: aggregates skip a null by itself, and would take the
    missing side of the newest quote from one before it.
    """
    where = Conditions()
    where.equal("platform", chosen.platform)
    where.equal("market_id", chosen.market)
    where.equal("outcome_id", chosen.outcome)
    if chosen.markets:
        where.add("market_id IN {markets:Array(String)}", markets=sorted(chosen.markets))
    if chosen.search is not None:
        found = Conditions()
        market_text_holds(found, chosen.search)
        where.add(
            "(platform, market_id) IN "
            f"(SELECT platform, market_id FROM markets FINAL {found.where()})",
            **found.parameters,
        )
    if after is not None:
        where.add(
            "(platform, market_id, outcome_id) > "
            "({after_platform:String}, {after_market:String}, {after_outcome:String})",
            after_platform=after.platform,
            after_market=after.market_id,
            after_outcome=after.outcome_id,
        )
    page = (
        "SELECT platform, market_id, outcome_id, argMax(outcome, ingest_ts) AS name, "
        "argMaxIf(tuple(bid, bid_size, ask, ask_size, toNullable(ingest_ts), source_ts), "
        "ingest_ts, kind = 'quote') AS quote, "
        "argMaxIf(tuple(price, size, side, toNullable(ingest_ts), source_ts), "
        "ingest_ts, kind = 'trade') AS trade, "
        "argMax(volume, ingest_ts) AS volume, argMax(open_interest, ingest_ts) AS open_interest "
        f"FROM latest FINAL {where.where()} GROUP BY platform, market_id, outcome_id "
        "ORDER BY platform, market_id, outcome_id LIMIT {rows:UInt32}"
    )
    sql = (
        "SELECT platform, market_id, outcome_id, name AS outcome, "
        "nullIf(of_market.title, '') AS title, nullIf(of_market.status, '') AS status, "
        "quote.1 AS bid, quote.2 AS bid_size, quote.3 AS ask, quote.4 AS ask_size, "
        f"{MID} AS mid, quote.5 AS quote_ts, quote.6 AS quote_source_ts, "
        "trade.1 AS price, trade.2 AS size, trade.3 AS side, trade.4 AS trade_ts, "
        "trade.5 AS trade_source_ts, volume, open_interest "
        f"FROM ({page}) AS page LEFT JOIN (SELECT platform, market_id, title, status "
        "FROM markets FINAL) AS of_market USING (platform, market_id) "
        "ORDER BY platform, market_id, outcome_id"
    )
    return Query(sql, {**where.parameters, "rows": rows})


MID = "CAST((quote.1 + quote.3) / 2, 'Nullable(Decimal(18, 8))')"


def quotes_at(chosen: OutcomeFilter, at: int) -> Query:
    """Return the query for the last quote at or before an instant, of each outcome of a market."""
    where = Conditions(["kind = 'quote'"])
    where.equal("platform", chosen.platform)
    where.equal("market_id", chosen.market)
    where.equal("outcome_id", chosen.outcome)
    where.add(f"ingest_ts <= {instant('at')}", at=at)
    newest = (
        "SELECT platform, market_id, outcome_id, argMax(tuple(bid, bid_size, ask, ask_size, "
        "outcome, ingest_ts, source_ts, sequence, tick_id), "
        "tuple(ingest_ts, kafka_partition, kafka_offset)) AS quote "
        f"FROM ticks {where.where()} GROUP BY platform, market_id, outcome_id "
        "ORDER BY platform, outcome_id LIMIT {rows:UInt32}"
    )
    sql = (
        "SELECT platform, market_id, outcome_id, quote.5 AS outcome, quote.1 AS bid, "
        "quote.2 AS bid_size, quote.3 AS ask, quote.4 AS ask_size, "
        f"{MID} AS mid, quote.3 - quote.1 AS spread, quote.6 AS quote_ts, quote.7 AS source_ts, "
        f"quote.8 AS sequence, quote.9 AS tick_id FROM ({newest}) ORDER BY platform, outcome_id"
    )
    return Query(sql, {**where.parameters, "rows": MOST_OUTCOMES})
