"""Programs that aren't ours read a ticks topic with nothing but broker and registry URL."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from connectors import publish
from connectors.publish import Publisher
from connectors.settings import ConnectorSettings
from schemas.clock import isoformat
from schemas.registry import Registry
from schemas.tick import Tick
from schemas.topics import TOPICS
from tests.schemas.test_codec import make_tick

COUNT = 300
TOPIC = f"ticks.kalshi.{uuid.uuid4().hex[:8]}"
"""Of this test's own: other tests of the session write to the real one."""
KAFKAJS = Path(__file__).parent / "kafkajs"


@dataclass(frozen=True)
class Sent:
    """What a test reads: which broker, where, and what was sent."""

    kind: str
    broker: str
    registry: str
    ticks: list[Tick]


def tool(name: str) -> str:
    """Return the path of a foreign program, or skip: .ci/run demands them all."""
    path = shutil.which(name)
    if path is None:
        message = f"{name} is not installed"
        if os.environ.get("ECHOARB_REQUIRE_CLIENTS") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return path


@pytest.fixture(scope="module", params=["tansu", pytest.param("apache", marks=pytest.mark.apache)])
def sent(request: pytest.FixtureRequest, registry: str) -> Iterator[Sent]:
    """A topic filled by our own producer with its default settings."""
    broker: str = request.getfixturevalue(request.param)
    admin = AdminClient({"bootstrap.servers": broker})
    admin.create_topics([NewTopic(TOPIC, 2, 1)])[TOPIC].result(15)
    settings = ConnectorSettings.load(kafka_bootstrap=broker, registry_url=registry, metrics_port=0)
    client = Registry(settings)
    schema_id = client.id_of(TOPICS["ticks.kalshi"])
    client.close()
    emitted = 1_790_000_000_000_001
    publisher = Publisher("kalshi", settings, {TOPIC: schema_id}, clock=lambda: emitted)
    ticks = [
        make_tick(
            emit_ts=None,
            market_id=f"KXTEST-{number % 3}",
            sequence=number,
            bid=Decimal(number) / 1000,
            outcome="ja ü 漢",
            source_ts=None if number % 2 else 1_790_000_000_123_456,
        )
        for number in range(COUNT)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish, "topic_of", lambda record: TOPIC)
        for tick in ticks:
            publisher.publish(tick)
    assert publisher.flush() == 0
    yield Sent(request.param, broker, registry, ticks)
    admin.delete_topics([TOPIC])[TOPIC].result(15)


def test_confluents_own_deserializer(sent: Sent) -> None:
    client = SchemaRegistryClient({"url": sent.registry})
    decode = AvroDeserializer(client)
    consumer = Consumer(
        {
            "bootstrap.servers": sent.broker,
            "group.id": uuid.uuid4().hex,
            "enable.auto.commit": False,
        }
    )
    consumer.assign([TopicPartition(TOPIC, partition, 0) for partition in range(2)])
    found: dict[int, Any] = {}
    while len(found) < COUNT:
        (message,) = consumer.consume(1, timeout=30)
        value = decode(message.value(), SerializationContext(TOPIC, MessageField.VALUE))
        found[value["sequence"]] = value
    consumer.close()
    client.close()
    for tick in sent.ticks:
        value = found[tick.sequence or 0]
        assert value["bid"] == tick.bid
        assert value["bid_size"] == Decimal(5)
        assert value["ask"] is None
        assert value["kind"] == "quote"
        assert value["tick_id"] == tick.tick_id
        assert value["ingest_ts"].isoformat() == isoformat(tick.ingest_ts).replace(
            ".000000Z", "+00:00"
        )
        assert (value["source_ts"] is None) == (tick.source_ts is None)


def test_kafkajs_with_its_registry_package(
    sent: Sent, tmp_path_factory: pytest.TempPathFactory
) -> None:
    node, npm = tool("node"), tool("npm")
    folder = tmp_path_factory.mktemp("kafkajs")
    for name in ("package.json", "package-lock.json", "read.mjs"):
        shutil.copy(KAFKAJS / name, folder)
    subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"],
        cwd=folder, check=True, timeout=110,
    )  # fmt: skip
    done = subprocess.run(
        [node, "read.mjs", sent.broker, sent.registry, TOPIC, str(COUNT)],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = {
        entry["value"]["sequence"]: entry for entry in map(json.loads, done.stdout.split("\n")[:-1])
    }
    assert len(found) == COUNT
    for tick in sent.ticks:
        entry = found[tick.sequence or 0]
        assert entry["key"] == tick.market_id
        value = entry["value"]
        assert value["platform"] == "kalshi"
        assert value["outcome"] == "ja ü 漢"
        assert value["ask"] is None
        assert value["tick_id"] == str(tick.tick_id)
        assert value["ingest_ts"] == tick.ingest_ts


def kcat_environment(kind: str, folder: Path) -> dict[str, str]:
    """Return the environment in which to run kcat.

    Debian 12's kcat links librdkafka 2.0.2, which can't read Tansu's answer to ApiVersions (its
    tagged fields). There it is given the newer librdkafka that confluent-kafka's wheel ships.
    """
    if kind != "tansu":
        return dict(os.environ)
    shipped = Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs"
    (library,) = shipped.glob("librdkafka-*.so*")
    (folder / "librdkafka.so.1").symlink_to(library)
    return {**os.environ, "LD_LIBRARY_PATH": f"{folder}:{shipped}"}


def test_kcat_lists_and_reads_it(sent: Sent, tmp_path: Path) -> None:
    kcat = [tool("kcat"), "-b", sent.broker, "-t", TOPIC]
    environment = kcat_environment(sent.kind, tmp_path)

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [*kcat, *arguments],
            capture_output=True, text=True, timeout=30, check=False, env=environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    (topic,) = json.loads(run("-L", "-J"))["topics"]
    assert (topic["topic"], len(topic["partitions"])) == (TOPIC, 2)
    # A count and no -e: Tansu answers ListOffsets too low, so an end by it would come early.
    read = run("-C", "-o", "beginning", "-c", str(COUNT), "-q", "-f", "%k %S %o\n")
    lines = [line.split() for line in read.splitlines()]
    assert len(lines) == COUNT
    assert sorted(key for key, _, _ in lines) == sorted(tick.market_id for tick in sent.ticks)
    assert all(int(size) > 25 for _, size, _ in lines)
