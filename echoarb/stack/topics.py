"""Topics on any broker: create what schemas/topics.py names, read their ids and their ends."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from echoarb.stack.readiness import SILENT
from schemas.errors import ConfigurationError, Fatal, Transient
from schemas.settings import KafkaSettings
from schemas.topics import TOPICS, Topic

TIMEOUT_SECONDS = 15
_NO_LEADER_YET = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
)
BROKER_DEFAULT = -1
"""Replication factor that leaves the number of copies to the broker."""


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as the broker has it; ``topic_id`` is anew each time a topic is created."""

    name: str
    topic_id: UUID
    partitions: int


def create(
    settings: KafkaSettings,
    topics: Iterable[Topic] = tuple(TOPICS.values()),
    replication_factor: int = BROKER_DEFAULT,
) -> list[str]:
    """Create the topics that are missing and return their names.

    Raises ConfigurationError if one is there with another number of partitions (keys would land
    elsewhere), Transient if the broker can't be reached, Fatal if it refuses.
    """
    wanted = {topic.name: topic for topic in topics}
    admin = AdminClient(settings.librdkafka(), logger=SILENT)
    new = [
        NewTopic(topic.name, topic.partitions, replication_factor, config=topic.config())
        for topic in wanted.values()
    ]
    created = []
    for name, future in admin.create_topics(new, request_timeout=TIMEOUT_SECONDS).items():
        try:
            future.result()
            created.append(name)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise _error(error, f"topic {name} can't be created", settings) from error
    for name, state in _all_known(settings, wanted).items():
        if state.partitions != wanted[name].partitions:
            raise ConfigurationError(
                f"topic {name} has {state.partitions} partitions at {settings.kafka_bootstrap}, "
                f"it should have {wanted[name].partitions}: delete it or use another broker"
            )
    return created


def _all_known(settings: KafkaSettings, names: Iterable[str]) -> dict[str, TopicState]:
    """Describe topics that were just created: a KRaft broker hears of them a moment later."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    wanted = set(names)
    while True:
        states = describe(settings, wanted)
        if states.keys() == wanted:
            return states
        if time.monotonic() > deadline:
            missing = ", ".join(sorted(wanted - states.keys()))
            raise Transient(f"{settings.kafka_bootstrap} doesn't know {missing} after creating it")
        time.sleep(0.05)


def describe(
    settings: KafkaSettings, names: Iterable[str] = tuple(TOPICS)
) -> dict[str, TopicState]:
    """Return the state of those topics that exist, by name. Raises Transient, Fatal."""
    admin = AdminClient(settings.librdkafka(), logger=SILENT)
    states = {}
    asked = TopicCollection(list(names))
    for name, future in admin.describe_topics(asked, request_timeout=TIMEOUT_SECONDS).items():
        try:
            found = future.result()
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                continue
            raise _error(error, f"topic {name} can't be described", settings) from error
        states[name] = TopicState(name, _uuid(found.topic_id), len(found.partitions))
    return states


def ends(
    settings: KafkaSettings, topics: Mapping[str, int], timeout_seconds: float = TIMEOUT_SECONDS
) -> dict[tuple[str, int], int]:
    """Return each partition's end (the next offset to be written), for partitions by topic.

    Found by reading on from what the broker calls the latest offset to the high watermark of its
    fetch answers: Tansu's ListOffsets answers too low. Raises Transient if the broker can't be
    reached or doesn't get to an end in time.
    """
    consumer = Consumer(
        {
            **settings.librdkafka(),
            "group.id": "echoarb-ends",  # wanted by the library; nothing is committed
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
        },
        logger=SILENT,
    )
    try:
        starts = [
            TopicPartition(name, partition, _latest(consumer, name, partition, timeout_seconds))
            for name, count in topics.items()
            for partition in range(count)
        ]
        consumer.assign(starts)
        found: dict[tuple[str, int], int] = {}
        deadline = time.monotonic() + timeout_seconds
        while len(found) < len(starts):
            if time.monotonic() > deadline:
                raise Transient(f"{settings.kafka_bootstrap} doesn't come to its topics' ends")
            for message in consumer.consume(1000, 0.1):
                error = message.error()
                if error is None:
                    continue
                if error.code() != KafkaError._PARTITION_EOF:
                    raise Transient(f"{settings.kafka_bootstrap}: {error.str()}")
                key = (str(message.topic()), int(message.partition() or 0))
                found[key] = int(message.offset() or 0)
        return found
    except KafkaException as error:
        raise Transient(f"{settings.kafka_bootstrap}: {error.args[0].str()}") from error
    finally:
        consumer.close()


def _latest(consumer: Consumer, name: str, partition: int, timeout_seconds: float) -> int:
    """Ask for a partition's end, which a topic that was just created may not have yet."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            place = TopicPartition(name, partition)
            _, high = consumer.get_watermark_offsets(place, timeout_seconds)
            return int(high)
        except KafkaException as error:
            if error.args[0].code() not in _NO_LEADER_YET or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _uuid(kafka_id: Any) -> UUID:
    high = kafka_id.get_most_significant_bits() % (1 << 64)
    low = kafka_id.get_least_significant_bits() % (1 << 64)
    return UUID(int=high << 64 | low)


def _error(error: KafkaException, what: str, settings: KafkaSettings) -> Transient | Fatal:
    reason = error.args[0]
    message = f"{what} at {settings.kafka_bootstrap}: {reason.str()}"
    return Transient(message) if reason.retriable() or reason.code() < 0 else Fatal(message)
