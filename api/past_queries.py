"""SQL for what WebSocket clients missed, by place in Kafka or by time; values are bound."""

# ruff: noqa: S608 - what is put together here are texts of this file only

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from api.events import COLUMNS
from api.messages import Subscribe
from api.position import Position, ReplayAt, TopicAt
from api.queries import TICK_KEY
from api.sql import Conditions, Query, instant

Table = Literal["ticks", "gaps"]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Offsets [``low``, ``high``) of one partition."""

    topic: str
    topic_id: UUID
    partition: int
    low: int
    high: int

    @property
    def table(self) -> Table:
        """Where the topic's records are stored."""
        return "gaps" if self.topic == "gaps" else "ticks"


def table(topic: TopicAt) -> Table:
    """Return where the topic's records are stored."""
    return "gaps" if topic.name == "gaps" else "ticks"


def _within(stretch: Stretch) -> Conditions:
    where = Conditions()
    where.add(
        "topic_id = {topic_id:UUID} AND kafka_partition = {partition:Int32} "
        "AND kafka_offset >= {low:Int64} AND kafka_offset < {high:Int64}",
        topic_id=str(stretch.topic_id),
        partition=stretch.partition,
        low=stretch.low,
        high=stretch.high,
    )
    if stretch.table == "ticks":
        where.equal("platform", stretch.topic.removeprefix("ticks."))
    return where


def stored(stretch: Stretch, *, exact: bool = True) -> Query:
    """Return the query for how many of a stretch's records are stored, and for the first and last
    offset; they mean nothing if none is. Doubles count once if ``exact``, which takes more memory.

    A record that could not be used is stored as a dead letter.
    """
    where = _within(stretch)
    count = "uniqExact(place)" if exact else "count()"
    sql = (
        f"SELECT {count} AS stored, min(place) AS first, max(place) AS last FROM ("
        f"SELECT kafka_offset AS place FROM {stretch.table} {where.where()} UNION ALL "
        "SELECT source_offset AS place FROM dead_letters "
        "WHERE source_topic = {topic:String} AND source_topic_id = {topic_id:UUID} "
        "AND source_partition = {partition:Int32} "
        "AND source_offset >= {low:Int64} AND source_offset < {high:Int64})"
    )
    return Query(sql, {**where.parameters, "topic": stretch.topic})


def _choose(where: Conditions, table: Table, wanted: Subscribe) -> None:
    if markets := wanted.markets():
        named = "market_id IN {markets:Array(String)}"
        gaps = f"(market_id IS NULL OR {named})"
        where.add(gaps if table == "gaps" else named, markets=sorted(markets))
    if table == "gaps":
        where.equal("platform", wanted.platform)
    else:
        where.equal("outcome_id", wanted.outcome)
        where.equal("kind", wanted.kind)


def records(stretch: Stretch, wanted: Subscribe, rows: int) -> Query:
    """Return the query for a stretch's first ``rows`` records that are wanted, by offset, each
    once."""
    where = _within(stretch)
    _choose(where, stretch.table, wanted)
    sql = (
        f"SELECT {', '.join(COLUMNS[stretch.table])} FROM {stretch.table} {where.where()} "
        "ORDER BY kafka_offset LIMIT 1 BY kafka_offset LIMIT {rows:UInt32}"
    )
    return Query(sql, {**where.parameters, "rows": rows})


def former(topic: TopicAt, wanted: Subscribe, rows: int) -> Query:
    """Return the query for the first ``rows`` records that are wanted of a topic from its offsets
    on, by partition and offset: when the offsets have moved on it gives the next ones."""
    name = table(topic)
    where = Conditions()
    if name == "ticks":
        where.equal("platform", topic.name.removeprefix("ticks."))
    where.add(
        "topic_id = {topic_id:UUID} AND kafka_offset >= {lowest:Int64} "
        "AND kafka_offset >= arrayElement({places:Array(Int64)}, kafka_partition + 1)",
        topic_id=str(topic.id),
        lowest=min(topic.offsets, default=0),
        places=topic.offsets,
    )
    _choose(where, name, wanted)
    sql = (
        f"SELECT {', '.join(COLUMNS[name])} FROM {name} {where.where()} "
        "ORDER BY kafka_partition, kafka_offset LIMIT 1 BY kafka_partition, kafka_offset "
        "LIMIT {rows:UInt32}"
    )
    return Query(sql, {**where.parameters, "rows": rows})


def replay(
    wanted: Subscribe, since_us: int, after: ReplayAt | None, end: Position, rows: int
) -> Query:
    """Return the query for the first ``rows`` ticks by ingest time from ``since_us`` on, after the
    row named, of which Kafka has no more than ``end`` says."""
    where = Conditions()
    where.equal("platform", wanted.platform)
    if markets := wanted.markets():
        where.add("market_id IN {markets:Array(String)}", markets=sorted(markets))
    where.equal("outcome_id", wanted.outcome)
    where.equal("kind", wanted.kind)
    where.add(f"ingest_ts >= {instant('since')}", since=since_us)
    for at, topic in enumerate(end.topics):
        where.add(
            f"(topic_id != {{topic{at}:UUID}} OR "
            f"kafka_offset < arrayElement({{ends{at}:Array(Int64)}}, kafka_partition + 1))",
            **{f"topic{at}": str(topic.id), f"ends{at}": topic.offsets},
        )
    if after is not None:
        where.add(
            f"ingest_ts >= {instant('after_ts')} AND ({', '.join(TICK_KEY)}) > "
            f"({instant('after_ts')}, {{after_topic:UUID}}, {{after_partition:Int32}}, "
            "{after_offset:Int64})",
            after_ts=after.ingest_us,
            after_topic=str(UUID(bytes=after.topic_id)),
            after_partition=after.partition,
            after_offset=after.offset,
        )
    sql = (
        f"SELECT {', '.join(COLUMNS['ticks'])}, topic_id FROM ticks {where.where()} "
        f"ORDER BY {', '.join(TICK_KEY)} LIMIT 1 BY {', '.join(TICK_KEY)} LIMIT {{rows:UInt32}}"
    )
    return Query(sql, {**where.parameters, "rows": rows})


def gaps_since(wanted: Subscribe, since_us: int, rows: int) -> Query:
    """Return the query for gaps that were not over at an instant, by their begin."""
    where = Conditions()
    where.equal("platform", wanted.platform)
    if markets := wanted.markets():
        where.add(
            "(market_id IS NULL OR market_id IN {markets:Array(String)})", markets=sorted(markets)
        )
    where.add(f"(to_ts IS NULL OR to_ts >= {instant('since')})", since=since_us)
    columns: Sequence[str] = [name for name in COLUMNS["gaps"] if not name.startswith("kafka_")]
    sql = (
        f"SELECT {', '.join(columns)} FROM gaps_latest {where.where()} "
        "ORDER BY ifNull(from_ts, to_ts), gap_id LIMIT {rows:UInt32}"
    )
    return Query(sql, {**where.parameters, "rows": rows})
