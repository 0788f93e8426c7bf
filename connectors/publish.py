"""Records to Kafka: a bounded queue, an idempotent producer, every drop counted.

The bounded queue is librdkafka's own. When it is full (a broker that is slow or away for long),
the policy is: of quotes only the newest per outcome is kept and sent when there is room, trades
and the older quotes are dropped and counted, and each market concerned gets an ``overflow`` Gap.
Gap, Market and Alert records are kept, newest per key, until there is room: they are few and say
what is wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from connectors import metrics
from connectors.events import Record
from connectors.gaps import make_gap
from connectors.settings import ConnectorSettings
from schemas.alert import Alert
from schemas.clock import Clock, now_us
from schemas.codec import encode
from schemas.errors import Fatal, Poison
from schemas.framing import frame
from schemas.gap import Gap
from schemas.logs import get_logger
from schemas.tick import Tick
from schemas.topics import ALERTS, GAPS, MARKETS, ticks_topic

log = get_logger(__name__)


def topic_of(record: Record) -> str:
    """Return the name of the topic that takes the record."""
    if isinstance(record, Tick):
        return ticks_topic(record.platform)
    if isinstance(record, Alert):
        return ALERTS.name
    return GAPS.name if isinstance(record, Gap) else MARKETS.name


def key_of(record: Record) -> str:
    """Return the record key, as topics.py words it."""
    if isinstance(record, Tick):
        return record.market_id
    if isinstance(record, Alert):
        return f"{record.rule}:{record.subject}"
    return f"{record.platform}:{record.market_id if record.market_id is not None else '*'}"


def producer_config(settings: ConnectorSettings) -> dict[str, Any]:
    """Return the configuration of the connector's producer."""
    return {
        **settings.librdkafka(),
        "client.id": "echoarb-connectors",
        "enable.idempotence": True,
        "acks": "all",
        "compression.type": settings.compression,
        "linger.ms": settings.linger_milliseconds,
        "queue.buffering.max.messages": settings.queue_records,
        "queue.buffering.max.kbytes": settings.queue_kilobytes,
        # What was queued is never given up: only the queue's bound drops, and that is counted.
        "message.timeout.ms": 0,
        # The Java clients' partitioner, so that others can compute a market's partition.
        "partitioner": "murmur2_random",
    }


class Publisher:
    """Hands records to the producer. One per process and venue; not thread-safe."""

    def __init__(
        self,
        platform: str,
        settings: ConnectorSettings,
        schema_ids: dict[str, int],
        clock: Clock = now_us,
    ) -> None:
        """``schema_ids``: topic name to registered schema id."""
        self._platform = platform
        self._settings = settings
        self._schema_ids = schema_ids
        self._clock = clock
        self._producer = Producer(producer_config(settings), logger=logging.getLogger("librdkafka"))
        self._held: dict[tuple[str, str], Record] = {}
        self._overflow: dict[str | None, Gap] = {}
        self._fatal: KafkaError | None = None
        self._queued = metrics.QUEUED.labels(platform)

    def publish(self, record: Record) -> None:
        """Queue the record, by the overflow policy if the queue is full. Never blocks.

        Raises Fatal if the producer can't go on (fenced, or a fatal protocol error).
        """
        if self._fatal is not None:
            raise Fatal(f"the producer can't go on: {self._fatal.str()}")
        if (self._held or self._overflow) and not self._release():
            self._hold(record)
        elif not self._produce(record):
            self._hold(record)

    async def room(self) -> None:
        """Wait while the queue is more than half full: for a replay, which can be slowed down."""
        while len(self._producer) > self._settings.queue_records // 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def run(self) -> None:
        """Serve delivery reports and send what was held back, until cancelled.

        Raises Fatal as ``publish`` does.
        """
        while True:
            self._producer.poll(0)
            self._queued.set(len(self._producer))
            if self._fatal is not None:
                raise Fatal(f"the producer can't go on: {self._fatal.str()}")
            self._release()
            await asyncio.sleep(0.05)

    def flush(self) -> int:
        """Wait until Kafka has taken everything, at most ``flush_seconds``; return what is left.

        What is left is counted as dropped.
        """
        deadline = time.monotonic() + self._settings.flush_seconds
        while True:
            self._release()
            left = int(self._producer.flush(0.1))
            waiting = left + len(self._held) + len(self._overflow)
            if not waiting or time.monotonic() > deadline:
                break
        left += len(self._held)
        if left:
            metrics.DROPPED.labels(self._platform, "stopped").inc(left)
            log.error("records lost at stop", platform=self._platform, records=left)
        return left

    def _produce(self, record: Record) -> bool:
        topic = topic_of(record)
        if isinstance(record, Tick):
            record = replace(record, emit_ts=self._clock())
        try:
            value = frame(self._schema_ids[topic], encode(record))
        except Poison as error:
            metrics.DROPPED.labels(self._platform, "not_encodable").inc()
            log.error("not encodable", platform=self._platform, detail=error.detail)
            return True
        try:
            self._producer.produce(topic, value, key_of(record), on_delivery=self._delivered)
        except BufferError:
            return False
        except KafkaException as error:
            if error.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                raise Fatal(f"{topic}: {error.args[0].str()}") from error
            metrics.DROPPED.labels(self._platform, "too_large").inc()
            log.error("larger than Kafka takes", platform=self._platform, bytes=len(value))
        return True

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            return
        metrics.DROPPED.labels(self._platform, "refused").inc()
        log.error("Kafka refused a record", topic=message.topic(), error=error.str())
        if error.fatal() or error.code() == KafkaError._FATAL:
            self._fatal = error

    def _hold(self, record: Record) -> None:
        """Apply the overflow policy to a record that found no room."""
        if isinstance(record, Tick):
            dropped = 1
            if record.kind == "quote":
                dropped = int((record.platform, record.outcome_id) in self._held)
                self._held[record.platform, record.outcome_id] = record
            if dropped:
                metrics.DROPPED.labels(self._platform, "overflow").inc()
            self._note_overflow(record, dropped)
        elif isinstance(record, Gap):
            self._held["gap", str(record.gap_id) + str(record.to_ts)] = record
        elif isinstance(record, Alert):
            self._held["alert", str(record.alert_id) + record.state] = record
        else:
            self._held["market", record.market_id] = record

    def _note_overflow(self, tick: Tick, dropped: int) -> None:
        known = self._overflow.get(tick.market_id)
        if known is None:
            log.warning("queue to Kafka is full", platform=self._platform)
            known = make_gap(
                self._platform, tick.market_id, "", "overflow", tick.ingest_ts, missed=0
            )
            metrics.GAPS.labels(self._platform, "overflow").inc()
        self._overflow[tick.market_id] = replace(known, missed=(known.missed or 0) + dropped)

    def _release(self) -> bool:
        """Send what was held back, newest state first gaps then the rest; True when all went."""
        for market_id, gap in [*self._overflow.items()]:
            if not self._produce(replace(gap, to_ts=self._clock())):
                return False
            del self._overflow[market_id]
        for key, record in [*self._held.items()]:
            if not self._produce(record):
                return False
            del self._held[key]
        return True


@contextlib.asynccontextmanager
async def publishing(publisher: Publisher) -> AsyncIterator[asyncio.Task[None]]:
    """Run the publisher's poller around a block, and flush after it."""
    poller = asyncio.create_task(publisher.run(), name="producer")
    try:
        yield poller
    finally:
        poller.cancel()
        with contextlib.suppress(asyncio.CancelledError, Fatal):
            await poller
        await asyncio.to_thread(publisher.flush)


def topics_of(platform: str) -> tuple[str, ...]:
    """Return the names of the topics that a connector of this platform writes."""
    return (ticks_topic(platform), GAPS.name, MARKETS.name, ALERTS.name)
