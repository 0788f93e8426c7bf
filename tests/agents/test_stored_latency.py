"""How long storing takes, asked of the real engine: minutes that are over, told when changed."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import clickhouse_connect
import pytest

from agents.processor import Outgoing
from agents.stored_latency import GRACE_US, StoredLatency
from schemas.clock import now_us
from schemas.errors import Transient
from schemas.latency import Latency
from schemas.settings import ClickHouseSettings

MINUTE_US = 60_000_000
SLOT = (now_us() // MINUTE_US - 60) * MINUTE_US
"""A minute of the last hour: tables keep nothing old."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Rows:
    """The table ticks, filled with rows whose times a test chooses."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._offsets = itertools.count()

    def store(self, stored_us: int, *late_us: int, platform: str = "kalshi") -> None:
        """Insert rows that were stored then, so long after Kafka had them."""
        stored = _EPOCH + timedelta(microseconds=stored_us)
        rows = []
        for late in late_us:
            at = next(self._offsets)
            append = stored - timedelta(microseconds=late)
            ids = {"market_id": "m", "outcome_id": "m", "topic_id": UUID(int=1), "kafka_offset": at}
            times = {"ingest_ts": append, "emit_ts": append, "append_ts": append}
            tick = {"platform": platform, "kind": "quote", "tick_id": UUID(int=at)}
            rows.append({**ids, **times, **tick, "stored_ts": stored})
        values = [list(row.values()) for row in rows]
        self._client.insert("ticks", values, column_names=list(rows[0]))


class Asked:
    """Who asks, and what was published; Kafka can be away."""

    def __init__(self, settings: ClickHouseSettings) -> None:
        self.published: list[Latency] = []
        self.away = False
        self.stored = StoredLatency(settings, self._publish, lambda: True)

    def _publish(self, items: Sequence[Outgoing]) -> None:
        if self.away:
            raise Transient("Kafka is away")
        for item in items:
            assert isinstance(item.record, Latency)
            assert item.key == f"{item.record.platform}:append_stored"
            self.published.append(item.record)

    async def at(self, now: int) -> list[tuple[str, int, int, int]]:
        """Ask; return platform, minute from SLOT, version and sum of what was published."""
        before = len(self.published)
        await self.stored.ask(now)
        return [
            (one.platform, (one.slot_ts - SLOT) // MINUTE_US, one.version, one.sum_us)
            for one in self.published[before:]
        ]


@pytest.fixture
def rows(clickhouse: str, clickhouse_database: str) -> Iterator[Rows]:
    client = clickhouse_connect.get_client(
        dsn=clickhouse, database=clickhouse_database, autogenerate_session_id=False
    )
    yield Rows(client)
    client.close()


@pytest.fixture
async def asked(clickhouse: str, clickhouse_database: str) -> AsyncIterator[Asked]:
    settings = ClickHouseSettings.load(
        clickhouse_url=clickhouse, clickhouse_database=clickhouse_database
    )
    made = Asked(settings)
    yield made
    await made.stored._writer.close()


async def test_minutes_are_told_once_they_are_over_and_again_when_rows_came(
    rows: Rows, asked: Asked
) -> None:
    over = SLOT + MINUTE_US + GRACE_US
    rows.store(SLOT + 1, 1000, 3000)
    rows.store(SLOT + 2, 500, platform="manifold")
    rows.store(SLOT + MINUTE_US, 70)
    assert await asked.at(over - 1) == []
    assert await asked.at(over) == [("kalshi", 0, 2, 4000), ("manifold", 0, 1, 500)]
    assert await asked.at(over + 1) == []
    rows.store(SLOT + 59_999_999, -200)
    assert await asked.at(over + 2) == [("kalshi", 0, 3, 3800)]
    assert asked.published[-1].negative == 1
    assert (asked.published[-1].min_us, asked.published[-1].max_us) == (-200, 3000)
    assert {one.part for one in asked.published} == {"*"}
    assert await asked.at(over + MINUTE_US) == [("kalshi", 1, 1, 70)]
    rows.store(SLOT + 3, 1)
    assert await asked.at(over + 10 * MINUTE_US) == []  # too long over


async def test_what_kafka_did_not_take_is_told_later(rows: Rows, asked: Asked) -> None:
    rows.store(SLOT, 1000)
    asked.away = True
    with pytest.raises(Transient):
        await asked.at(SLOT + 2 * MINUTE_US)
    asked.away = False
    assert await asked.at(SLOT + 2 * MINUTE_US) == [("kalshi", 0, 1, 1000)]
