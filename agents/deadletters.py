"""Dead letters: records that can't be used, published with all that is needed to find them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from confluent_kafka import KafkaException, Producer

from agents import metrics
from agents.records import Rejected
from schemas.clock import now_us
from schemas.codec import encode
from schemas.deadletter import DeadLetter
from schemas.errors import Fatal, Transient
from schemas.framing import frame
from schemas.logs import get_logger
from schemas.registry import Registry
from schemas.settings import KafkaSettings
from schemas.topics import DEADLETTERS

VALUE_LIMIT = 900_000
"""Longest value that is kept, below the 1 MB that brokers take by default."""
WORKER = "sink"
_QUIET = logging.getLogger("echoarb.librdkafka")
log = get_logger("echoarb.sink")


def letter(rejected: Rejected, failed_ts: int) -> DeadLetter:
    """Return the dead letter of a record. A value over VALUE_LIMIT is left out, its size said."""
    run, record = rejected.run, rejected.record
    made = DeadLetter(
        failed_ts=failed_ts,
        topic=run.topic,
        topic_id=run.topic_id,
        partition=run.partition,
        offset=record.offset,
        append_ts=record.timestamp * 1000 if record.timestamp >= 0 else None,
        reason=rejected.reason,
        detail=rejected.detail,
        worker=WORKER,
        key=record.key,
        value=record.value,
    )
    size = len(record.key or b"") + len(record.value or b"")
    if size > VALUE_LIMIT:
        detail = f"{made.detail}; {size} bytes, left out here"
        made = replace(made, key=None, value=None, detail=detail)
    return made


def producer(settings: KafkaSettings) -> Producer:
    """Return a producer that does not lose, double or reorder what it is given."""
    return Producer(
        {
            **settings.librdkafka(),
            "enable.idempotence": True,
            "acks": "all",
            "compression.type": "lz4",
            "message.timeout.ms": 15_000,
            "linger.ms": 5,
        },
        logger=_QUIET,
    )


class DeadLetters:
    """Publishes dead letters, and ends the process when there is nothing but them."""

    def __init__(self, publisher: Producer, registry: Registry, limit: int) -> None:
        self._producer = publisher
        self._registry = registry
        self._limit = limit
        self._in_a_row = 0

    def good(self) -> None:
        """Say that a record could be used."""
        self._in_a_row = 0

    async def bury(self, rejected: Sequence[Rejected]) -> None:
        """Publish the records and return when the broker has them all.

        Raises Transient if it hasn't (some may be published then, and will be again), Fatal when
        ``limit`` records in a row could not be used.
        """
        if not rejected:
            return
        failed = await asyncio.to_thread(self._publish, rejected)
        if failed:
            raise Transient(f"Kafka did not take {len(failed)} dead letters: {failed[0]}")
        for item in rejected:
            metrics.DEAD_LETTERS.labels(item.reason).inc()
        first = rejected[0]
        log.warning(
            "dead letters",
            count=len(rejected),
            reason=first.reason,
            detail=first.detail,
            topic=first.run.topic,
            partition=first.run.partition,
            offset=first.record.offset,
        )
        self._in_a_row += len(rejected)
        if self._in_a_row >= self._limit:
            raise Fatal(
                f"{self._in_a_row} records in a row could not be used, the last one: "
                f"{rejected[-1].reason}: {rejected[-1].detail}; see topic {DEADLETTERS.name}"
            )

    def _publish(self, rejected: Sequence[Rejected]) -> list[str]:
        schema_id = self._registry.id_of(DEADLETTERS)
        failed: list[str] = []

        def delivered(error: Any, _message: Any) -> None:
            if error is not None:
                failed.append(error.str())

        failed_ts = now_us()
        for item in rejected:
            value = frame(schema_id, encode(letter(item, failed_ts)))
            try:
                self._producer.produce(
                    DEADLETTERS.name, value, key=item.run.topic.encode(), on_delivery=delivered
                )
            except (BufferError, KafkaException) as error:
                failed.append(str(error))
                break
        if self._producer.flush(20):
            failed.append("no answer in time")
        return failed
