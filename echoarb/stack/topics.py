"""Topics on any broker: create what schemas/topics.py names, read their ids, delete strays."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from echoarb.stack.readiness import SILENT
from schemas.errors import ConfigurationError, Fatal, Transient
from schemas.settings import KafkaSettings
from schemas.topics import TOPICS, Topic

TIMEOUT_SECONDS = 15
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


def drop_strays(settings: KafkaSettings, known: Mapping[str, UUID]) -> list[str]:
    """Delete topics that the broker made by its own defaults, and return their names.

    A broker that lost its topics while clients ran makes one anew for whoever asks for it first,
    if it is set to (Tansu always is): with another number of partitions than ``create`` gives it.
    A topic whose id is ``known`` is never deleted. Raises Transient, Fatal.
    """
    strays = [
        name
        for name, state in describe(settings).items()
        if state.partitions != TOPICS[name].partitions and state.topic_id != known.get(name)
    ]
    if strays:
        admin = AdminClient(settings.librdkafka(), logger=SILENT)
        for name, future in admin.delete_topics(strays, request_timeout=TIMEOUT_SECONDS).items():
            try:
                future.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise _error(error, f"topic {name} can't be deleted", settings) from error
    return strays


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


def _uuid(kafka_id: Any) -> UUID:
    high = kafka_id.get_most_significant_bits() % (1 << 64)
    low = kafka_id.get_least_significant_bits() % (1 << 64)
    return UUID(int=high << 64 | low)


def _error(error: KafkaException, what: str, settings: KafkaSettings) -> Transient | Fatal:
    reason = error.args[0]
    message = f"{what} at {settings.kafka_bootstrap}: {reason.str()}"
    return Transient(message) if reason.retriable() or reason.code() < 0 else Fatal(message)
