"""What the API's tests share: the served API, rows as the sink writes them, a broker, records."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from api import server
from api.settings import ApiSettings
from echoarb.stack import tansu as tansu_broker
from echoarb.stack.process import Child
from schemas.alert import Alert
from schemas.codec import encode
from schemas.framing import frame
from schemas.gap import Gap
from schemas.identity import event_id
from schemas.registry import Registry
from schemas.settings import RegistrySettings
from schemas.spread import Spread
from schemas.tick import Tick
from schemas.topics import ALERTS, GAPS, SPREADS, TOPICS, ticks_topic

BASE_US = 1_785_000_000_000_000
"""2026-07-25T17:20:00Z."""
TOPIC = UUID("01234567-89ab-8def-8123-456789abcdef")


def make_tick(at: int = 0, **changes: Any) -> Tick:
    """Return a quote tick, ``at`` microseconds after BASE_US."""
    tick = Tick(
        ingest_ts=BASE_US + at,
        emit_ts=BASE_US + at + 150,
        source_ts=None,
        platform="kalshi",
        market_id="KXA-26",
        outcome_id="KXA-26",
        outcome="yes",
        kind="quote",
        price=None,
        size=None,
        bid=Decimal("0.42"),
        bid_size=Decimal("100"),
        ask=Decimal("0.44"),
        ask_size=Decimal("12.5"),
        side=None,
        volume=None,
        open_interest=None,
        sequence=at,
        tick_id=event_id("test", at, *sorted(changes.items())),
    )
    return dataclasses.replace(tick, **changes)


def make_gap(at: int = 0, **changes: Any) -> Gap:
    """Return a closed gap of one second."""
    gap = Gap(
        gap_id=event_id("gap", at, *sorted(changes.items())),
        platform="kalshi",
        market_id="KXA-26",
        connection="0/1",
        reason="disconnect",
        from_ts=BASE_US + at,
        to_ts=BASE_US + at + 1_000_000,
        missed=None,
        detail="closed by the peer",
    )
    return dataclasses.replace(gap, **changes)


@dataclass
class Api:
    """A running API."""

    url: str
    http: aiohttp.ClientSession

    async def get(self, path: str, /, **params: Any) -> Any:
        """Return the JSON of a 200 answer."""
        async with self.http.get(self.url + path, params=params) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def problem(self, expected: int, path: str, /, **params: Any) -> dict[str, Any]:
        """Return the problem of an answer that has to be one."""
        async with self.http.get(self.url + path, params=params) as answer:
            assert answer.status == expected, (params, await answer.text())
            assert answer.content_type == "application/problem+json"
            found: dict[str, Any] = await answer.json()
            assert found["status"] == expected
            return found

    async def live(self, **expected: int) -> None:
        """Wait until the API counts that many WebSocket clients or subscriptions."""
        async with asyncio.timeout(20):
            while True:
                found = (await self.get("/api/v1/subscriptions"))["live"]
                if {name: found[name] for name in expected} == expected:
                    return
                await asyncio.sleep(0.02)

    def socket(self, query: str = "", path: str = "/ws/ticks", **options: Any) -> Any:
        """Return a WebSocket connection."""
        return self.http.ws_connect(f"{self.url}{path}{query}", **options)


@contextlib.asynccontextmanager
async def running(settings: ApiSettings) -> AsyncIterator[Api]:
    """Serve the API until the block ends."""
    instance = server.build(settings)
    with contextlib.closing(server.listen(settings)) as listener:
        port = listener.getsockname()[1]
        task = asyncio.create_task(instance.serve(sockets=[listener]))
        try:
            async with asyncio.timeout(20):
                await instance.accepting.wait()
            async with aiohttp.ClientSession() as http:
                yield Api(f"http://127.0.0.1:{port}", http)
        finally:
            instance.should_exit = True
            await task


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _stored(name: str, value: Any) -> Any:
    if (name == "ts" or name.endswith("_ts")) and value is not None:
        return _EPOCH + timedelta(microseconds=value)
    if isinstance(value, tuple):  # of records: an Array(Tuple(...))
        return [
            tuple(_stored(part.name, getattr(item, part.name)) for part in fields(item))
            for item in value
        ]
    return value


@dataclass
class Tables:
    """Writes records as the sink would, with Kafka identities."""

    client: Any

    def insert(
        self, table: str, records: list[Any], topic_id: UUID, partition: int = 0, first: int = 0
    ) -> None:
        """Insert records at consecutive offsets."""
        names = [field.name for field in fields(records[0])]
        rows = [
            [
                *(_stored(name, getattr(record, name)) for name in names),
                *(topic_id, partition, first + at),
                _EPOCH + timedelta(microseconds=1_785_000_000_000_000 + first + at),
            ]
            for at, record in enumerate(records)
        ]
        place = ["topic_id", "kafka_partition", "kafka_offset", "append_ts"]
        self.client.insert(table, rows, column_names=[*names, *place])


@dataclass
class Broker:
    """A Tansu broker of the test's own, with every topic, and a producer for it."""

    child: Child
    port: int
    log: Path
    registry_url: str

    @property
    def address(self) -> str:
        """Bootstrap address."""
        return f"127.0.0.1:{self.port}"

    def restart(self) -> None:
        """Start it anew, empty, on the same port."""
        self.child = tansu_broker.start(self.port, self.log)
        create_topics(self.address)

    def publish(self, *records: Tick | Gap | Alert | Spread) -> None:
        """Write records to their topics and wait until they are there."""
        publish(self.address, self.registry_url, *records)


def create_topics(bootstrap: str) -> None:
    """Create every topic that isn't there."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    there = admin.list_topics(timeout=20).topics
    wanted = [
        NewTopic(topic.name, topic.partitions, 1)
        for topic in TOPICS.values()
        if topic.name not in there
    ]
    if wanted:
        for future in admin.create_topics(wanted).values():
            future.result(20)


def publish(bootstrap: str, registry_url: str, *records: Tick | Gap | Alert | Spread) -> None:
    """Write records to their topics and wait until they are there."""
    registry = Registry(RegistrySettings(_env_file=None, registry_url=registry_url))
    producer = Producer(
        {"bootstrap.servers": bootstrap, "linger.ms": 5, "partitioner": "murmur2_random"}
    )
    for record in records:
        if isinstance(record, Tick):
            topic, key = TOPICS[ticks_topic(record.platform)], record.market_id
        elif isinstance(record, Spread):
            topic, key = SPREADS, record.pair_id
        elif isinstance(record, Alert):
            topic, key = ALERTS, f"{record.rule}:{record.subject}"
        else:
            topic, key = GAPS, f"{record.platform}:{record.market_id or '*'}"
        producer.produce(topic.name, frame(registry.id_of(topic), encode(record)), key)
        producer.poll(0)
    assert producer.flush(30) == 0
    registry.close()


async def following(api: Api) -> Api:
    """Wait until the feed follows every topic."""
    async with asyncio.timeout(30):
        while True:
            async with api.http.get(api.url + "/ready") as answer:
                if answer.status == 200:
                    return api
            await asyncio.sleep(0.05)


async def read(ws: Any, *kinds: str) -> dict[str, Any]:
    """Return the next message, which has to be of one of the kinds. Heartbeats, which may come at
    any time, are passed over unless they are asked for."""
    while True:
        message: dict[str, Any] = json.loads(await ws.receive_str(timeout=60))
        if message["type"] == "heartbeat" and "heartbeat" not in kinds:
            continue
        assert message["type"] in kinds, message
        return message
