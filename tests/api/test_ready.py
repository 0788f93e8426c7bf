"""Readiness while ClickHouse or Kafka is away, and what happens when it comes back."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic
from prometheus_client import REGISTRY

from api.feed import Feed
from api.hub import Client, Hub
from api.messages import Subscribe
from api.settings import ApiSettings
from echoarb.stack import services
from echoarb.stack.ports import free_port
from schemas.codec import encode
from schemas.framing import frame
from schemas.migrate import RetentionSettings, migrate
from schemas.registry import Registry
from schemas.topics import TOPICS
from tests.api.support import (
    BASE_US,
    TOPIC,
    Api,
    Broker,
    Tables,
    following,
    make_tick,
    read,
    running,
)

SECONDS = 60


async def until_not_ready(api: Api) -> dict[str, Any]:
    """Return /ready's problem, once it is one."""
    async with asyncio.timeout(SECONDS):
        while True:
            async with api.http.get(api.url + "/ready") as answer:
                if answer.status == 503:
                    assert answer.headers["Retry-After"]
                    found: dict[str, Any] = await answer.json()
                    return found
            await asyncio.sleep(0.05)


async def test_clickhouse_away_and_back(live_settings: ApiSettings, tmp_path: Path) -> None:
    port = free_port()
    child = services.start_clickhouse(port, tmp_path / "data", tmp_path / "log")
    try:
        own = live_settings.model_copy(
            update={"clickhouse_url": f"http://127.0.0.1:{port}", "clickhouse_database": "echoarb"}
        )
        client = clickhouse_connect.get_client(
            dsn=own.clickhouse_url, autogenerate_session_id=False
        )
        migrate(client, "echoarb", RetentionSettings(_env_file=None).by_table())
        client.database = "echoarb"
        Tables(client).insert("ticks", [make_tick(0)], TOPIC)
        client.close()
        async with running(own) as api:
            await following(api)
            assert len((await api.get("/api/v1/ticks"))["data"]) == 1
            await asyncio.to_thread(child.stop)
            found = await until_not_ready(api)
            assert found["detail"] == "not ready: clickhouse"
            assert found["dependencies"]["kafka"] == "ok"
            assert "127.0.0.1" not in json.dumps(found)
            problem = await api.problem(503, "/api/v1/ticks")
            assert "ClickHouse" in problem["detail"]
            assert (await api.get("/health"))["status"] == "healthy"  # of the process, and its feed
            child = await asyncio.to_thread(
                services.start_clickhouse, port, tmp_path / "data", tmp_path / "log"
            )
            await following(api)
            assert len((await api.get("/api/v1/ticks"))["data"]) == 1
    finally:
        child.stop()


async def test_clickhouse_away_from_the_start(settings: ApiSettings) -> None:
    nowhere = settings.model_copy(update={"clickhouse_url": f"http://127.0.0.1:{free_port()}"})
    async with running(nowhere) as api:
        found = await until_not_ready(api)
        assert found["detail"] == "not ready: clickhouse, kafka"
        await api.problem(503, "/api/v1/markets")


async def test_kafka_away_and_back_anew(live_settings: ApiSettings, own_broker: Broker) -> None:
    """A memory-only broker comes back empty; a client connected all along is told and goes on."""
    async with running(live_settings) as api:
        await following(api)
        async with api.socket("?platform=kalshi") as ws:
            await read(ws, "welcome")
            await read(ws, "subscribed")
            await asyncio.to_thread(own_broker.publish, *[make_tick(at) for at in range(5)])
            for at in range(5):
                assert (await read(ws, "tick"))["data"]["sequence"] == at
            await asyncio.to_thread(own_broker.child.kill)
            found = await until_not_ready(api)
            assert found["detail"] == "not ready: kafka"
            assert found["dependencies"] == {"clickhouse": "ok", "kafka": "Kafka can't be reached"}
            assert (await api.get("/api/v1/ticks"))["data"] == []
            await asyncio.to_thread(own_broker.restart)
            await asyncio.to_thread(own_broker.publish, make_tick(50), make_tick(51))
            gap = await read(ws, "gap")
            assert "made anew" in gap["data"]["detail"]
            for at in (50, 51):  # what the new topic held before we were back is not lost
                assert (await read(ws, "tick"))["data"]["sequence"] == at
            await following(api)


async def test_a_record_that_is_none_is_counted_and_passed(
    live_settings: ApiSettings, own_broker: Broker
) -> None:
    def rejected(reason: str) -> float:
        name = "echoarb_api_feed_rejected_total"
        return REGISTRY.get_sample_value(name, {"reason": reason}) or 0

    async with running(live_settings) as api:
        await following(api)
        async with api.socket("?platform=kalshi") as ws:
            await read(ws, "welcome")
            await read(ws, "subscribed")
            reasons = ("framing", "unknown_schema", "truncated", "value")
            before = [rejected(reason) for reason in reasons]
            # In the partition of the tick that follows, and so before it.
            producer = Producer(
                {"bootstrap.servers": own_broker.address, "partitioner": "murmur2_random"}
            )
            for value in (b"junk", b"\x00\x00\x01\x86\x9fdatum", b"\x00\x00\x00\x00\x01\x02"):
                producer.produce("ticks.kalshi", value, "KXA-26")
            producer.produce("ticks.kalshi", None, "KXA-26")
            with contextlib.closing(Registry(live_settings)) as registry:
                tick_id, gap_id = (
                    registry.id_of(TOPICS[name]) for name in ("ticks.kalshi", "gaps")
                )
            tick = encode(make_tick(0))
            producer.produce("ticks.kalshi", frame(gap_id, tick), "KXA-26")
            nanoseconds = BASE_US * 1000
            producer.produce("ticks.kalshi", frame(tick_id, tick), "KXA-26", timestamp=nanoseconds)
            assert producer.flush(20) == 0
            await asyncio.to_thread(own_broker.publish, make_tick(1))
            assert (await read(ws, "tick"))["data"]["sequence"] == 1
            after = [rejected(reason) for reason in reasons]
    assert [now - then for now, then in zip(after, before, strict=True)] == [2, 1, 2, 1]


async def test_the_registry_away_loses_no_tick(
    live_settings: ApiSettings, own_broker: Broker, tmp_path: Path
) -> None:
    port = free_port()
    own = live_settings.model_copy(update={"registry_url": f"http://127.0.0.1:{port}"})
    async with running(own) as api:
        await following(api)
        async with api.socket("?platform=kalshi") as ws:
            await read(ws, "welcome")
            await read(ws, "subscribed")
            await asyncio.to_thread(own_broker.publish, make_tick(1))
            found = await until_not_ready(api)
            assert found["dependencies"]["kafka"] == "the schema registry can't be reached"
            child = await asyncio.to_thread(services.start_registry, port, tmp_path / "log")
            try:
                assert (await read(ws, "tick"))["data"]["sequence"] == 1
            finally:
                child.stop()


async def test_an_absence_is_caught_up_with_unless_it_was_long(
    live_settings: ApiSettings, own_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.feed.MAX_BACKLOG", 10)
    hub = Hub(live_settings)
    client = hub.join()
    hub.subscribe(client, Subscribe(platform="kalshi"))
    feed = Feed(live_settings, hub)

    async def followed() -> None:
        feed.start()
        await asyncio.wait_for(feed.following.wait(), SECONDS)

    async def taken(client: Client) -> dict[str, Any]:
        async with asyncio.timeout(SECONDS):
            found: dict[str, Any] = json.loads(await client.take())
            return found

    await followed()
    await asyncio.to_thread(own_broker.publish, make_tick(0))
    assert (await taken(client))["data"]["sequence"] == 0
    await feed.stop()
    await asyncio.to_thread(own_broker.publish, *[make_tick(at) for at in range(1, 11)])
    await followed()
    assert [(await taken(client))["data"]["sequence"] for _ in range(10)] == list(range(1, 11))
    await feed.stop()
    await asyncio.to_thread(own_broker.publish, *[make_tick(at) for at in range(11, 22)])
    await followed()
    message = await taken(client)
    assert message["type"] == "gap"
    assert message["data"]["missed"] == 11
    await asyncio.to_thread(own_broker.publish, make_tick(22))
    assert (await taken(client))["data"]["sequence"] == 22
    await feed.stop()


@pytest.mark.apache  # Tansu can't be asked for more partitions
async def test_partitions_that_a_topic_is_given_later_are_followed(
    settings: ApiSettings, apache: str, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = f"ticks.{uuid.uuid4().hex}"
    monkeypatch.setattr("api.feed.FOLLOWED", (topic,))
    monkeypatch.setitem(TOPICS, topic, TOPICS["ticks.kalshi"])
    monkeypatch.setattr("api.feed.METADATA_SECONDS", 0.5)
    monkeypatch.setattr("api.feed.REFRESH_SECONDS", 0.2)
    admin = AdminClient({"bootstrap.servers": apache})
    await asyncio.to_thread(admin.create_topics([NewTopic(topic, 1, 1)])[topic].result, SECONDS)
    with contextlib.closing(Registry(settings)) as known:
        schema_id = known.id_of(TOPICS["ticks.kalshi"])

    def publish(at: int, partition: int) -> None:
        producer = Producer({"bootstrap.servers": apache})  # a new one knows of new partitions
        producer.produce(topic, frame(schema_id, encode(make_tick(at))), "M", partition=partition)
        assert producer.flush(SECONDS) == 0

    hub = Hub(settings)
    client = hub.join()
    hub.subscribe(client, Subscribe())
    await asyncio.to_thread(publish, 0, 0)  # before our time
    feed = Feed(settings.model_copy(update={"kafka_bootstrap": apache}), hub)
    feed.start()
    await asyncio.wait_for(feed.following.wait(), SECONDS)
    more = admin.create_partitions([NewPartitions(topic, 2)])[topic]
    await asyncio.to_thread(more.result, SECONDS)
    await asyncio.to_thread(publish, 1, 1)  # before we know of it, but all in it is new
    found = json.loads(await asyncio.wait_for(client.take(), SECONDS))
    assert (found["type"], found["data"]["sequence"]) == ("tick", 1)
    await feed.stop()
