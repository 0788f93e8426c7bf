"""SQL over the table spreads and over the markets of pairs; values are bound, as in queries.py."""

# ruff: noqa: S608 - what is put together here are texts of this file only

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from api.cursor import SpreadKey
from api.sql import Query

COLUMNS = (
    *("ts", "pair_id", "description", "verified", "legs", "edges", "max_spread"),
    *("max_spread_pair", "best_edge", "best_edge_pair", "completeness", "threshold"),
)
KEY = ("ts", "topic_id", "kafka_partition", "kafka_offset")


def latest(pair_ids: Sequence[str]) -> Query:
    """Return the query for the newest spread of each pair, by pair id."""
    sql = (
        f"SELECT {', '.join(COLUMNS)} FROM latest_spreads FINAL "
        "WHERE pair_id IN {pairs:Array(String)} ORDER BY pair_id"
    )
    return Query(sql, {"pairs": list(pair_ids)})


@dataclass(frozen=True, slots=True)
class SpreadFilter:
    """Which spreads of a pair: ``since`` inclusive, ``until`` exclusive, UTC microseconds."""

    pair_id: str
    since: int | None = None
    until: int | None = None


def history(chosen: SpreadFilter, after: SpreadKey | None, rows: int) -> Query:
    """Return the query for at most ``rows`` spreads after the key, the newest first.

    A record that was stored twice, and not merged yet, comes out once.
    """
    where = ["pair_id = {pair:String}"]
    parameters: dict[str, object] = {"pair": chosen.pair_id, "rows": rows}
    for name, sign, value in (("since", ">=", chosen.since), ("until", "<", chosen.until)):
        if value is not None:
            where.append(f"ts {sign} fromUnixTimestamp64Micro({{{name}:Int64}}, 'UTC')")
            parameters[name] = value
    if after is not None:
        place = "fromUnixTimestamp64Micro({after_ts:Int64}, 'UTC')"
        where.append(
            f"ts <= {place} AND ({', '.join(KEY)}) < ({place}, {{after_topic:UUID}}, "
            "{after_partition:Int32}, {after_offset:Int64})"
        )
        parameters |= {
            "after_ts": after.ts_us,
            "after_topic": str(after.topic_id),
            "after_partition": after.kafka_partition,
            "after_offset": after.kafka_offset,
        }
    sql = (
        f"SELECT {', '.join(COLUMNS)}, topic_id, kafka_partition, kafka_offset FROM spreads "
        f"WHERE {' AND '.join(where)} ORDER BY {', '.join(f'{name} DESC' for name in KEY)} "
        f"LIMIT 1 BY {', '.join(KEY)} LIMIT {{rows:UInt32}}"
    )
    return Query(sql, parameters)


def pair_markets(places: Sequence[tuple[str, str]]) -> Query:
    """Return the query for what is known of these markets: (platform, market id)."""
    sql = (
        "SELECT platform, market_id, slug, title, status FROM markets FINAL "
        "WHERE (platform, market_id) IN arrayZip({platforms:Array(String)}, {ids:Array(String)})"
    )
    return Query(
        sql, {"platforms": [each[0] for each in places], "ids": [each[1] for each in places]}
    )
