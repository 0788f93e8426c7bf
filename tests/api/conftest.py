"""Fixtures of the API's tests: served by uvicorn in the test's own event loop, on a free port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import clickhouse_connect
import pytest

from api.settings import ApiSettings
from echoarb.stack import tansu as tansu_broker
from echoarb.stack.ports import free_port
from tests.agents.lab import Lab
from tests.api.support import Api, Broker, Tables, create_topics, following, running
from tests.api.whole import Whole


@pytest.fixture
def settings(clickhouse: str, clickhouse_database: str, registry: str) -> ApiSettings:
    """Settings with ClickHouse, and with a broker that isn't there."""
    return ApiSettings(
        _env_file=None,
        api_port=0,
        metrics_port=0,
        kafka_bootstrap="127.0.0.1:1",
        registry_url=registry,
        clickhouse_url=clickhouse,
        clickhouse_database=clickhouse_database,
    )


@pytest.fixture
async def api(settings: ApiSettings) -> AsyncIterator[Api]:
    """The API over a ClickHouse database of the test's own."""
    async with running(settings) as found:
        yield found


@pytest.fixture
def tables(clickhouse: str, clickhouse_database: str) -> Iterator[Tables]:
    """Writes to the test's database."""
    client = clickhouse_connect.get_client(
        dsn=clickhouse, database=clickhouse_database, autogenerate_session_id=False
    )
    yield Tables(client)
    client.close()


@pytest.fixture
def own_broker(tmp_path: Path, registry: str) -> Iterator[Broker]:
    """A broker that the test may stop."""
    port, log = free_port(), tmp_path / "tansu.log"
    found = Broker(tansu_broker.start(port, log), port, log, registry)
    create_topics(found.address)
    yield found
    found.child.kill()  # it keeps nothing, and a polite end takes it five seconds


@pytest.fixture
def live_settings(settings: ApiSettings, own_broker: Broker) -> ApiSettings:
    """Settings with ClickHouse and Kafka, and with patience: a sink on a loaded machine may be
    further behind than an API waits for by default, and then it says that ticks are missing."""
    patient = {"kafka_bootstrap": own_broker.address, "api_ws_stored_seconds": 60}
    return settings.model_copy(update=patient)


@pytest.fixture
def lab(own_broker: Broker, live_settings: ApiSettings, tmp_path: Path) -> Iterator[Lab]:
    made = Lab(
        own_broker.address,
        live_settings.registry_url,
        live_settings.clickhouse_url,
        live_settings.clickhouse_database,
        tmp_path / "sink.log",
    )
    yield made
    made.close()


@pytest.fixture
async def whole(live_settings: ApiSettings, own_broker: Broker, lab: Lab) -> AsyncIterator[Whole]:
    await asyncio.to_thread(lab.start)
    async with running(live_settings) as api:
        await following(api)
        yield Whole(api, lab, own_broker)
