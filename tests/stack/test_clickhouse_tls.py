"""ClickHouse over TLS, through each client that we have: the sink's, the API's, the commands'."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from agents.writer import Writer
from api.settings import ApiSettings
from api.store import Store
from echoarb.stack.clickhouse_client import connect
from schemas.errors import Transient
from tests.tls import Authority, front

Ask = Callable[[ApiSettings], Awaitable[None]]


async def sink(settings: ApiSettings) -> None:
    writer = Writer(settings)
    try:
        assert await writer.query("SELECT 1") == [(1,)]
    finally:
        await writer.close()


async def api(settings: ApiSettings) -> None:
    store = Store(settings)
    try:
        await store.check()
    finally:
        await store.close()


async def commands(settings: ApiSettings) -> None:
    def one() -> object:
        client = connect(settings)
        try:
            return client.command("SELECT 1")
        finally:
            client.close()

    assert await asyncio.to_thread(one) == 1  # it blocks, and the front is in this loop


@pytest.mark.parametrize("ask", [sink, api, commands])
async def test_https_is_spoken_and_certificates_are_verified(
    ask: Ask, clickhouse: str, clickhouse_database: str, tmp_path: Path
) -> None:
    ours, others = Authority(tmp_path, "ours"), Authority(tmp_path, "others")
    address = clickhouse.removeprefix("http://")
    async with front(address, ours, asks_who=False) as (port, answered):

        def settings(scheme: str, authority: Authority) -> ApiSettings:
            return ApiSettings(
                _env_file=None,
                clickhouse_url=f"{scheme}://127.0.0.1:{port}",
                clickhouse_database=clickhouse_database,
                clickhouse_ca_file=str(authority.file),
            )

        for wrong in (settings("https", others), settings("http", ours)):
            with pytest.raises(Transient):
                await ask(wrong)
            assert not answered.is_set()
        await ask(settings("https", ours))
        assert answered.is_set()
