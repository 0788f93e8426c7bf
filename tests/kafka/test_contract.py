"""What we need of a broker, on Tansu and on Apache Kafka alike."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as AioTopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin import NewTopic as AioNewTopic
from aiokafka.errors import UnknownError
from confluent_kafka import (
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic

from echoarb.stack import topics
from schemas.ends import ends
from schemas.errors import ConfigurationError, Transient
from schemas.settings import KafkaSettings
from schemas.topics import TOPICS, Topic

FIRST_MS = 1_700_000_000_000
SECONDS = 60


@pytest.fixture
def settings(broker: str) -> KafkaSettings:
    return KafkaSettings.load(kafka_bootstrap=broker)


@pytest.fixture
def admin(broker: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": broker})


@pytest.fixture
def make_topic(admin: AdminClient, settings: KafkaSettings) -> Iterator[Callable[[int], str]]:
    made: list[str] = []

    def make(partitions: int = 1) -> str:
        name = f"contract-{uuid.uuid4().hex[:10]}"
        topics.create(settings, [topic(name, partitions)])
        made.append(name)
        return name

    yield make
    for future in admin.delete_topics(made).values() if made else ():
        future.result(SECONDS)


def topic(name: str, partitions: int) -> Topic:
    return Topic(name, "tick", "", partitions, -1)


def produce(broker: str, topic: str, count: int, **config: Any) -> None:
    """Produce ``count`` records to partition 0 as idempotent producers do, in one batch."""
    settings = {"bootstrap.servers": broker, "enable.idempotence": True, "linger.ms": 100}
    producer = Producer({**settings, "acks": "all", **config})
    failures: list[Any] = []

    def delivered(error: Any, message: Any) -> None:
        if error is not None:
            failures.append(error)

    for i in range(count):
        producer.produce(
            topic,
            key=b"key",
            value=b"value %d" % i,
            partition=0,
            headers=[("trace", b"%d" % i), ("empty", b"")],
            timestamp=FIRST_MS + i,
            on_delivery=delivered,
        )
    assert producer.flush(SECONDS) == 0
    assert failures == []


def consumer(broker: str, group: str, **config: Any) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": broker,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 2000,
            "heartbeat.interval.ms": 300,
            "enable.partition.eof": True,
            **config,
        }
    )


def read(source: Consumer, count: int) -> list[Any]:
    """Return the next ``count`` records."""
    records: list[Any] = []
    deadline = time.monotonic() + SECONDS
    while len(records) < count:
        assert time.monotonic() < deadline, f"{len(records)} of {count} records"
        message = source.poll(0.5)
        if message is not None and message.error() is None:
            records.append(message)
        elif message is not None:
            assert message.error().code() == KafkaError._PARTITION_EOF
    return records


def test_partitions_and_topic_ids(
    admin: AdminClient, settings: KafkaSettings, make_topic: Callable[[int], str]
) -> None:
    name = make_topic(6)
    first = topics.describe(settings, [name])[name]
    assert first.partitions == 6
    with pytest.raises(KafkaException) as caught:
        admin.create_topics([NewTopic(name, 6, 1)])[name].result(SECONDS)
    assert caught.value.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS
    admin.delete_topics([name])[name].result(SECONDS)
    deadline = time.monotonic() + SECONDS
    while topics.describe(settings, [name]):  # a KRaft broker hears of it a moment later
        assert time.monotonic() < deadline
    topics.create(settings, [topic(name, 6)])
    assert topics.describe(settings, [name])[name].topic_id != first.topic_id
    assert topics.describe(settings, ["no-such-topic"]) == {}


def test_our_topics_are_created_once(settings: KafkaSettings) -> None:
    topics.create(settings)
    assert topics.create(settings) == []
    states = topics.describe(settings)
    assert {state.name: state.partitions for state in states.values()} == {
        topic.name: topic.partitions for topic in TOPICS.values()
    }
    wider = Topic("markets", "market", "", 99, -1)
    with pytest.raises(ConfigurationError, match="markets has 3 partitions"):
        topics.create(settings, [wider])


def test_a_broker_that_is_not_there_is_transient() -> None:
    nowhere = KafkaSettings.load(kafka_bootstrap="127.0.0.1:1")
    with pytest.raises(Transient, match=r"127\.0\.0\.1:1"):
        ends(nowhere, {"ticks.kalshi": 1}, timeout_seconds=1)


@pytest.mark.parametrize("compression", ["none", "lz4", "zstd"])
def test_what_is_produced_is_read_back(
    broker: str, make_topic: Callable[[int], str], compression: str
) -> None:
    name = make_topic(1)
    before_ms = time.time() * 1000
    produce(broker, name, 100, **{"compression.type": compression})
    source = consumer(broker, "unused")
    source.assign([TopicPartition(name, 0, 0)])
    records = read(source, 100)
    source.close()
    assert [record.offset() for record in records] == list(range(100))
    assert [record.value() for record in records] == [b"value %d" % i for i in range(100)]
    assert {record.key() for record in records} == {b"key"}
    for i, record in enumerate(records):
        kind, at = record.timestamp()
        if kind == TIMESTAMP_LOG_APPEND_TIME:  # what our topics ask for, and Tansu doesn't know
            assert before_ms - 60_000 < at < time.time() * 1000 + 60_000
        else:
            assert at == FIRST_MS + i
    assert records[7].headers() == [("trace", b"7"), ("empty", b"")]


def test_high_watermark_of_fetch_is_right_and_list_offsets_is_known(
    request: pytest.FixtureRequest,
    broker: str,
    settings: KafkaSettings,
    make_topic: Callable[[int], str],
) -> None:
    name = make_topic(2)
    produce(broker, name, 40)
    produce(broker, name, 60)
    source = consumer(broker, "unused")
    low, high = source.get_watermark_offsets(TopicPartition(name, 0), SECONDS)
    on_tansu = "tansu" in request.node.callspec.id
    # Tansu's ListOffsets(latest): the first offset of the last batch, plus one.
    assert (low, high) == (0, 41 if on_tansu else 100)
    source.assign([TopicPartition(name, 0, 0)])
    read(source, 1)
    assert source.get_watermark_offsets(TopicPartition(name, 0), cached=True)[1] == 100
    source.close()
    assert ends(settings, {name: 2}) == {(name, 0): 100, (name, 1): 0}


def test_a_group_resumes_where_it_committed(broker: str, make_topic: Callable[[int], str]) -> None:
    name = make_topic(1)
    produce(broker, name, 30)
    group = f"group-{uuid.uuid4().hex[:8]}"
    first = consumer(broker, group)
    first.subscribe([name])
    taken = read(first, 10)
    first.commit(message=taken[-1], asynchronous=False)
    first.close()
    second = consumer(broker, group)
    second.subscribe([name])
    rest = read(second, 20)
    assert [record.offset() for record in rest] == list(range(10, 30))
    committed = second.committed([TopicPartition(name, 0)], SECONDS)
    assert committed[0].offset == 10
    second.close()


def test_a_group_shares_partitions_and_takes_over(
    broker: str, make_topic: Callable[[int], str]
) -> None:
    name = make_topic(4)
    group = f"group-{uuid.uuid4().hex[:8]}"
    members = [consumer(broker, group) for _ in range(2)]

    def settle(wanted: list[int], among: list[Consumer]) -> None:
        deadline = time.monotonic() + SECONDS
        while sorted(len(member.assignment()) for member in among) != wanted:
            assert time.monotonic() < deadline, [len(member.assignment()) for member in among]
            for member in among:
                member.poll(0.1)

    members[0].subscribe([name])
    settle([4], members[:1])
    members[1].subscribe([name])
    settle([2, 2], members)
    members[0].close()
    settle([4], members[1:])
    members[1].close()


async def test_aiokafka_idempotence_is_known_to_fail_on_tansu(
    request: pytest.FixtureRequest, broker: str
) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=broker, enable_idempotence=True)
    try:
        if "tansu" in request.node.callspec.id:
            with pytest.raises(UnknownError):  # its InitProducerId refuses aiokafka's request
                await producer.start()
        else:
            await producer.start()
    finally:
        await producer.stop()


async def test_aiokafka(broker: str) -> None:
    """The client under Faust and the API's live feed: admin, producer, group, high watermark."""
    name = f"contract-{uuid.uuid4().hex[:10]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    await admin.create_topics([AioNewTopic(name, 2, 1)])
    producer = AIOKafkaProducer(bootstrap_servers=broker, compression_type="zstd", linger_ms=50)
    await producer.start()
    sent = [await producer.send(name, json.dumps(i).encode(), partition=0) for i in range(50)]
    await asyncio.gather(*sent)
    await producer.stop()
    source = AIOKafkaConsumer(
        name,
        bootstrap_servers=broker,
        group_id=f"group-{uuid.uuid4().hex[:8]}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=2000,
        heartbeat_interval_ms=300,
    )
    await source.start()
    try:
        records = [await asyncio.wait_for(source.getone(), SECONDS) for _ in range(50)]
        assert [json.loads(record.value) for record in records] == list(range(50))
        partition = AioTopicPartition(name, 0)
        assert source.highwater(partition) == 50
        await source.commit({partition: 25})
        assert await source.committed(partition) == 25
    finally:
        await source.stop()
        await admin.delete_topics([name])
        await admin.close()
