"""The ids of topics: the UUID that Kafka gives a topic each time it is created.

A topic that is deleted and made anew counts its offsets from 0 again; only the id tells.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from schemas.errors import Fatal, Transient

TIMEOUT_SECONDS = 10


def ask(
    admin: AdminClient, topics: Iterable[str], timeout_seconds: float = TIMEOUT_SECONDS
) -> dict[str, UUID | None]:
    """Return the id of each topic, None for one that isn't there. Blocks.

    Raises Transient if the broker can't be asked, Fatal if it gives a topic no id.
    """
    futures = admin.describe_topics(TopicCollection(list(topics)), request_timeout=timeout_seconds)
    return {topic: _answer(topic, future) for topic, future in futures.items()}


def _answer(topic: str, future: Any) -> UUID | None:
    try:
        found = future.result().topic_id
    except KafkaException as error:
        if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return None
        raise Transient(f"Kafka: {error.args[0].str()}") from error
    high, low = found.get_most_significant_bits(), found.get_least_significant_bits()
    answer = UUID(int=((high & (1 << 64) - 1) << 64) | (low & (1 << 64) - 1))
    if answer.int == 0:
        raise Fatal(f"the broker gives topic {topic} no id; Kafka has them since 2.8")
    return answer
