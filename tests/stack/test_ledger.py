"""Lost and duplicate ticks are found by comparing real topics with real rows."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import clickhouse_connect
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from echoarb.stack import topics
from echoarb.stack.ledger import Ledger
from schemas.clock import now_us
from schemas.errors import ConfigurationError
from schemas.settings import KafkaSettings
from schemas.topics import ticks_topic

PLATFORM = "kalshi"
HOUR_US = 3_600_000_000
TOPIC = ticks_topic(PLATFORM)


@pytest.fixture
def kafka(tansu: str) -> KafkaSettings:
    settings = KafkaSettings.load(kafka_bootstrap=tansu)
    topics.create(settings)
    return settings


@pytest.fixture
def client(clickhouse: str) -> Iterator[Any]:
    with clickhouse_connect.get_client(dsn=clickhouse, autogenerate_session_id=False) as client:
        yield client


def publish(tansu: str, partition: int, count: int) -> list[int]:
    """Put records on the topic and return their offsets."""
    offsets: list[int] = []
    producer = Producer({"bootstrap.servers": tansu})
    for _ in range(count):
        producer.produce(
            TOPIC,
            b"tick",
            partition=partition,
            on_delivery=lambda error, message: offsets.append(message.offset()),
        )
    assert producer.flush(20) == 0
    return offsets


def store(client: Any, database: str, topic_id: uuid.UUID, rows: list[tuple[int, int]]) -> None:
    """Store a tick of an hour ago for each (partition, offset), a millisecond a stage."""
    start = now_us() // HOUR_US * HOUR_US - HOUR_US
    times = [start, start + 1000, None, start + 2000]
    client.insert(
        f"{database}.ticks",
        [[*times, PLATFORM, "M", uuid.uuid4(), topic_id, *row] for row in rows],
        column_names=[
            *("ingest_ts", "emit_ts", "source_ts", "stored_ts", "platform", "market_id", "tick_id"),
            *("topic_id", "kafka_partition", "kafka_offset"),
        ],
        column_type_names=[
            *("DateTime64(6)", "DateTime64(6)", "Nullable(DateTime64(6))", "DateTime64(6)"),
            *("LowCardinality(String)", "String", "UUID", "UUID", "Int32", "Int64"),
        ],
    )


def test_every_offset_is_accounted_for(
    tansu: str, kafka: KafkaSettings, client: Any, clickhouse_database: str
) -> None:
    publish(tansu, 0, 3)  # before the run: not ours
    ledger = Ledger(kafka, [PLATFORM])
    ledger.open()
    first, second = publish(tansu, 0, 5), publish(tansu, 3, 4)
    topic_id = ledger.ids[TOPIC]
    strange = uuid.uuid4()  # another topic of the same name, from another run
    store(client, clickhouse_database, strange, [(0, offset) for offset in first])
    counts, dead = ledger.count(client, clickhouse_database)
    assert dead == 0
    assert (counts[PLATFORM].published, counts[PLATFORM].lost) == (9, 9)

    stored = [*((0, offset) for offset in first), *((3, offset) for offset in second[:2])]
    store(client, clickhouse_database, topic_id, stored)
    client.insert(
        f"{clickhouse_database}.dead_letters",
        [[TOPIC, topic_id, 3, second[2], "framing"]],
        column_names=[
            *("source_topic", "source_topic_id", "source_partition", "source_offset", "reason"),
        ],
    )
    counts, _ = ledger.count(client, clickhouse_database)
    count = counts[PLATFORM]
    assert (count.stored, count.accounted, count.lost) == (7, 8, 1)
    assert (count.duplicates, count.raw) == (0, 7)


def test_repeats_that_merges_fold_are_no_duplicates_and_others_are(
    tansu: str, kafka: KafkaSettings, client: Any, clickhouse_database: str
) -> None:
    ledger = Ledger(kafka, [PLATFORM])
    ledger.open()
    offsets = publish(tansu, 1, 2)
    topic_id = ledger.ids[TOPIC]
    client.command(f"SYSTEM STOP MERGES {clickhouse_database}.ticks")
    for _ in range(2):
        store(client, clickhouse_database, topic_id, [(1, offset) for offset in offsets])
    count = ledger.count(client, clickhouse_database)[0][PLATFORM]
    assert (count.raw, count.visible, count.duplicates, count.lost) == (4, 2, 0, 0)
    client.insert(
        f"{clickhouse_database}.ticks",
        [[7, PLATFORM, topic_id, 1, offsets[0]]],
        column_names=["ingest_ts", "platform", "topic_id", "kafka_partition", "kafka_offset"],
    )
    assert ledger.count(client, clickhouse_database)[0][PLATFORM].duplicates == 1


def test_latencies_of_this_run(
    tansu: str, kafka: KafkaSettings, client: Any, clickhouse_database: str
) -> None:
    ledger = Ledger(kafka, [PLATFORM])
    ledger.open()
    nothing = ledger.latencies(client, clickhouse_database)
    assert nothing.get("*", {}).get("emit_stored", {}).get("p50") is None
    store(client, clickhouse_database, ledger.ids[TOPIC], [(0, n) for n in range(10)])
    for platform in (PLATFORM, "*"):
        assert ledger.latencies(client, clickhouse_database)[platform] == {
            "source_ingest": {"p50": None, "p99": None},
            "ingest_emit": {"p50": 1.0, "p99": 1.0},
            "emit_stored": {"p50": 1.0, "p99": 1.0},
        }
    assert ledger.last_ticks(client, clickhouse_database, 3) == []


def test_a_broker_that_forgot_its_topics_is_noticed(tansu: str, kafka: KafkaSettings) -> None:
    ledger = Ledger(kafka, [PLATFORM])
    ledger.open()
    admin = AdminClient({"bootstrap.servers": tansu})
    admin.delete_topics([TOPIC])[TOPIC].result(20)
    topics.create(kafka)
    ledger.open()
    assert ledger.broken


def test_a_topic_that_the_broker_made_by_itself_is_made_anew(
    tansu: str, kafka: KafkaSettings
) -> None:
    """As after a restart that forgot all: a client asked for its topic before it was made."""
    ledger = Ledger(kafka, [PLATFORM])
    ledger.open()
    admin = AdminClient({"bootstrap.servers": tansu})
    admin.delete_topics([TOPIC])[TOPIC].result(20)
    careless = Producer({"bootstrap.servers": tansu})
    careless.produce(TOPIC, b"x")
    assert careless.flush(20) == 0
    with pytest.raises(ConfigurationError, match=f"{TOPIC} has 4 partitions"):
        topics.create(kafka)
    stray = topics.describe(kafka)[TOPIC].topic_id
    assert topics.drop_strays(kafka, {**ledger.ids, TOPIC: stray}) == []  # no stray: it is known
    assert topics.drop_strays(kafka, ledger.ids) == [TOPIC]
    assert topics.create(kafka) == [TOPIC]
    ledger.open()
    assert ledger.broken


def test_our_producers_never_make_a_topic(tansu: str, kafka: KafkaSettings) -> None:
    name = f"never-made-{uuid.uuid4().hex}"
    producer = Producer({**kafka.librdkafka(), "message.timeout.ms": 2000})
    producer.produce(name, b"x")
    producer.flush(10)
    assert topics.describe(kafka, [name]) == {}
