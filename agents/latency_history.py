"""What the topic latency says of parts: the ledger's memory after a restart or a rebalance.

The topic is read backwards, in growing steps, until it is older than what is wanted; a further
partition that is taken up soon after needs only what came since. Ends are high watermarks, since
Tansu's ListOffsets answers too low (schemas/ends.py).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from statistics import median_low

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from agents.latency_slots import DISORDER_US, MINUTE_US
from agents.spread_metrics import UNUSABLE
from agents.timestamps import SchemaOf
from schemas.codec import decode_framed
from schemas.ends import ends
from schemas.errors import Poison, Transient
from schemas.latency import Latency
from schemas.settings import KafkaSettings
from schemas.topics import LATENCY

FIRST_RECORDS = 5_000
"""Records of a partition that are read at first; four times as many after each further step."""
MOST_RECORDS = 1_280_000
"""What lies before these is not read: ticks of such minutes don't count."""
FRONT_RECORDS = 100
"""So many of the first records tell when they were published: one time alone may be anything."""
READ_SECONDS = 30
STALE_SECONDS = 600
"""After this long it is shorter to read backwards again than to read on."""
MARGIN_US = 2 * DISORDER_US + MINUTE_US
"""How long before a minute's last publication its ticks' own clocks may be: two clocks differ."""
_QUIET = logging.getLogger("echoarb.librdkafka")

Slot = tuple[int, str]


class LatencyHistory:
    """Reads the topic when it is asked. Its calls block; not for several threads at once."""

    def __init__(
        self,
        settings: KafkaSettings,
        schema_of: SchemaOf,
        first_records: int = FIRST_RECORDS,
        most_records: int = MOST_RECORDS,
    ) -> None:
        self._settings = settings
        self._schema_of = schema_of
        self._first_records, self._most_records = first_records, most_records
        self._newest: dict[str, dict[Slot, Latency]] = {}
        self._next: dict[int, int] = {}
        """Where to read on, by partition; empty before the first reading."""
        self._begin_us = 0
        self._read_at = 0.0

    def of(self, part: str, since_us: int) -> tuple[Collection[Latency], int]:
        """Return the newest record of each minute and stage of a part, and from when on they are
        complete, UTC microseconds: not later than ``since_us`` if the topic holds enough.

        Raises Transient if Kafka or the registry can't be reached.
        """
        stale = time.monotonic() - self._read_at > STALE_SECONDS
        found = ends(self._settings, {LATENCY.name: LATENCY.partitions})
        to = {partition: end for (_, partition), end in found.items()}
        anew = any(to[partition] < offset for partition, offset in self._next.items())
        if not self._next or stale or anew or since_us < self._begin_us:
            self._read_backwards(to, since_us)
        else:
            for message in self._read(self._next, to):
                self._take(message)
        self._next, self._read_at = to, time.monotonic()
        return self._newest.get(part, {}).values(), self._begin_us

    def _read_backwards(self, to: Mapping[int, int], since_us: int) -> None:
        """Read as much of each partition's end as reaches back far enough."""
        self._newest.clear()
        self._next = {}  # if this is interrupted, the next call begins anew
        begins = [self._read_end(partition, end, since_us) for partition, end in to.items()]
        self._begin_us = max(begins, default=0)

    def _read_end(self, partition: int, end: int, since_us: int) -> int:
        """Read a partition's end, the last piece first; return from when on that is all there is,
        UTC microseconds."""
        wanted = self._first_records
        before = end
        while True:
            begin = max(0, end - wanted)
            messages = self._read({partition: begin}, {partition: before})
            front = list(islice(messages, FRONT_RECORDS))
            for message in front:
                self._take(message)
            for message in messages:
                self._take(message)
            if begin == 0 or not front:  # retention removed what was before
                return 0
            reached = median_low(message.timestamp()[1] * 1000 for message in front)
            if reached <= since_us - MARGIN_US or wanted >= self._most_records:
                return reached + MARGIN_US
            wanted, before = wanted * 4, begin

    def _read(self, begin: Mapping[int, int], to: Mapping[int, int]) -> Iterator[Message]:
        """Give the messages of partitions from offsets up to, not including, others."""
        left = {partition: end for partition, end in to.items() if begin.get(partition, 0) < end}
        if not left:
            return
        consumer = Consumer(
            {
                **self._settings.librdkafka(),
                "group.id": "echoarb-latency-history",  # wanted by the library, not used
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",  # what retention removed meanwhile
            },
            logger=_QUIET,
        )
        deadline = time.monotonic() + READ_SECONDS
        try:
            consumer.assign(
                [TopicPartition(LATENCY.name, partition, begin[partition]) for partition in left]
            )
            while left:
                messages = consumer.consume(10_000, 0.2)
                if not messages and time.monotonic() > deadline:
                    raise Transient(f"{self._settings.kafka_bootstrap} is slow with {LATENCY.name}")
                deadline = time.monotonic() + READ_SECONDS if messages else deadline
                for message in messages:
                    partition, offset = int(message.partition() or 0), int(message.offset() or 0)
                    error = message.error()
                    if error is not None and error.code() != KafkaError._PARTITION_EOF:
                        raise Transient(f"{self._settings.kafka_bootstrap}: {error.str()}")
                    reached = offset + (error is None)
                    if error is None and offset < to[partition]:
                        yield message
                    if reached >= left.get(partition, reached + 1):
                        del left[partition]
        except KafkaException as error:
            raise Transient(f"{self._settings.kafka_bootstrap}: {error.args[0].str()}") from error
        finally:
            consumer.close()

    def _take(self, message: Message) -> None:
        try:
            record = decode_framed("latency", message.value() or b"", self._schema_of)
        except Poison as error:
            UNUSABLE.labels("latency-history", error.reason).inc()
            return
        assert isinstance(record, Latency)
        slots = self._newest.setdefault(record.part, {})
        known = slots.get((record.slot_ts, record.stage))
        if known is None or known.version < record.version:
            slots[record.slot_ts, record.stage] = record
