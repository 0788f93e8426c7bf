"""What this run put on the ticks topics, against what is stored: lost, duplicates, latencies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from echoarb.stack import topics
from schemas.ends import ends
from schemas.settings import KafkaSettings
from schemas.topics import DEADLETTERS, TOPICS, ticks_topic

STAGES = {
    "source_ingest": ("source_ts", "ingest_ts"),
    "ingest_emit": ("ingest_ts", "emit_ts"),
    "emit_stored": ("emit_ts", "stored_ts"),
}
"""Stages of a tick's way, each between two columns of the ticks table."""


@dataclass(frozen=True, slots=True)
class Count:
    """One platform's ticks of this run.

    ``published`` is offsets on the topic, ``stored`` distinct ones in ClickHouse, ``accounted``
    distinct ones stored or dead-lettered, ``visible`` rows that a reader sees (FINAL), ``raw``
    rows before merges fold repeated ones.
    """

    published: int
    stored: int
    accounted: int
    visible: int
    raw: int

    @property
    def lost(self) -> int:
        """Offsets on the topic that are neither stored nor dead-lettered."""
        return self.published - self.accounted

    @property
    def duplicates(self) -> int:
        """Rows that a reader sees more than once."""
        return self.visible - self.stored


_MINE = "topic_id = {id:UUID} AND kafka_offset >= arrayElement({starts:Array(Int64)}, {at})"
_COUNT = """
SELECT
    (SELECT count() FROM ticks FINAL WHERE {mine}),
    (SELECT count() FROM ticks WHERE {mine}),
    (SELECT uniqExact(kafka_partition, kafka_offset) FROM ticks WHERE {mine}),
    (
        SELECT uniqExact(p, o) FROM
        (
            SELECT kafka_partition AS p, kafka_offset AS o FROM ticks WHERE {mine}
            UNION ALL
            SELECT source_partition AS p, source_offset AS o FROM dead_letters WHERE {dead}
        )
    )
""".replace("{mine}", _MINE.replace("{at}", "kafka_partition + 1")).replace(
    "{dead}",
    _MINE.replace("{at}", "source_partition + 1")
    .replace("topic_id", "source_topic_id")
    .replace("kafka_offset", "source_offset"),
)


class Ledger:
    """The topics of this run, by id, from where they stood when it began. Calls block."""

    def __init__(self, settings: KafkaSettings, platforms: Sequence[str]) -> None:
        self._settings = settings
        self.platforms = tuple(platforms)
        self.ids: dict[str, UUID] = {}
        self._starts: dict[tuple[str, int], int] = {}
        self.broken = False
        """Whether the broker lost its topics during the run: what was on them can't be counted."""

    def open(self) -> None:
        """Note the topics' ids and ends as they are now. Raises Transient, Fatal."""
        known = topics.describe(self._settings, TOPICS)
        self.broken = self.broken or any(
            name in self.ids and self.ids[name] != state.topic_id for name, state in known.items()
        )
        self.ids = {name: state.topic_id for name, state in known.items()}
        self._starts = self._ends()

    def _ends(self) -> dict[tuple[str, int], int]:
        names = [*(ticks_topic(platform) for platform in self.platforms), DEADLETTERS.name]
        return ends(self._settings, {name: TOPICS[name].partitions for name in names})

    def count(self, client: Any, database: str) -> tuple[dict[str, Count], int]:
        """Return each platform's count, and how many records were dead-lettered in this run.

        Raises Transient if the broker can't be reached, clickhouse-connect's errors.
        """
        ends = self._ends()
        settings = {"max_threads": 1}
        counts = {}
        for platform in self.platforms:
            name = ticks_topic(platform)
            starts = [self._starts[name, number] for number in range(TOPICS[name].partitions)]
            parameters = {"id": str(self.ids[name]), "starts": starts}
            query = _COUNT.replace(" ticks ", f" {database}.ticks ").replace(
                " dead_letters ", f" {database}.dead_letters "
            )
            row = client.query(query, parameters=parameters, settings=settings).result_rows[0]
            visible, raw, stored, accounted = (int(value) for value in row)
            published = self._grown(name, ends)
            counts[platform] = Count(published, stored, accounted, visible, raw)
        return counts, self._grown(DEADLETTERS.name, ends)

    def _grown(self, name: str, ends: Mapping[tuple[str, int], int]) -> int:
        return sum(
            end - self._starts[topic, number]
            for (topic, number), end in ends.items()
            if topic == name
        )

    def latencies(
        self, client: Any, database: str, seconds: float | None = None
    ) -> dict[str, dict[str, dict[str, float | None]]]:
        """Return p50 and p99 in milliseconds by platform (``*`` is all) and stage.

        Of ticks received in the last ``seconds``, or of the whole run. None where no tick has both
        times. Negative values (clocks that disagree) are kept as they are.
        """
        stages = ", ".join(
            f"if(count({begin}) = 0, [], "
            f"quantilesExact(0.5, 0.99)(toFloat64(dateDiff('microsecond', {begin}, {end}))))"
            for begin, end in STAGES.values()
        )
        since = f"AND ingest_ts > now64(6) - toIntervalSecond({seconds:.0f})" if seconds else ""
        rows = client.query(
            f"SELECT if(grouping(platform) = 1, '*', toString(platform)), {stages} "  # noqa: S608
            f"FROM {database}.ticks WHERE topic_id IN {{ids:Array(UUID)}} {since} "
            "GROUP BY GROUPING SETS ((platform), ())",
            parameters={"ids": [str(value) for value in self.ids.values()]},
        ).result_rows
        return {
            str(platform): dict(zip(STAGES, map(_milliseconds, values), strict=True))
            for platform, *values in rows
        }

    def last_ticks(self, client: Any, database: str, limit: int) -> list[tuple[Any, ...]]:
        """Return each platform's newest ticks: time, platform, market, kind, price, bid, ask."""
        rows = client.query(
            "SELECT ingest_ts, platform, market_id, kind, price, bid, ask "  # noqa: S608
            f"FROM {database}.ticks WHERE topic_id IN {{ids:Array(UUID)}} "
            "AND ingest_ts > now64(6) - toIntervalMinute(10) "
            "ORDER BY ingest_ts DESC LIMIT {limit:UInt32} BY platform",
            parameters={"ids": [str(value) for value in self.ids.values()], "limit": limit},
        ).result_rows
        return [tuple(row) for row in rows]


def _milliseconds(values: Sequence[float]) -> dict[str, float | None]:
    if not values:
        return {"p50": None, "p99": None}
    return {
        name: round(value / 1000, 3) for name, value in zip(("p50", "p99"), values, strict=True)
    }
