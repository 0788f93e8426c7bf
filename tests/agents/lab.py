"""What the sink's tests share: ticks onto a topic, the sink as a process, rows counted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import clickhouse_connect
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.clock import now_us
from schemas.codec import encode
from schemas.framing import frame
from schemas.identity import event_id
from schemas.registry import Registry
from schemas.settings import RegistrySettings
from schemas.tick import Tick
from schemas.topics import TOPICS

TICKS = "ticks.kalshi"


def tick(number: int, *, platform: str = "kalshi") -> Tick:
    """Return the tick of that number: everything in it follows from the number, but the times."""
    now = now_us()
    market = f"MARKET-{number % 97}"
    return Tick(
        ingest_ts=now - 1500,
        emit_ts=now,
        source_ts=now - 20_000 if number % 5 else None,
        platform=platform,
        market_id=market,
        outcome_id=market,
        outcome="yes",
        kind="quote",
        price=None,
        size=None,
        bid=Decimal(number % 99) / 100,
        bid_size=Decimal(number),
        ask=Decimal("0.99"),
        ask_size=Decimal("12.5"),
        side=None,
        volume=None,
        open_interest=None,
        sequence=number,
        tick_id=event_id("lab", platform, number),
    )


@dataclass
class Lab:
    """One test's services: topics made anew, a group and a database of its own."""

    kafka: str
    registry: str
    clickhouse: str
    database: str
    log: Path
    group: str = field(default_factory=lambda: f"sink-{uuid.uuid4().hex[:8]}")
    sinks: list[subprocess.Popen[bytes]] = field(default_factory=list)
    produced: int = 0

    def __post_init__(self) -> None:
        self.admin = AdminClient({"bootstrap.servers": self.kafka})
        self.make_topics()
        registry = Registry(RegistrySettings.load(registry_url=self.registry))
        self.schema_id = registry.id_of(TOPICS[TICKS])
        registry.close()
        self.producer = Producer(
            {
                "bootstrap.servers": self.kafka,
                "enable.idempotence": True,
                "compression.type": "lz4",
                "linger.ms": 5,
                "queue.buffering.max.messages": 1_000_000,
            }
        )
        self.client = clickhouse_connect.get_client(
            dsn=self.clickhouse, database=self.database, autogenerate_session_id=False
        )

    def make_topics(self, names: Sequence[str] = tuple(TOPICS)) -> None:
        """Delete the topics and make them anew."""
        for future in self.admin.delete_topics(list(names)).values():
            wait_quietly(future)
        wanted = [NewTopic(name, TOPICS[name].partitions, 1) for name in names]

        def created() -> bool:
            futures = self.admin.create_topics(wanted).values()
            return all(
                wait_quietly(future) or "ALREADY" in str(future.exception()) for future in futures
            )

        until(created, 30)

    def send(
        self, value: bytes | None, *, topic: str = TICKS, key: bytes = b"k", **more: Any
    ) -> None:
        """Put one value on a topic."""
        self.producer.produce(topic, value, key=key, **more)

    def produce(self, count: int, *, rate: float = 0, partitions: int = 6) -> None:
        """Put ``count`` ticks on the ticks topic, at most ``rate`` a second if given."""
        begin = time.monotonic()
        for done in range(count):
            number = self.produced
            self.produced += 1
            value = frame(self.schema_id, encode(tick(number)))
            self.producer.produce(TICKS, value, key=b"m", partition=number % partitions)
            if done % 500 == 0:
                self.producer.poll(0)
                if rate:
                    time.sleep(max(0.0, begin + done / rate - time.monotonic()))
        assert self.producer.flush(60) == 0

    def start(self, worker: str = "sink", **environment: str) -> subprocess.Popen[bytes]:
        """Start a process of a worker."""
        settings = {
            "ECHOARB_KAFKA_BOOTSTRAP": self.kafka,
            "ECHOARB_REGISTRY_URL": self.registry,
            "ECHOARB_CLICKHOUSE_URL": self.clickhouse,
            "ECHOARB_CLICKHOUSE_DATABASE": self.database,
            "ECHOARB_SINK_GROUP": self.group,
            "ECHOARB_SINK_SESSION_SECONDS": "2",
            "ECHOARB_ANALYTICS_GROUP": f"{self.group}-analytics",
            "ECHOARB_ANALYTICS_SESSION_SECONDS": "2",
            "ECHOARB_ALERT_GROUP": f"{self.group}-alerts",
            "ECHOARB_METRICS_PORT": "0",
            **environment,
        }
        root = Path(__file__).resolve().parents[2]
        with self.log.open("ab") as log:
            sink = subprocess.Popen(
                [sys.executable, "-m", "agents", worker],
                env={**os.environ, **settings, "PYTHONPATH": str(root)},
                cwd=self.log.parent,
                stdout=log,
                stderr=log,
            )
        self.sinks.append(sink)
        return sink

    def ready(self, sinks: int, seconds: float = 60) -> None:
        """Wait until that many sinks in all have said that they have partitions."""
        try:
            until(
                lambda: self.log.exists() and self.log.read_text().count('"working"') >= sinks,
                seconds,
            )
        except TimeoutError as error:
            raise AssertionError(self.log.read_text()[-3000:]) from error

    def rows(self, table: str = "ticks") -> int:
        """Return how many distinct Kafka records the table holds, after FINAL."""
        return int(self.one(f"SELECT count() FROM {table} FINAL"))  # noqa: S608

    def one(self, query: str) -> Any:
        """Return the query's first value."""
        return self.client.query(query).result_rows[0][0]

    def wait_for_rows(self, count: int, table: str = "ticks", seconds: float = 60) -> None:
        """Wait until the table holds ``count`` rows; say the log's end if it does not."""
        try:
            until(lambda: self.rows(table) >= count, seconds)
        except TimeoutError as error:
            tail = self.log.read_text()[-3000:] if self.log.exists() else ""
            places = self.client.query(
                "SELECT kafka_partition, count(), uniqExact(kafka_offset), min(kafka_offset), "  # noqa: S608
                f"max(kafka_offset), max(stored_ts), now() FROM {table} GROUP BY 1 ORDER BY 1"
            ).result_rows
            alive = [sink.poll() for sink in self.sinks]
            raise AssertionError(
                f"{self.rows(table)} of {count} rows in {table}; {places}; {alive}; {tail}"
            ) from error

    def exactly_once(self) -> None:
        """Assert that each tick produced is stored, and none twice."""
        found = self.client.query(
            "SELECT count(), uniqExact(topic_id, kafka_partition, kafka_offset), "
            "uniqExact(tick_id), min(sequence), max(sequence) FROM ticks FINAL"
        ).result_rows[0]
        assert found == (self.produced, self.produced, self.produced, 0, self.produced - 1)

    def close(self) -> None:
        """End what was started."""
        for sink in self.sinks:
            if sink.poll() is None:
                sink.kill()
            sink.wait()
        self.client.close()


def wait_quietly(future: Any) -> bool:
    """Wait for a confluent-kafka future; return whether it succeeded."""
    try:
        future.result()
    except Exception:
        return False
    return True


def until(done: Callable[[], Any], seconds: float = 60) -> None:
    """Wait until ``done()`` is true. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.05)


def end(sink: subprocess.Popen[bytes], number: int = signal.SIGTERM, seconds: float = 60) -> int:
    """Send the signal to a sink that runs and return the exit code."""
    until(lambda: sink.poll() is not None or _handles(sink.pid, number), seconds)
    assert sink.poll() is None
    sink.send_signal(number)
    return sink.wait(seconds)


def _handles(pid: int, number: int) -> bool:
    """Return whether a process has a handler for a signal: one that has just begun has none yet."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True  # no Linux, or gone
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def in_background(work: Callable[[], None]) -> threading.Thread:
    """Run ``work`` in a thread."""
    thread = threading.Thread(target=work)
    thread.start()
    return thread
