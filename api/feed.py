"""The live feed: one Kafka consumer a process, without a group, from the end of each topic.

It keeps its own positions, so that a broker that was away costs nothing; records that had to be
jumped over are counted and told to clients as a gap.

What was read last is kept for clients that come back (api/tail.py), together with where the feed
stands: its position is the cursor of every tick that it hands on.

The end of a partition is taken from the high watermark in fetch answers, not from
ListOffsets(latest): the Tansu broker answers the latter too low.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from confluent_kafka.admin import AdminClient

from api import events
from api.events import Event
from api.hub import Hub
from api.metrics import FEED_LAG, FEED_RECORDS, FEED_REJECTED, FEED_SKIPPED, FEED_UP
from api.position import FOLLOWED as IN_CURSORS
from api.position import Position, position_of
from api.settings import ApiSettings
from api.spread_hub import SpreadHub
from api.tail import Kept, Tail
from schemas import topic_ids
from schemas.clock import isoformat, now_us
from schemas.codec import decode
from schemas.errors import Fatal, Poison, Transient
from schemas.framing import HEADER_SIZE, schema_id_of
from schemas.gap import Gap
from schemas.logs import get_logger
from schemas.registry import Registry
from schemas.spread import Spread
from schemas.tick import Tick
from schemas.topics import GAPS, SPREADS, TOPICS

log = get_logger("echoarb.api.feed")

REFRESH_SECONDS = 3.0
ANSWER_SECONDS = 10.0
METADATA_SECONDS = 30.0
"""How often the broker is asked how many partitions our topics have."""
POLL_MS = 250
MAX_RECORDS = 500
MAX_BACKLOG = 100_000
"""Records of one partition that are caught up with after an absence; beyond it, it is no live feed
and the API's history is the better place to read."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
FOLLOWED = (*IN_CURSORS, SPREADS.name)
MOST_SCHEMAS = 1000
"""Schema ids that are remembered; each may be a number that somebody made up."""
_QUIET = logging.getLogger("echoarb.librdkafka")


def consumer_options(settings: ApiSettings) -> dict[str, Any]:
    """Return aiokafka's options for reaching the broker."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap,
        "security_protocol": settings.kafka_security,
    }
    if settings.kafka_security.startswith("SASL"):
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_username
        options["sasl_plain_password"] = settings.kafka_password.get_secret_value()
    if (context := settings.ssl_context()) is not None:
        options["ssl_context"] = context
    return options


class Feed:
    """Reads ticks and gaps as they come and hands them to the hub."""

    def __init__(self, settings: ApiSettings, hub: Hub) -> None:
        self._settings = settings
        self.hub = hub
        self.spreads = SpreadHub()
        self._registry = Registry(settings)
        self._schemas: dict[int, Any] = {}
        self._positions: dict[TopicPartition, int] = {}
        self._admin: AdminClient | None = None
        self._ids: dict[str, UUID] = {}
        self._anew: set[str] = set()
        """Topics that were made anew, until their partitions are taken up."""
        self._offsets: dict[str, list[int]] = {}
        self.position = Position([])
        """Where the feed stands: it moves with each record. Empty before it first follows."""
        self.tail = Tail(settings.api_ws_tail_bytes)
        self.readers = asyncio.Semaphore(settings.api_ws_readers)
        """Pages of history that are read at once, for clients that are brought up to date."""
        self._task: asyncio.Task[None] | None = None
        self.problem: str | None = "starting"
        """Why the feed isn't following every topic; None while it is."""
        self.records = 0
        """Records read since the start."""
        self.rejected = 0
        """Of those that somebody wanted: what could not be used."""
        self.last: tuple[str, int, int] | None = None
        """Topic, partition and offset of the record read last."""
        for topic in FOLLOWED:
            FEED_RECORDS.labels(topic)
            FEED_SKIPPED.labels(topic)
        self.following = asyncio.Event()
        """Set while ``problem`` is None."""

    def clients(self) -> int:
        """Return how many WebSocket clients there are, of all routes."""
        return len(self.hub.clients) + len(self.spreads.clients)

    def full(self) -> bool:
        """Return whether another client is one too many."""
        return self.clients() >= self._settings.api_ws_clients

    def start(self) -> None:
        """Begin following, in the background, for as long as the process lives."""
        self._task = asyncio.create_task(self._run(), name="feed")

    async def stop(self) -> None:
        """End the background task."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self._report("stopped")
        self._registry.close()

    async def _run(self) -> None:
        pause = FIRST_PAUSE
        while True:
            started = time.monotonic()
            try:
                await self._follow()
            except asyncio.CancelledError as error:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                # aiokafka lets its own cancelled futures through when a connection is lost
                self._report("Kafka can't be reached", error)
            except Transient as error:
                self._report("the schema registry can't be reached", error)
            except (KafkaError, OSError) as error:
                self._report("Kafka can't be reached", error)
            except Exception as error:
                log.exception("the live feed failed")
                self._report("the live feed failed", error)
            if time.monotonic() - started > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, LONGEST_PAUSE)

    def _report(self, problem: str | None, error: BaseException | None = None) -> None:
        if problem != self.problem:
            log.info("live feed", problem=problem, error=repr(error)[:300] if error else None)
        self.problem = problem
        FEED_UP.set(problem is None)
        if problem is None:
            self.following.set()
        else:
            self.following.clear()

    async def _follow(self) -> None:
        consumer = AIOKafkaConsumer(
            **consumer_options(self._settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="latest",
            request_timeout_ms=int(ANSWER_SECONDS * 1000),
            metadata_max_age_ms=int(METADATA_SECONDS * 1000),
        )
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await consumer.start()
            followed: frozenset[str] = frozenset()
            refreshed = -REFRESH_SECONDS
            while True:
                if time.monotonic() - refreshed >= REFRESH_SECONDS:
                    there = await self._topics(consumer)
                    await self._ask_ids(there)
                    if followed and followed & self._anew:
                        return  # a topic was made anew
                    if followed and followed != there:
                        return  # an assigned consumer learns nothing of further topics
                    if followed and _places(consumer, followed) != consumer.assignment():
                        return  # a topic was given more partitions
                    if there and not followed:
                        await self._assign(consumer, there)
                        followed = there
                    missing = sorted(set(FOLLOWED) - there)
                    self._report(f"no topic {', '.join(missing)}" if missing else None)
                    refreshed = time.monotonic()
                if followed:
                    if not await self._poll(consumer):
                        return
                else:
                    await asyncio.sleep(FIRST_PAUSE)
                    refreshed = -REFRESH_SECONDS
        finally:
            await consumer.stop()

    async def _topics(self, consumer: AIOKafkaConsumer) -> frozenset[str]:
        """Return which topics of ours the broker has; it has to answer for that."""
        async with asyncio.timeout(ANSWER_SECONDS):
            return frozenset(FOLLOWED).intersection(await consumer.topics())

    async def _assign(self, consumer: AIOKafkaConsumer, topics: frozenset[str]) -> None:
        """Go on from our positions, or from the end of topics where we have none."""
        # A consumer learns how many partitions a topic has only once it is assigned one of them.
        consumer.assign([TopicPartition(topic, 0) for topic in topics])
        async with asyncio.timeout(ANSWER_SECONDS):
            await consumer.seek_to_end()
        found = _places(consumer, topics)
        if {place.topic for place in found} != topics:
            raise KafkaError("the broker named no partitions of a topic")
        consumer.assign(found)
        async with asyncio.timeout(ANSWER_SECONDS):
            await consumer.seek_to_end()
            while any(consumer.highwater(place) is None for place in found):
                await consumer.getmany(timeout_ms=POLL_MS)
        known = {place.topic for place in self._positions}
        for place in found:
            end = consumer.highwater(place)
            # All that a partition holds which a topic was given since is new to us.
            position = self._positions.setdefault(place, 0 if place.topic in known else end)
            if place.topic in self._anew or not end - MAX_BACKLOG <= position <= end:
                self._jump(place, end)
            consumer.seek(place, self._positions[place])
        self._anew -= topics
        self._stand(topics)

    def _stand(self, topics: frozenset[str]) -> None:
        """Make the position anew from where each partition is read on."""
        self._offsets = {}
        for topic in (name for name in FOLLOWED if name in topics and name in self._ids):
            places = sorted(place for place in self._positions if place.topic == topic)
            self._offsets[topic] = [self._positions[place] for place in places]
            for place in places:
                if self.tail.floor((topic, place.partition)) is None:
                    self.tail.clear((topic, place.partition), self._positions[place])
        self.position = position_of(self._ids, self._offsets)

    async def _ask_ids(self, topics: frozenset[str]) -> None:
        """Ask for the topics' ids, and note which have another than before. Raises KafkaError."""
        if not topics:
            return
        if self._admin is None:
            self._admin = AdminClient(self._settings.librdkafka(), logger=_QUIET)
        try:
            found = await asyncio.to_thread(topic_ids.ask, self._admin, topics, ANSWER_SECONDS)
        except Transient as error:
            raise KafkaError(str(error)) from error
        except Fatal as error:  # clients can't resume then, but follow
            log.warning("topics have no ids", error=str(error))
            return
        known = {topic: each for topic, each in found.items() if each is not None}
        self._anew |= {name for name in known if self._ids.get(name, known[name]) != known[name]}
        self._ids |= known

    def _moved(self, place: TopicPartition, position: int) -> None:
        self._positions[place] = position
        offsets = self._offsets.get(place.topic, [])
        if place.partition < len(offsets):
            offsets[place.partition] = position

    def _jump(self, place: TopicPartition, end: int) -> None:
        """Move our position, and say so to clients.

        A position beyond the end means that the topic was made anew: all in it is new to us.
        """
        position = self._positions[place]
        anew = position > end or place.topic in self._anew
        target = 0 if anew and end <= MAX_BACKLOG else end
        self._moved(place, target)
        self.tail.clear((place.topic, place.partition), target)
        missed = target if anew else target - position
        FEED_SKIPPED.labels(place.topic).inc(missed)
        log.warning("live feed jumped", topic=place.topic, partition=place.partition, missed=missed)
        if place.topic in (GAPS.name, SPREADS.name) or (
            place.topic in self._anew and place.partition > 0
        ):
            return  # of a whole topic clients are told once
        platform = place.topic.removeprefix("ticks.")
        notice = {"gap_id": None, "platform": platform, "market_id": None, "connection": ""}
        notice |= {"reason": "other", "from_ts": None, "to_ts": isoformat(now_us())}
        detail = "the topic was made anew" if anew else "the live feed was away for too long"
        detail += f"; partition {place.partition}; /api/v1/ticks has what was missed"
        told = {**notice, "missed": None if anew else missed, "detail": detail}
        self.hub.publish(events.of_gap(told), None)

    async def _poll(self, consumer: AIOKafkaConsumer) -> bool:
        """Hand on what came; return whether reading can go on from there."""
        batches = await consumer.getmany(timeout_ms=POLL_MS, max_records=MAX_RECORDS)
        for place, records in batches.items():
            for record in records:
                await self._handle(record)
            self.records += len(records)
            self.last = (place.topic, place.partition, records[-1].offset)
            FEED_RECORDS.labels(place.topic).inc(len(records))
            FEED_LAG.set(time.time() - records[-1].timestamp / 1000)
        # Tansu answers a position beyond the end with silence.
        return not any(
            end is not None and end < self._positions[place] and place not in batches
            for place in consumer.assignment()
            for end in [consumer.highwater(place)]
        )

    async def _handle(self, record: ConsumerRecord) -> None:
        """Take a record: once its schema is known nothing is awaited to the end."""
        kept = Kept(record.topic, record)
        if record.topic == SPREADS.name:
            await self._spread(kept)
            self._moved(TopicPartition(record.topic, record.partition), record.offset + 1)
            return
        key = (record.key or b"").decode(errors="replace")
        wanted = record.topic == GAPS.name or self.hub.wants(record.topic[6:], key)
        if wanted:  # decoding is what costs
            await self.decode(kept)
        self._moved(TopicPartition(record.topic, record.partition), record.offset + 1)
        self.tail.append(kept)
        if kept.event is not None:
            self.hub.publish(kept.event, self.cursor())

    async def _spread(self, kept: Kept) -> None:
        try:
            schema = await self._schema(schema_id_of(kept.record.value))
            record = decode("spread", kept.record.value[HEADER_SIZE:], schema)
        except Poison as poison:
            self.rejected += 1
            FEED_REJECTED.labels(poison.reason).inc()
            return
        assert isinstance(record, Spread)
        self.spreads.publish(record)

    def cursor(self) -> str | None:
        """Return the cursor of where the feed stands; None if it never followed."""
        return self.position.cursor() if self.position.topics else None

    async def decode(self, kept: Kept) -> None:
        """Make what a record says known. Raises Transient if its schema can't be asked for."""
        if kept.decoded:
            return
        try:
            kept.event = self._event(kept, await self._schema(schema_id_of(kept.record.value)))
        except Poison as poison:
            self.rejected += 1
            FEED_REJECTED.labels(poison.reason).inc()
        kept.decoded = True

    async def _schema(self, schema_id: int) -> Any:
        """Return the schema of an id. Raises Poison, Transient."""
        if schema_id not in self._schemas:
            if len(self._schemas) >= MOST_SCHEMAS:
                self._schemas.clear()
            try:
                found = await asyncio.to_thread(self._registry.schema, schema_id)
            except Poison as poison:
                found = poison
            self._schemas[schema_id] = found
        found = self._schemas[schema_id]
        if isinstance(found, Poison):
            raise found
        return found

    def _event(self, kept: Kept, schema: Any) -> Event | None:
        record = kept.record
        decoded = decode(TOPICS[kept.topic].schema, record.value[HEADER_SIZE:], schema)
        if not isinstance(decoded, Tick | Gap):
            return None
        return events.of_record(decoded, record.partition, record.offset, _append_ts(record))


def _places(consumer: AIOKafkaConsumer, topics: frozenset[str]) -> set[TopicPartition]:
    """Return every partition of the topics that the consumer knows."""
    return {
        TopicPartition(topic, partition)
        for topic in topics
        for partition in consumer.partitions_for_topic(topic) or ()
    }


def _append_ts(record: ConsumerRecord) -> str:
    """Return the record's Kafka time. Raises Poison if it is none: producers may send any number,
    such as nanoseconds."""
    try:
        return isoformat(record.timestamp * 1000)
    except (ValueError, OverflowError, OSError) as error:
        raise Poison("value", "the record's Kafka time is out of range") from error
