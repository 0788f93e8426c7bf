"""From a position to the live feed, by offset, without a hole and without a repeat.

Below the tail's floor records come from ClickHouse, in stretches of offsets, each only once all of
it is stored; above, from the tail. When the position is the feed's own, the subscription begins in
the same moment: between looking and beginning nothing is awaited.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pyarrow as pa

from api import events, past_queries
from api.events import Event
from api.feed import Feed
from api.hub import Client
from api.messages import Subscribe
from api.metrics import WS_RESUME_GAPS
from api.past_queries import Stretch, Table
from api.position import Position, TopicAt
from api.settings import ApiSettings
from api.store import TooExpensive
from api.stored import LOOK_SECONDS, Stored
from schemas.clock import isoformat, now_us

STRETCH = 50_000
"""Offsets that are looked at once."""
ROWS = 2_000
CHUNK = 500
"""Records of the tail that are taken without giving way to others."""
Outcome = tuple[str, str, str]
"""Platform, outcome and kind."""


def tell_missed(client: Client, reason: str, **more: Any) -> None:
    """Tell a client that something could not be brought, and why."""
    WS_RESUME_GAPS.labels(reason).inc()
    told: Mapping[str, Any] = {"topic": None, "partition": None, "missed": None, "detail": None}
    client.put("resume_gap", {"reason": reason, **told, **more})


class CatchUp:
    """Brings one client from a position to the live feed."""

    def __init__(
        self,
        client: Client,
        number: int,
        wanted: Subscribe,
        feed: Feed,
        stored: Stored,
        settings: ApiSettings,
    ) -> None:
        """``number`` is that of the subscription ``wanted``, which this begins."""
        self._client = client
        self._number = number
        self._wanted = wanted
        self._feed = feed
        self._stored = stored
        # What is taken without a pause has to find room in a queue that is half full.
        self._chunk = max(1, min(CHUNK, settings.api_ws_queue // 4))
        self._at = Position([])
        self.known: dict[Outcome, int] = {}
        """Ingest times that a snapshot reached: what is earlier is over."""

    async def go_live(self, start: Position) -> None:
        """Send all between ``start`` and the live feed, and begin the subscription there."""
        self._at = await self._aligned(start)
        while not self._arrived():
            for topic, partition in self._places():
                if not await self._advance(topic, partition):
                    break  # the places are of a topic's former life
            await asyncio.sleep(0)
        self._feed.hub.begin(self._client, self._number)
        self._client.put("live", {"cursor": self._feed.cursor(), "ts": isoformat(now_us())})

    def topics(self, position: Position) -> list[TopicAt]:
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
            for topic in self.topics(self._at)
            for partition in range(len(topic.offsets))
        ]

    def _arrived(self) -> bool:
        """Return whether the client stands where the feed stands: ask and begin without a pause."""
        live = self._feed.position
        return all(live.topic(topic.name) == topic for topic in self.topics(self._at))

    async def _aligned(self, start: Position) -> Position:
        """Return the position in the topics as they are now. What is stored of topics of another
        life is sent before; what of ``start`` is no place in them is told."""
        self._at = start
        for topic in self.topics(start):
            live = self._feed.position.topic(topic.name)
            if live is not None and live.topic_id != topic.topic_id:
                await self._former(topic)
        found = self._feed.position.copy()
        for topic in found.topics:
            old = start.topic(topic.name)
            if old is None:
                continue
            if old.topic_id != topic.topic_id:
                tell_missed(
                    self._client,
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
                    tell_missed(self._client, "ahead", topic=topic.name, partition=partition)
                    continue
                topic.offsets[partition] = place
        return found

    async def _former(self, topic: TopicAt) -> None:
        """Send what is stored of a topic that is no more."""
        while True:
            query = past_queries.former(topic, self._wanted, ROWS)
            try:
                page = await self._stored.page(query, partial(_placed, past_queries.table(topic)))
            except TooExpensive:  # a topic id that never was, perhaps
                return
            for partition, offset, event in page:
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
            # Made anew meanwhile, or given more partitions.
            self._at = await self._aligned(self._at)
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

    def _end(self, topic: TopicAt, partition: int, otherwise: int) -> int:
        live = self._live(topic)
        return otherwise if live is None else live.offsets[partition]

    def _floor(self, place: tuple[str, int]) -> int:
        return self._feed.tail.floor(place) or 0

    async def _ahead(self, topic: TopicAt, partition: int) -> None:
        """Wait for a feed that is behind the cursor, as one of another process may be."""
        deadline = time.monotonic() + self._stored.patience
        while (live := self._live(topic)) and live.offsets[partition] < topic.offsets[partition]:
            if time.monotonic() > deadline:
                tell_missed(self._client, "ahead", topic=topic.name, partition=partition)
                topic.offsets[partition] = live.offsets[partition]
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _stretch(self, topic: TopicAt, stretch: Stretch) -> None:
        """Send what is wanted of a stretch, once all of it is stored or nothing more comes."""
        low, high, partition = stretch.low, stretch.high, stretch.partition
        found = await self._stored.settled(stretch, lambda: self._end(topic, partition, high))
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
            tell_missed(self._client, reason, topic=topic.name, partition=partition, missed=missed)
        while found.missing < high - low and stretch.low < high:
            query = past_queries.records(stretch, self._wanted, ROWS)
            page = await self._stored.page(query, partial(events.of_rows, stretch.table))
            for offset, event in page:
                await self._client.room()
                topic.offsets[partition] = offset + 1
                self._send(event)
            if len(page) < ROWS:
                break
            stretch = replace(stretch, low=topic.offsets[partition])
        topic.offsets[partition] = onward

    async def stored_end(self, end: Position) -> bool:
        """Wait until what Kafka has before ``end`` is stored. What is not stored in time is taken
        off ``end``, as far as the tail has it; return whether nothing lies between."""
        deadline = time.monotonic() + self._stored.patience
        complete = True
        for topic in self.topics(end):
            for partition, offset in enumerate(topic.offsets):
                if offset == 0:
                    continue
                floor = min(self._floor((topic.name, partition)), offset)
                near = Stretch(topic.name, topic.id, partition, max(floor - 1, 0), offset)
                found = await self._stored.end(near, deadline)
                topic.offsets[partition] = floor if found is None else found
                complete = complete and (found is not None or floor == 0)
        return complete

    def _send(self, event: Event) -> None:
        if not self._wanted.takes(event):
            return
        known = self.known.get((event.platform, event.outcome, event.kind))
        if known is None or event.ingest_us >= known:  # a message may bring several of one instant
            self._client.put_event(event, self._at.cursor())


def _placed(table: Table, rows: pa.Table) -> list[tuple[int, int, Event]]:
    """Return partition, offset and event of each row."""
    partitions = rows.column("kafka_partition").to_pylist()
    found = events.of_rows(table, rows)
    return [(partition, *each) for partition, each in zip(partitions, found, strict=True)]
