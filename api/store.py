"""ClickHouse, read through clickhouse-connect's asynchronous client: bounded queries only.

The ClickHouse user may be read-only, with ``readonly = 2``: limits are sent as settings.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp
import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import ClickHouseError

from api.formats import valid
from api.metrics import QUERY_SECONDS
from api.settings import ApiSettings
from api.sql import Query
from schemas.errors import EchoArbError, Transient
from schemas.logs import get_logger

log = get_logger("echoarb.api.store")

CONNECT_SECONDS = 3
PATIENCE_SECONDS = 2
"""What is given on top of the query's own limit before an answer is no longer waited for."""
_MISSING_TABLES = {60, 81}  # UNKNOWN_TABLE, UNKNOWN_DATABASE
_TOO_MUCH = {158, 241, 307, 396}  # rows to read, memory, bytes, result rows or bytes
_TOO_SLOW = {159, 160}  # TIMEOUT_EXCEEDED, TOO_SLOW
_BAD_STATEMENT = {6, 27, 36, 41, 42, 43, 46, 47, 53, 62, 69, 70, 386, 456, 457}
"""Codes of a wrong statement or parameter: our fault, and no use in trying again."""


class TooExpensive(EchoArbError):
    """The query went over a limit: it has to be narrowed."""


class Store:
    """Answers queries. Connects when first asked, and again after ClickHouse was away."""

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings
        self._client: AsyncClient | None = None
        self._connecting = asyncio.Lock()
        self._running = asyncio.Semaphore(settings.api_queries_at_once)
        self._limits: dict[str, Any] = {
            "max_execution_time": settings.api_query_seconds,
            "max_rows_to_read": settings.api_query_rows,
            "max_memory_usage": settings.api_query_memory_bytes,
        }

    async def table(self, query: Query) -> pa.Table:
        """Return the query's rows.

        Raises Transient if ClickHouse can't be reached or is busy, TooExpensive if the query went
        over a limit of rows, memory or time, EchoArbError if the statement is wrong.
        """
        started = time.perf_counter()
        deadline = self._settings.api_query_seconds + PATIENCE_SECONDS
        try:
            async with asyncio.timeout(deadline), self._running:
                client = await self._connected()
                table = await client.query_arrow(
                    query.sql, parameters=query.parameters, settings=self._limits, use_strings=True
                )
            return await asyncio.to_thread(valid, table)
        except (ClickHouseError, aiohttp.ClientError, OSError, pa.ArrowException) as error:
            raise _meaning(error) from error
        finally:
            QUERY_SECONDS.observe(time.perf_counter() - started)

    async def check(self) -> None:
        """Return if ClickHouse answers and has the tables; raise Transient otherwise."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                client = await self._connected()
                await client.command("SELECT 1 FROM ticks WHERE 0")
        except (ClickHouseError, aiohttp.ClientError, OSError) as error:
            raise _meaning(error) from error

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _connected(self) -> AsyncClient:
        async with self._connecting:
            if self._client is None:
                settings = self._settings
                user, password = settings.reader()
                self._client = await clickhouse_connect.get_async_client(
                    **settings.clickhouse_server(),
                    username=user,
                    password=password,
                    database=settings.clickhouse_database,
                    connect_timeout=CONNECT_SECONDS,
                    send_receive_timeout=int(settings.api_query_seconds + PATIENCE_SECONDS) + 1,
                    autogenerate_session_id=False,
                    query_retries=1,
                    compress=False,
                )
            return self._client


def _meaning(error: Exception) -> EchoArbError:
    code = getattr(error, "code", None)
    if code in _TOO_MUCH:
        return TooExpensive("the query reads too much")
    if code in _TOO_SLOW:
        return TooExpensive("the query takes too long")
    if code in _MISSING_TABLES:
        return Transient("ClickHouse has not our tables; run `echoarb migrate`")
    log.warning("ClickHouse failed", code=code, error=f"{type(error).__name__}: {error}"[:500])
    if code in _BAD_STATEMENT:
        return EchoArbError(f"ClickHouse refuses our statement, code {code}")
    return Transient("ClickHouse can't be reached or failed")
