"""Fixtures of the deployment's tests."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator

import clickhouse_connect
import httpx
import pytest

from schemas.migrate import RetentionSettings, migrate
from tests.deploy.board_data import Filled, fill
from tests.deploy.boards import ClickHouse
from tests.deploy.compose import Stack


@pytest.fixture(scope="session")
def filled(clickhouse: str) -> Iterator[tuple[ClickHouse, Filled]]:
    """A database of samples, for the boards."""
    name = f"boards_{uuid.uuid4().hex[:12]}"
    client = clickhouse_connect.get_client(dsn=clickhouse, autogenerate_session_id=False)
    migrate(client, name, RetentionSettings.load().by_table())
    client.database = name
    with httpx.Client(trust_env=False, timeout=60) as http:
        yield ClickHouse(clickhouse, name, http), fill(client, name)
    client.command(f"DROP DATABASE {name} SYNC")
    client.close()


@pytest.fixture(scope="session")
def compose_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """docker-compose.kafka.yml, up on podman with simulated venues.

    The last module that uses it ends it: its two dozen processes would go on beside all tests that
    come after.
    """
    with contextlib.ExitStack() as ending:
        stack = ending.enter_context(Stack(tmp_path_factory.mktemp("compose")).up())
        stack.end = ending.close
        yield stack
