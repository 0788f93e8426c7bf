"""Reading all that alerting reads, every partition of it, without a group.

The topic alerts is read to its end before the others: what is open has to be known before anything
is judged. alerts and gaps are read whole, for an alert or a gap may have been open for long; of
spreads and latency only the last records count. Ends are high watermarks of fetch answers, for the
Tansu broker's ListOffsets answers too low.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.alerting import Alerting
from agents.transport import Batch
from schemas.errors import Transient
from schemas.settings import KafkaSettings
from schemas.topics import ALERTS, LATENCY, SPREADS

ANSWER_SECONDS = 15.0
POLL_MS = 200
MAX_RECORDS = 2000
TAIL = {SPREADS.name: 5_000, LATENCY.name: 10_000}
"""Records of a partition that are read again at the start: some ten minutes of latency."""


def kafka_options(settings: KafkaSettings) -> dict[str, Any]:
    """Return aiokafka's options for reaching the broker."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap,
        "security_protocol": settings.kafka_security,
        "request_timeout_ms": int(ANSWER_SECONDS * 1000),
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
    }
    if settings.kafka_security.startswith("SASL"):
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_username
        options["sasl_plain_password"] = settings.kafka_password.get_secret_value()
    if (context := settings.ssl_context()) is not None:
        options["ssl_context"] = context
    return options


class Follower:
    """One reading of the topics, from the start on. Make another after an error."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._consumer = AIOKafkaConsumer(group_id=None, **kafka_options(settings))
        self._others: list[TopicPartition] = []
        self.caught_up = False
        """Whether everything was read to its end once."""

    async def start(self) -> None:
        """Assign every partition. Raises Transient if there is no such topic yet, KafkaError."""
        consumer = self._consumer
        async with asyncio.timeout(ANSWER_SECONDS):
            await consumer.start()
            missing = sorted(set(Alerting.topics) - await consumer.topics())
        if missing:
            raise Transient(f"no topic {', '.join(missing)}")
        # A consumer learns how many partitions a topic has only once it is assigned one of them.
        consumer.assign([TopicPartition(topic, 0) for topic in Alerting.topics])
        async with asyncio.timeout(ANSWER_SECONDS):
            await consumer.seek_to_end()
        places = [
            TopicPartition(topic, partition)
            for topic in Alerting.topics
            for partition in sorted(consumer.partitions_for_topic(topic) or ())
        ]
        consumer.assign(places)
        async with asyncio.timeout(ANSWER_SECONDS):
            await consumer.seek_to_end()
            while any(consumer.highwater(place) is None for place in places):
                await consumer.getmany(timeout_ms=POLL_MS)
        for place in places:
            tail = TAIL.get(place.topic)
            begin = 0 if tail is None else max(0, consumer.highwater(place) - tail)
            consumer.seek(place, begin)
        self._others = [place for place in places if place.topic != ALERTS.name]
        consumer.pause(*self._others)

    async def stop(self) -> None:
        """Close the connections."""
        await self._consumer.stop()

    async def read(self) -> list[Batch]:
        """Return what came, those of the topic alerts first; possibly nothing.

        Raises Transient if a partition ends before what was read of it: the topic was made anew.
        """
        consumer = self._consumer
        found = await consumer.getmany(timeout_ms=POLL_MS, max_records=MAX_RECORDS)
        places = consumer.assignment()
        behind = False
        for place in places:
            end, position = consumer.highwater(place), await consumer.position(place)
            if end is not None and end < position and place not in found:
                raise Transient(f"topic {place.topic} was made anew")
            behind = behind or (place.topic == ALERTS.name and (end is None or position < end))
        if self._others and not behind:
            consumer.resume(*self._others)
            self._others = []
        elif not self._others:
            self.caught_up = self.caught_up or await self._at_end()
        batches = [Batch(place.topic, place.partition, batch) for place, batch in found.items()]
        return sorted(batches, key=lambda batch: batch.topic != ALERTS.name)

    async def has_read(self, ends: dict[tuple[str, int], int]) -> bool:
        """Return whether these ends were reached."""
        for (topic, partition), end in ends.items():
            if await self._consumer.position(TopicPartition(topic, partition)) < end:
                return False
        return True

    async def _at_end(self) -> bool:
        for place in self._consumer.assignment():
            if await self._consumer.position(place) < self._consumer.highwater(place):
                return False
        return True
