"""The sink against stock Faust and against its two limits, on one broker and one ClickHouse."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import clickhouse_connect
from confluent_kafka import Consumer, Producer

from agents.container import build, layout
from agents.records import Run
from agents.tables import TABLES
from agents.writer import Writer
from echoarb.stack import services, tansu, topics
from echoarb.stack.ports import free_port
from schemas.clock import now_us
from schemas.codec import encode, parsed_schema
from schemas.framing import frame
from schemas.identity import event_id
from schemas.migrate import RetentionSettings, migrate
from schemas.registry import Registry
from schemas.settings import ClickHouseSettings, KafkaSettings, RegistrySettings
from schemas.tick import Tick
from schemas.topics import TOPICS, ticks_topic

BATCH_ROWS = 50_000
TOPIC = ticks_topic("kalshi")
PARTITIONS = TOPICS[TOPIC].partitions
ROOT = Path(__file__).resolve().parent.parent
RATE = (
    "SELECT count() - countIf(stored_ts = (SELECT min(stored_ts) FROM ticks)), "
    "dateDiff('microsecond', min(stored_ts), max(stored_ts)) FROM ticks"
)
"""Rows and time after the first insert: start-up is not measured."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the services of one run are."""

    kafka: str
    registry: str
    clickhouse: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Message:
    """A record as the container builder takes it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def measure(count: int, say: Callable[[str], None]) -> dict[str, float]:
    """Return ticks/s of the sink, of stock Faust and of the two limits, over ``count`` ticks."""
    with _services() as place:
        values = _produce(place, count)
        say(f"{count} ticks of {sum(map(len, values)) / len(values):.0f} bytes are on {TOPIC}")
        found = {"kafka_limit": _count_only(place, count)}
        say(f"confluent-kafka, counting only: {found['kafka_limit']:.0f}/s")
        found["clickhouse_limit"] = asyncio.run(_insert_only(place, values))
        say(f"ClickHouse alone, the same blocks: {found['clickhouse_limit']:.0f}/s")
        found["echoarb"] = _worker(place, count, _sink)
        say(f"the sink: {found['echoarb']:.0f}/s")
        found["faust"] = _worker(place, min(count, 4 * BATCH_ROWS), _stock_faust)
        say(f"stock Faust: {found['faust']:.0f}/s")
    return {name: found[name] for name in ("echoarb", "faust", "kafka_limit", "clickhouse_limit")}


def ticks(count: int) -> Iterator[Tick]:
    """Yield quote ticks of 500 markets, as a busy venue sends them."""
    for number in range(count):
        now, market = now_us(), f"KXBENCH-26DEC31-T{number % 500}"
        yield Tick(
            ingest_ts=now - 400,
            emit_ts=now,
            source_ts=now - 30_000,
            platform="kalshi",
            market_id=market,
            outcome_id=market,
            outcome="yes",
            kind="quote",
            price=None,
            size=None,
            bid=Decimal(number % 98 + 1) / 100,
            bid_size=Decimal(number % 5000),
            ask=Decimal(number % 98 + 2) / 100,
            ask_size=Decimal(number % 7000),
            side=None,
            volume=None,
            open_interest=None,
            sequence=number,
            tick_id=event_id("bench", number),
        )


@contextlib.contextmanager
def _services() -> Iterator[Place]:
    with (
        tempfile.TemporaryDirectory(prefix="echoarb-bench-") as name,
        contextlib.ExitStack() as stack,
    ):
        folder = Path(name)
        kafka, registry, clickhouse = free_port(), free_port(), free_port()
        for child in (
            tansu.start(kafka, folder / "tansu.log"),
            services.start_registry(registry, folder / "registry.log"),
            services.start_clickhouse(clickhouse, folder / "clickhouse", folder / "clickhouse.log"),
        ):
            stack.callback(child.stop)
        local = "127.0.0.1"
        place = Place(
            f"{local}:{kafka}", f"http://{local}:{registry}", f"http://{local}:{clickhouse}", folder
        )
        topics.create(KafkaSettings.load(kafka_bootstrap=place.kafka))
        yield place


def _produce(place: Place, count: int) -> list[bytes]:
    registry = Registry(RegistrySettings.load(registry_url=place.registry))
    schema_id = registry.id_of(TOPICS[TOPIC])
    registry.close()
    producer = Producer(
        {
            "bootstrap.servers": place.kafka,
            "compression.type": "lz4",
            "enable.idempotence": True,
            "linger.ms": 5,
            "queue.buffering.max.messages": 200_000,
        }
    )
    values = []
    for number, tick in enumerate(ticks(count)):
        value = frame(schema_id, encode(tick))
        values.append(value)
        while True:
            try:
                producer.produce(TOPIC, value, partition=number % PARTITIONS)
                break
            except BufferError:
                producer.poll(0.1)
    if producer.flush(120):
        raise RuntimeError("the broker did not take every tick")
    return values


def _count_only(place: Place, count: int) -> float:
    consumer = Consumer(
        {
            "bootstrap.servers": place.kafka,
            "group.id": f"bench-{uuid.uuid4().hex[:8]}",
            "auto.offset.reset": "earliest",
            "session.timeout.ms": 6000,
        }
    )
    consumer.subscribe([TOPIC])
    seen, begin = 0, 0.0
    while seen < count:
        messages = consumer.consume(10_000, 10)
        if not begin:
            begin = time.perf_counter()
        seen += sum(message.error() is None for message in messages)
    seconds = time.perf_counter() - begin
    consumer.close()
    return count / seconds


async def _insert_only(place: Place, values: Sequence[bytes]) -> float:
    database = _database(place)
    settings = ClickHouseSettings.load(
        clickhouse_url=place.clickhouse, clickhouse_database=database
    )
    form = layout(parsed_schema("tick"), TABLES[0].columns)
    topic_id, now = uuid.uuid4(), time.time_ns() // 1_000_000
    blocks = []
    for first in range(0, len(values), BATCH_ROWS):
        messages = [
            Message(first + index, now, None, value)
            for index, value in enumerate(values[first : first + BATCH_ROWS])
        ]
        blocks.append(build(form, [Run(TOPIC, topic_id, 0, messages)]))
    writer = Writer(settings, timeout_seconds=60)
    await writer.query("SELECT 1")
    begin = time.perf_counter()
    for number, block in enumerate(blocks):
        await writer.insert("ticks", form.columns, block, f"bench-{number}")
    seconds = time.perf_counter() - begin
    await writer.close()
    return len(values) / seconds


def _worker(
    place: Place, count: int, start: Callable[[Place, str], subprocess.Popen[bytes]]
) -> float:
    """Run a worker until it has stored ``count`` ticks; return its rate by the rows' own times."""
    database = _database(place)
    client = clickhouse_connect.get_client(
        dsn=place.clickhouse, database=database, autogenerate_session_id=False
    )
    worker = start(place, database)
    try:
        deadline = time.monotonic() + 300
        while client.query("SELECT count() FROM ticks").result_rows[0][0] < count:
            if worker.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((place.folder / "worker.log").read_text()[-2000:])
            time.sleep(0.25)
        rows, microseconds = client.query(RATE).result_rows[0]
        return float(rows * 1_000_000 / microseconds)
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        client.close()


def _sink(place: Place, database: str) -> subprocess.Popen[bytes]:
    return _process(
        place,
        ["agents", "sink"],
        ECHOARB_KAFKA_BOOTSTRAP=place.kafka,
        ECHOARB_REGISTRY_URL=place.registry,
        ECHOARB_CLICKHOUSE_URL=place.clickhouse,
        ECHOARB_CLICKHOUSE_DATABASE=database,
        ECHOARB_SINK_GROUP=f"bench-{uuid.uuid4().hex[:8]}",
        ECHOARB_SINK_SESSION_SECONDS="6",
        ECHOARB_SINK_FLUSH_ROWS=str(BATCH_ROWS),
        ECHOARB_METRICS_PORT="0",
    )


def _stock_faust(place: Place, database: str) -> subprocess.Popen[bytes]:
    return _process(
        place, ["bench.stock_faust", place.kafka, place.clickhouse, database, str(BATCH_ROWS)]
    )


def _process(place: Place, module: list[str], **environment: str) -> subprocess.Popen[bytes]:
    with (place.folder / "worker.log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603 (our own modules)
            [sys.executable, "-m", *module],
            env={**os.environ, **environment},
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )


def _database(place: Place) -> str:
    name = f"bench_{uuid.uuid4().hex[:8]}"
    client: Any = clickhouse_connect.get_client(dsn=place.clickhouse, autogenerate_session_id=False)
    migrate(client, name, RetentionSettings.load().by_table())
    client.close()
    return name
