"""Publishing what the analytics' steps give, and returning when Kafka has it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from aiokafka.partitioner import murmur2
from confluent_kafka import KafkaException, Producer

from agents.analytics_metrics import PUBLISHED, REFUSED
from agents.processor import Outgoing
from schemas.codec import encode
from schemas.errors import Poison, Transient
from schemas.framing import frame
from schemas.logs import get_logger
from schemas.registry import Registry
from schemas.settings import KafkaSettings
from schemas.topics import TOPICS

FLUSH_SECONDS = 20
_QUIET = logging.getLogger("echoarb.librdkafka")
log = get_logger("echoarb.analytics")


def partition_of(item: Outgoing) -> int:
    """Return the partition that ``partition_key`` chooses, -1 to leave it to the record's key."""
    if item.partition_key is None:
        return -1
    number = murmur2(item.partition_key.encode()) & 0x7FFFFFFF  # as for record keys
    return int(number % TOPICS[item.topic].partitions)


class Outbox:
    """An idempotent producer of framed records. Its calls block: use it from a thread."""

    def __init__(self, settings: KafkaSettings, registry: Registry) -> None:
        self._registry = registry
        self._producer = Producer(
            {
                **settings.librdkafka(),
                "enable.idempotence": True,
                "acks": "all",
                "compression.type": "gzip",  # docs/decisions/0004
                "message.timeout.ms": 15_000,
                "linger.ms": 5,
                # As the connectors': all records of a key have to be in one partition.
                "partitioner": "murmur2_random",
            },
            logger=_QUIET,
        )

    def publish(self, items: Sequence[Outgoing]) -> None:
        """Return when Kafka has all of them; what can't be encoded is counted and left out.

        Raises Transient if it hasn't: some may be published then, and will be again.
        """
        failed: list[str] = []

        def delivered(error: object, _message: object) -> None:
            if error is not None:
                failed.append(str(error))

        for item in items:
            schema_id = self._registry.id_of(TOPICS[item.topic])
            try:
                value = frame(schema_id, encode(item.record))
            except Poison as error:
                REFUSED.labels(item.topic, error.reason).inc()
                log.error("not encodable", topic=item.topic, key=item.key, detail=error.detail)
                continue
            self._produce(item, value, delivered, failed)
        if self._producer.flush(FLUSH_SECONDS):
            failed.append("no answer in time")
        if failed:
            raise Transient(f"Kafka did not take {len(failed)} records: {failed[0]}")
        for item in items:
            PUBLISHED.labels(item.topic).inc()

    def _produce(self, item: Outgoing, value: bytes, delivered: object, failed: list[str]) -> None:
        while True:
            try:
                self._producer.produce(
                    item.topic,
                    value,
                    item.key,
                    partition=partition_of(item),
                    on_delivery=delivered,  # type: ignore[arg-type]
                )
                return
            except BufferError:  # the queue is full: let some of it go
                self._producer.poll(0.1)
            except KafkaException as error:
                failed.append(str(error))
                return
