"""Inserting container files into ClickHouse, and what its errors mean."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

import aiohttp
import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.errors import EchoArbError, Fatal, Poison, Transient
from schemas.settings import ClickHouseSettings

TOKEN_LIMIT = 1000
"""Longest deduplication token sent as it is; a longer one is hashed."""

POISON_CODES = frozenset(
    {
        *(6, 26, 27, 32, 33, 34, 38, 41, 69, 70, 72, 117, 128, 131, 321, 349, 376, 407, 549, 675),
        395,  # the guards differ: a datum ends early or late
    }
)
"""ClickHouse's codes for data that can't be read or doesn't fit its column."""
FAILURES = (ClickHouseError, aiohttp.ClientError, OSError, TimeoutError)
"""What the client raises when ClickHouse refuses or can't be reached."""
TOO_MANY_PARTS = 252
STD_EXCEPTION = 1001
FATAL_CODES = frozenset(
    {8, 16, 36, 44, 46, 47, 50, 53, 60, 62, 81, 115, 164, 192, 193, 194, 497, 516}
)
"""Codes that no retry heals: the table is another, the user may not, the statement is wrong."""


def classify(error: Exception) -> EchoArbError:
    """Return what an error from ClickHouse means: Poison("insert"), Fatal or Transient."""
    code = getattr(error, "code", None)
    text = str(error)
    brief = text.splitlines()[0][:300] if text else type(error).__name__
    if code in POISON_CODES or (code == STD_EXCEPTION and "avro::Exception" in text):
        return Poison("insert", brief)
    if code == TOO_MANY_PARTS and "single INSERT block" in text:
        return Poison("insert", brief)  # halves span fewer days, a single row spans one
    if code in FATAL_CODES:
        return Fatal(f"ClickHouse refuses: {brief}; is the schema applied? (echoarb migrate)")
    return Transient(f"ClickHouse: {brief}")


class Writer:
    """An HTTP client to ClickHouse that connects when it is first used."""

    def __init__(self, settings: ClickHouseSettings, *, timeout_seconds: float = 20) -> None:
        self._settings = settings
        self._timeout = timeout_seconds
        self._client: Any = None
        self._connecting = asyncio.Lock()

    async def insert(self, table: str, columns: Sequence[str], body: bytes, token: str) -> None:
        """Insert a container file as one block.

        A repetition with the same ``token`` changes nothing. Raises Poison("insert") if a row can't
        be read, and then nothing is stored; Transient, after which it may be stored or not; Fatal.
        """
        if len(token) > TOKEN_LIMIT:
            token = hashlib.blake2b(token.encode(), digest_size=32).hexdigest()
        settings = {
            "async_insert": 0,
            "insert_deduplicate": 1,
            "insert_deduplication_token": token,
            # One block, so that the insert is stored whole or not at all.
            "max_insert_threads": 1,
            "max_insert_block_size": 1_000_000,
            "min_insert_block_size_rows": 1_000_000,
        }
        if self._settings.clickhouse_cluster:
            # Acknowledged by most replicas, or offsets would be committed that one disk can lose.
            settings["insert_quorum"] = "auto"
        client = await self._connected()
        try:
            async with asyncio.timeout(self._timeout):
                await client.raw_insert(table, list(columns), body, settings, fmt="Avro")
        except FAILURES as error:
            raise classify(error) from error

    async def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query. Raises Transient, Fatal."""
        client = await self._connected()
        try:
            async with asyncio.timeout(self._timeout):
                return list((await client.query(statement)).result_rows)
        except FAILURES as error:
            raise classify(error) from error

    async def _connected(self) -> Any:
        async with self._connecting:
            if self._client is None:
                settings = self._settings
                try:
                    async with asyncio.timeout(self._timeout):
                        self._client = await clickhouse_connect.get_async_client(
                            **settings.clickhouse_server(),
                            username=settings.clickhouse_user,
                            password=settings.clickhouse_password.get_secret_value(),
                            database=settings.clickhouse_database,
                            connect_timeout=5,
                            send_receive_timeout=int(self._timeout),
                            autogenerate_session_id=False,
                            compress=False,
                        )
                except FAILURES as error:
                    raise classify(error) from error
            return self._client

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()
