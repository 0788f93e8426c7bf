"""What was before, for WebSocket clients: read from ClickHouse and from the feed's tail, until the
client stands where the feed stands and goes on live, without a hole and without a repeat.

A client has a position: the next offset of each partition. Below the tail's floor the records come
from ClickHouse, in stretches of offsets, each only once all of it is stored; above, from the tail.
When the position is the feed's own, the subscription begins in the same moment: between looking and
beginning nothing is awaited. What can't be brought is told, as ``resume_gap``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pyarrow as pa
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay
from tenacity.wait import wait_random_exponential

from api import events, formats, past_queries, quote_queries
from api.events import Event
from api.feed import Feed
from api.hub import Client
from api.messages import Subscribe
from api.metrics import WS_RESUME_GAPS
from api.past_queries import Stretch
from api.position import Position, ReplayAt, TopicAt
from api.quote_queries import OutcomeFilter
from api.settings import ApiSettings
from api.sql import Query
from api.store import Store, TooExpensive
from schemas.clock import isoformat, now_us, parse_rfc3339
from schemas.errors import Transient
from schemas.topics import GAPS

STRETCH = 50_000
"""Offsets that are looked at once."""
ROWS = 2_000
CHUNK = 500
"""Records of the tail that are taken without giving way to others."""
LOOK_SECONDS = 0.25
PASSED_SECONDS = 1.0
"""How long records are waited for that later ones overtook: the sink stores a batch in parts."""
LONGEST_SILENCE_SECONDS = 10.0
"""A replay makes longer silences this long."""
MOST_GAPS = 10_000
Outcome = tuple[str, str, str]
"""Platform, outcome and kind."""


class Past:
    """Brings one client to the live feed."""

    def __init__(
        self,
        client: Client,
        number: int,
        wanted: Subscribe,
        feed: Feed,
        store: Store,
        settings: ApiSettings,
    ) -> None:
        """``number`` is that of the subscription ``wanted``, which this begins."""
        self._client = client
        self._number = number
        self._wanted = wanted
        self._feed = feed
        self._store = store
        self._settings = settings
        # What is taken without a pause has to find room in a queue that is half full.
        self._chunk = max(1, min(CHUNK, settings.api_ws_queue // 4))
        self._at = Position([])
        self._known: dict[Outcome, int] = {}
        """Ingest times that a snapshot reached: what is earlier is over."""

    async def resume(self, cursor: Position) -> None:
        """Bring all since the cursor. Raises Transient, TooExpensive, EchoArbError."""
        await self._feed.following.wait()
        if cursor.replay is not None:
            await self._replay(cursor.replay.ingest_us, cursor.replay, cursor)
            return
        await self._go_live(cursor)

    async def from_now(self, position: Position) -> None:
        """Bring all since a position of the feed."""
        await self._go_live(position)

    async def snapshot(self) -> None:
        """Bring the newest quote and trade of each outcome, then all since. Raises as resume."""
        await self._feed.following.wait()
        start, complete = await self._stored_end(self._feed.position.copy())
        wanted = self._wanted
        chosen = OutcomeFilter(
            platform=wanted.platform, outcome=wanted.outcome, markets=wanted.markets()
        )
        most = self._settings.api_ws_snapshot
        async with self._feed.readers:
            table = await self._table(quote_queries.latest(chosen, None, most + 1))
            rows = await asyncio.to_thread(formats.rows, table)
        for row in rows[:most]:
            await self._client.room()
            for kind in ("quote", "trade"):
                if row[f"{kind}_ts"] is not None:
                    key = (row["platform"], row["outcome_id"], kind)
                    self._known[key] = parse_rfc3339(row[f"{kind}_ts"])
            self._client.put("snapshot", {"data": row})
        end = {"outcomes": min(len(rows), most), "truncated": len(rows) > most}
        self._client.put("snapshot_end", {**end, "complete": complete})
        await self._go_live(start)

    async def history(self, since_us: int) -> None:
        """Bring all since an instant, by ingest time. Raises as resume."""
        await self._feed.following.wait()
        await self._replay(since_us, None, self._feed.position.copy())

    # By time

    async def _replay(self, since_us: int, after: ReplayAt | None, end: Position) -> None:
        """Send stored ticks by ingest time up to ``end``, at the speed asked for, then go on."""
        end, complete = await self._stored_end(end)
        if not complete:
            self._missed("not_stored", detail="of what is not stored yet the newest ticks come")
        gaps = await self._gaps(since_us)
        pace = _Pace(self._wanted.speed)
        at = end.copy()
        while True:
            query = past_queries.replay(self._wanted, since_us, after, end, ROWS)
            async with self._feed.readers:
                page = await asyncio.to_thread(_replayed, await self._table(query))
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
        await self._go_live(end)

    async def _gaps(self, since_us: int) -> list[tuple[int, Event]]:
        """Return the gaps since an instant, each with when it is told."""
        query = past_queries.gaps_since(self._wanted, since_us, MOST_GAPS + 1)
        rows = formats.rows(await self._table(query))
        if len(rows) > MOST_GAPS:
            self._missed("too_many_gaps", topic=GAPS.name, detail="the later ones: /api/v1/gaps")
            del rows[MOST_GAPS:]
        return [(parse_rfc3339(row["from_ts"] or row["to_ts"]), events.of_gap(row)) for row in rows]

    # By offset

    async def _go_live(self, start: Position) -> None:
        """Send all between ``start`` and the live feed, and begin the subscription there."""
        self._at = await self._aligned(start)
        while not self._arrived():
            for topic, partition in self._places():
                if not await self._advance(topic, partition):
                    break  # the places are of a topic's former life
            await asyncio.sleep(0)
        self._feed.hub.begin(self._client, self._number)
        self._client.put("live", {"cursor": self._feed.cursor(), "ts": isoformat(now_us())})

    def _topics(self, position: Position) -> list[TopicAt]:
        """Return the topics that may hold something wanted."""
        platform = self._wanted.platform
        return [
            topic
            for topic in position.topics
            if platform is None or topic.name in ("gaps", f"ticks.{platform}")
        ]

    def _places(self) -> list[tuple[TopicAt, int]]:
        return [
            (topic, partition)
            for topic in self._topics(self._at)
            for partition in range(len(topic.offsets))
        ]

    def _arrived(self) -> bool:
        """Return whether the client stands where the feed stands: ask and begin without a pause."""
        live = self._feed.position
        return all(live.topic(topic.name) == topic for topic in self._topics(self._at))

    async def _aligned(self, start: Position) -> Position:
        """Return the position in the topics as they are now. What is stored of topics of another
        life is sent before; what of ``start`` is no place in them is told."""
        self._at = start
        for topic in self._topics(start):
            live = self._feed.position.topic(topic.name)
            if live is not None and live.topic_id != topic.topic_id:
                await self._former(topic)
        found = self._feed.position.copy()
        for topic in found.topics:
            old = start.topic(topic.name)
            if old is None:
                continue
            if old.topic_id != topic.topic_id:
                self._missed(
                    "made_anew",
                    topic=topic.name,
                    detail="the topic was made anew; of the old one came what is stored",
                )
                topic.offsets = [0] * len(topic.offsets)
                continue
            for partition, end in enumerate(topic.offsets):
                # A partition that was added since is new to the client.
                place = old.offsets[partition] if partition < len(old.offsets) else 0
                if place > end + STRETCH:
                    self._missed("ahead", topic=topic.name, partition=partition)
                    continue
                topic.offsets[partition] = place
        return found

    async def _former(self, topic: TopicAt) -> None:
        """Send what is stored of a topic that is no more."""
        while True:
            query = past_queries.former(topic, self._wanted, ROWS)
            try:
                async with self._feed.readers:
                    table = await self._table(query)
                    page = await asyncio.to_thread(events.of_rows, past_queries.table(topic), table)
            except TooExpensive:  # a topic id that never was, perhaps
                return
            partitions = table.column("kafka_partition").to_pylist()
            for partition, (offset, event) in zip(partitions, page, strict=True):
                await self._client.room()
                topic.offsets += [0] * (partition + 1 - len(topic.offsets))
                topic.offsets[partition] = offset + 1
                self._send(event)
            if len(page) < ROWS:
                return

    async def _advance(self, topic: TopicAt, partition: int) -> bool:
        """Go on in one partition as far as it is known; return whether the topics are the same."""
        place = (topic.name, partition)
        live = self._live(topic)
        if live is None or len(live.offsets) != len(topic.offsets):
            self._at = await self._aligned(
                self._at
            )  # made anew meanwhile, or given more partitions
            return False
        if topic.offsets[partition] > live.offsets[partition]:
            await self._ahead(topic, partition)
            return True
        while topic.offsets[partition] < self._floor(place):
            low = topic.offsets[partition]
            high = min(low + STRETCH, self._floor(place))
            await self._stretch(topic, Stretch(topic.name, topic.id, partition, low, high))
            if self._live(topic) is None:
                return True  # seen at the next look
        while kept := self._feed.tail.since(place, topic.offsets[partition], self._chunk):
            for each in kept:
                await self._feed.decode(each)
            for each in kept:
                topic.offsets[partition] = each.record.offset + 1
                if each.event is not None:
                    self._send(each.event)
            if len(kept) < self._chunk and len(self._client.outgoing) < self._chunk:
                return True
            await self._client.room()
            if self._live(topic) is None or self._floor(place) > topic.offsets[partition]:
                return True  # the tail moved past us
        return True

    def _live(self, topic: TopicAt) -> TopicAt | None:
        """Return where the feed stands in a topic, None if that is another one by now."""
        live = self._feed.position.topic(topic.name)
        return live if live is not None and live.topic_id == topic.topic_id else None

    def _floor(self, place: tuple[str, int]) -> int:
        return self._feed.tail.floor(place) or 0

    async def _ahead(self, topic: TopicAt, partition: int) -> None:
        """Wait for a feed that is behind the cursor, as one of another process may be."""
        deadline = time.monotonic() + self._settings.api_ws_stored_seconds
        while (live := self._live(topic)) and live.offsets[partition] < topic.offsets[partition]:
            if time.monotonic() > deadline:
                self._missed("ahead", topic=topic.name, partition=partition)
                topic.offsets[partition] = live.offsets[partition]
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _stretch(self, topic: TopicAt, stretch: Stretch) -> None:
        """Send what is wanted of a stretch, once all of it is stored or nothing more comes."""
        low, high, partition = stretch.low, stretch.high, stretch.partition
        found = await self._settled(topic, stretch)
        onward, reason, missed = high, None, found.missing
        if found.missing and found.beyond is None:
            # The sink is far behind: what the tail has is all there is.
            onward = max(high, self._floor((topic.name, partition)))
            reason, missed = "not_stored", found.missing + onward - high
        elif found.missing == high - low:
            onward = min(found.beyond or high, max(high, self._floor((topic.name, partition))))
            reason, missed = "expired", onward - low
        elif found.missing:
            # What is gone from the beginning of the partition has expired.
            reason = "expired" if found.first == low + found.missing else "missing"
        if reason is not None:
            self._missed(reason, topic=topic.name, partition=partition, missed=missed)
        while found.missing < high - low and stretch.low < high:
            page = await self._page(
                stretch.table, past_queries.records(stretch, self._wanted, ROWS)
            )
            for offset, event in page:
                await self._client.room()
                topic.offsets[partition] = offset + 1
                self._send(event)
            if len(page) < ROWS:
                break
            stretch = replace(stretch, low=topic.offsets[partition])
        topic.offsets[partition] = onward

    async def _settled(self, topic: TopicAt, stretch: Stretch) -> _Found:
        """Return how a stretch is stored, once it is whole or was waited for long enough.

        The sink is about a second behind, or more after it was away.
        """
        longest = self._settings.api_ws_stored_seconds
        started = time.monotonic()
        while True:
            (row,) = (await self._table(past_queries.stored(stretch))).to_pylist()
            found = _Found(stretch.high - stretch.low - row["stored"], row["first"])
            if found.missing <= 0:
                return found
            if row["stored"] and row["last"] == stretch.high - 1:
                found.beyond = stretch.high
            elif live := self._live(topic):
                beyond = replace(stretch, low=stretch.high, high=live.offsets[stretch.partition])
                (row,) = (await self._table(past_queries.stored(beyond, exact=False))).to_pylist()
                found.beyond = row["first"] if row["stored"] else None
            patience = longest if found.beyond is None else min(longest, PASSED_SECONDS)
            if time.monotonic() - started > patience:
                return found
            await asyncio.sleep(LOOK_SECONDS)

    async def _table(self, query: Query) -> pa.Table:
        """Return a query's rows. A ClickHouse that is away is waited for, for some seconds."""
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(Transient),
            stop=stop_after_delay(self._settings.api_ws_stored_seconds),
            wait=wait_random_exponential(multiplier=0.2, max=2),
            reraise=True,
        ):
            with attempt:
                return await self._store.table(query)
        raise AssertionError("retries end by raising")

    async def _page(self, table: str, query: Query) -> list[tuple[int, Event]]:
        """Return offset and event of each row. Only so many pages are made at once: not for as
        long as they take to send, which a replay may draw out for days."""
        async with self._feed.readers:
            rows = await self._table(query)
            return await asyncio.to_thread(events.of_rows, table, rows)

    async def _stored_end(self, end: Position) -> tuple[Position, bool]:
        """Wait until what Kafka has before ``end`` is stored. Return ``end`` then; otherwise how
        far it is stored, or the tail's floor if that is later, and whether nothing lies between."""
        deadline = time.monotonic() + self._settings.api_ws_stored_seconds
        complete = True
        for topic in self._topics(end):
            for partition, offset in enumerate(topic.offsets):
                last = Stretch(topic.name, topic.id, partition, offset - 1, offset)
                while offset and not await self._any_stored(last):
                    if time.monotonic() > deadline:
                        floor = min(self._floor((topic.name, partition)), offset)
                        near = replace(last, low=max(floor - 1, 0))
                        query = past_queries.stored(near, exact=False)
                        (row,) = (await self._table(query)).to_pylist()
                        topic.offsets[partition] = row["last"] + 1 if row["stored"] else floor
                        complete = complete and bool(row["stored"] or floor == 0)
                        break
                    await asyncio.sleep(LOOK_SECONDS)
        return end, complete

    async def _any_stored(self, stretch: Stretch) -> bool:
        (row,) = (await self._table(past_queries.stored(stretch, exact=False))).to_pylist()
        return bool(row["stored"])

    def _send(self, event: Event) -> None:
        if not self._wanted.takes(event):
            return
        known = self._known.get((event.platform, event.outcome, event.kind))
        if known is None or event.ingest_us >= known:  # a message may bring several of one instant
            self._client.put_event(event, self._at.cursor())

    def _missed(self, reason: str, **more: Any) -> None:
        WS_RESUME_GAPS.labels(reason).inc()
        told: Mapping[str, Any] = {"topic": None, "partition": None, "missed": None, "detail": None}
        self._client.put("resume_gap", {"reason": reason, **told, **more})


@dataclass(slots=True)
class _Found:
    """How a stretch is stored: records that are missing, the first offset that is there, and the
    first one stored at its end or beyond, None if there is none."""

    missing: int
    first: int
    beyond: int | None = None


class _Pace:
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
