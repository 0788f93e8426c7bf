"""Where the partitions of topics end, on any broker."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from schemas.errors import Transient
from schemas.settings import KafkaSettings

TIMEOUT_SECONDS = 15
_NO_LEADER_YET = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
)
_QUIET = logging.getLogger("echoarb.librdkafka")


def ends(
    settings: KafkaSettings, topics: Mapping[str, int], timeout_seconds: float = TIMEOUT_SECONDS
) -> dict[tuple[str, int], int]:
    """Return each partition's end (the next offset to be written), for partitions by topic.

    Found by reading on from what the broker calls the latest offset to the high watermark of its
    fetch answers: Tansu's ListOffsets answers too low. Blocks. Raises Transient if the broker can't
    be reached or doesn't get to an end in time.
    """
    consumer = Consumer(
        {
            **settings.librdkafka(),
            "group.id": "echoarb-ends",  # wanted by the library; nothing is committed
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": 10,  # at the end nothing comes: be told so at once
        },
        logger=_QUIET,
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
