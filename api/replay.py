"""Stored ticks by our clock, as fast as they came or faster, and from their end on to live."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import UUID

import pyarrow as pa

from api import events, formats, past_queries
from api.catch_up import ROWS, CatchUp, tell_missed
from api.events import Event
from api.hub import Client
from api.messages import Subscribe
from api.position import Position, ReplayAt
from api.stored import Stored
from schemas.clock import parse_rfc3339
from schemas.topics import GAPS

LONGEST_SILENCE_SECONDS = 10.0
"""Longer silences are made this long."""
MOST_GAPS = 10_000


class Replay:
    """A history for one client."""

    def __init__(self, client: Client, wanted: Subscribe, stored: Stored, on: CatchUp) -> None:
        """``on`` goes on where the replay ends."""
        self._client = client
        self._wanted = wanted
        self._stored = stored
        self._on = on

    async def run(self, since_us: int, after: ReplayAt | None, end: Position) -> None:
        """Send stored ticks by ingest time up to ``end``, at the speed asked for, then go on."""
        if not await self._on.stored_end(end):
            tell_missed(
                self._client, "not_stored", detail="of what is not stored yet the newest ticks come"
            )
        gaps = await self._gaps(since_us)
        pace = Pace(self._wanted.speed)
        at = end.copy()
        while True:
            query = past_queries.replay(self._wanted, since_us, after, end, ROWS)
            page = await self._stored.page(query, _replayed)
            for place, event in page:
                while gaps and gaps[0][0] <= event.ingest_us:
                    await self._client.room()
                    self._client.put_event(gaps.pop(0)[1], None)
                await pace.wait(event.ingest_us)
                await self._client.room()
                at.replay = after = place
                self._client.put_event(event, at.cursor())
            if len(page) < ROWS:
                break
        for _, gap in gaps:
            await self._client.room()
            self._client.put_event(gap, None)
        end.replay = None
        await self._on.go_live(end)

    async def _gaps(self, since_us: int) -> list[tuple[int, Event]]:
        """Return the gaps since an instant, each with when it is told."""
        query = past_queries.gaps_since(self._wanted, since_us, MOST_GAPS + 1)
        rows = await self._stored.page(query, formats.rows)
        if len(rows) > MOST_GAPS:
            tell_missed(
                self._client,
                "too_many_gaps",
                topic=GAPS.name,
                detail="the later ones: /api/v1/gaps",
            )
            del rows[MOST_GAPS:]
        return [(parse_rfc3339(row["from_ts"] or row["to_ts"]), events.of_gap(row)) for row in rows]


class Pace:
    """Keeps the times between ticks, ``speed`` times as fast; without one, waits for nothing."""

    def __init__(self, speed: float | str | None) -> None:
        self._speed = None if speed is None or isinstance(speed, str) else speed
        self._before_us: int | None = None
        self._due = time.monotonic()

    async def wait(self, ingest_us: int) -> None:
        """Wait until a tick is due."""
        if self._speed is None:
            return
        passed = 0 if self._before_us is None else (ingest_us - self._before_us) / 1e6
        self._before_us = ingest_us
        self._due += min(max(passed, 0) / self._speed, LONGEST_SILENCE_SECONDS)
        if self._due > time.monotonic():
            await asyncio.sleep(self._due - time.monotonic())


def _replayed(table: pa.Table) -> list[tuple[ReplayAt, Event]]:
    """Return the rows' events, each with where a replay stands after it."""
    ids = table.column("topic_id").to_pylist()
    partitions = table.column("kafka_partition").to_pylist()
    found = events.of_rows("ticks", table.drop_columns(["topic_id"]))
    return [
        (ReplayAt(event.ingest_us, _bytes_of(topic_id), partition, offset), event)
        for topic_id, partition, (offset, event) in zip(ids, partitions, found, strict=True)
    ]


def _bytes_of(topic_id: Any) -> bytes:
    return topic_id if isinstance(topic_id, bytes) else UUID(str(topic_id)).bytes
