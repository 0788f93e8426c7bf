"""Records that the API itself puts on topics: few, made on request, sure to be there or refused."""

from __future__ import annotations

import asyncio
import logging
import threading

from confluent_kafka import KafkaException, Producer

from api.settings import ApiSettings
from schemas.codec import Record, encode
from schemas.errors import Transient
from schemas.framing import frame
from schemas.registry import Registry
from schemas.topics import Topic

ANSWER_SECONDS = 5.0
_QUIET = logging.getLogger("echoarb.librdkafka")


class Publisher:
    """An idempotent producer that is made when it is first needed."""

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings
        self._made = threading.Lock()
        self._producer: Producer | None = None
        self._registry: Registry | None = None

    async def publish(self, topic: Topic, key: str, record: Record) -> None:
        """Return when the broker has the record.

        Raises Transient if it, or the registry, can't be reached in time; Poison("value") if the
        record does not fit its schema.
        """
        await asyncio.to_thread(self._publish, topic, key, record)

    async def close(self) -> None:
        """Close the connections."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await asyncio.to_thread(producer.flush, ANSWER_SECONDS)
        if self._registry is not None:
            self._registry.close()
            self._registry = None

    def _publish(self, topic: Topic, key: str, record: Record) -> None:
        datum = encode(record)
        producer, registry = self._parts()
        value = frame(registry.id_of(topic), datum)
        outcome: list[str | None] = []

        def delivered(error: object, _message: object) -> None:
            outcome.append(None if error is None else str(error))

        try:
            producer.produce(topic.name, value, key, on_delivery=delivered)
        except (BufferError, KafkaException) as error:
            raise Transient("Kafka can't take a record now") from error
        producer.flush(ANSWER_SECONDS + 1)
        if outcome != [None]:
            raise Transient("Kafka can't be reached")

    def _parts(self) -> tuple[Producer, Registry]:
        with self._made:
            if self._registry is None:
                self._registry = Registry(self._settings)
            if self._producer is None:
                self._producer = Producer(
                    {
                        **self._settings.librdkafka(),
                        "client.id": "echoarb-api",
                        "enable.idempotence": True,
                        "acks": "all",
                        "message.timeout.ms": int(ANSWER_SECONDS * 1000),
                        "linger.ms": 0,
                        # As the connectors': all records of a key have to be in one partition.
                        "partitioner": "murmur2_random",
                    },
                    logger=_QUIET,
                )
            return self._producer, self._registry
