"""The topics as they are on the broker: how long, where they begin and end, who is how far."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from api.settings import ApiSettings
from schemas.ends import ends
from schemas.errors import Transient
from schemas.lag import Lags
from schemas.topics import TOPICS

KEPT_SECONDS = 5.0
"""How long an answer is given again: it takes the broker some dozens of requests."""
READ_SECONDS = 10
_QUIET = logging.getLogger("echoarb.librdkafka")
Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Entry:
    """A record's place and its Kafka time, UTC microseconds; None if it has none."""

    partition: int
    offset: int
    append_us: int | None


@dataclass(frozen=True, slots=True)
class Stream:
    """One topic: records on the broker, the oldest and the newest of them by Kafka time."""

    topic: str
    length: int
    first: Entry | None
    last: Entry | None


@dataclass(frozen=True, slots=True)
class Broker:
    """All topics, and how many records each consumer group is behind."""

    streams: tuple[Stream, ...]
    lags: dict[str, int]


class Streams:
    """Asks the broker, at most every few seconds."""

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings
        self._asking = asyncio.Lock()
        self._known: Broker | None = None
        self._known_at = 0.0

    async def look(self) -> Broker:
        """Return how the topics stand. Raises Transient."""
        async with self._asking:
            if self._known is None or time.monotonic() - self._known_at > KEPT_SECONDS:
                self._known = await asyncio.to_thread(self._look)
                self._known_at = time.monotonic()
            return self._known

    def _look(self) -> Broker:
        settings = self._settings
        groups = (settings.sink_group, settings.analytics_group)
        partitions = {name: topic.partitions for name, topic in TOPICS.items()}
        highs = ends(settings, partitions)
        consumer = Consumer(
            {
                **settings.librdkafka(),
                "group.id": "echoarb-api-stats",  # wanted by the library; nothing is committed
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
            },
            logger=_QUIET,
        )
        try:
            lows = {place: self._low(consumer, place) for place in highs}
            held = {place: end for place, end in highs.items() if end > lows[place]}
            oldest = _read(consumer, {place: lows[place] for place in held})
            newest = _read(consumer, {place: end - 1 for place, end in held.items()})
        except KafkaException as error:
            raise Transient(f"Kafka: {error.args[0].str()}") from error
        finally:
            consumer.close()
        lengths = {name: 0 for name in TOPICS}
        for place, end in highs.items():
            lengths[place[0]] += end - lows[place]
        streams = tuple(
            Stream(
                topic=name,
                length=lengths[name],
                first=min(_of(oldest, name), key=_time, default=None),
                last=max(_of(newest, name), key=_time, default=None),
            )
            for name in TOPICS
        )
        return Broker(streams, Lags(settings, groups).measure())

    def _low(self, consumer: Consumer, place: Place) -> int:
        low, _ = consumer.get_watermark_offsets(TopicPartition(*place), READ_SECONDS)
        return int(low)


def _read(consumer: Consumer, offsets: dict[Place, int]) -> dict[Place, Entry]:
    """Return the record at each place, as far as one comes in time."""
    consumer.assign([TopicPartition(*place, offset) for place, offset in offsets.items()])
    found: dict[Place, Entry] = {}
    deadline = time.monotonic() + READ_SECONDS
    while len(found) < len(offsets) and time.monotonic() < deadline:
        for message in consumer.consume(500, 0.1):
            if message.error() is None:
                place = (str(message.topic()), int(message.partition() or 0))
                found.setdefault(place, _entry(message))
    consumer.unassign()
    return found


def _entry(message: Message) -> Entry:
    at: Any = message.timestamp()[1]
    append_us = at * 1000 if 0 <= at < 2**52 else None
    return Entry(int(message.partition() or 0), int(message.offset() or 0), append_us)


def _of(entries: dict[Place, Entry], topic: str) -> list[Entry]:
    return [entry for (name, _), entry in entries.items() if name == topic]


def _time(entry: Entry) -> int:
    return entry.append_us or 0
