"""The sink's job as a stock Faust agent does it: decode each record, insert columns, acknowledge.

Run as a process of its own: ``python -m bench.stock_faust BOOTSTRAP CLICKHOUSE DATABASE ROWS``.
It is written as fast as stock Faust allows: ``noack_take``, so that a failed insert loses nothing,
fastavro's schemaless reader, and clickhouse-connect's columnar insert of whole batches.
"""

from __future__ import annotations

import asyncio
import io
import sys
import tempfile
from typing import Any

import clickhouse_connect
import fastavro
import faust

from schemas.codec import parsed_schema
from schemas.framing import HEADER_SIZE
from schemas.topics import ticks_topic


async def main(bootstrap: str, url: str, database: str, rows: int) -> None:
    """Store the Kalshi ticks in batches of ``rows``, until killed."""
    app = faust.App(
        "bench-stock-faust",
        broker=f"kafka://{bootstrap}",
        datadir=tempfile.mkdtemp(prefix="bench-"),
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        stream_wait_empty=False,
        broker_session_timeout=6,
        broker_request_timeout=40,
        consumer_max_fetch_size=2 << 20,
    )
    client = await clickhouse_connect.get_async_client(
        dsn=url, database=database, autogenerate_session_id=False, compress=False
    )
    schema = parsed_schema("tick")
    fields = [field["name"] for field in schema["fields"]]
    columns = [*fields, "topic_id", "kafka_partition", "kafka_offset", "append_ts"]
    topic = app.topic(ticks_topic("kalshi"), key_serializer="raw", value_serializer="raw")

    @app.agent(topic)
    async def store(stream: Any) -> None:
        async for events in stream.noack_take(rows, within=10):
            table = [row(event.message) for event in events]
            await client.insert(
                "ticks",
                table,
                column_names=columns,
                settings={"async_insert": 0, "insert_deduplication_token": str(events[0].message)},
            )
            for event in events:
                await stream.ack(event)

    def row(message: Any) -> list[Any]:
        values: Any = fastavro.schemaless_reader(
            io.BytesIO(message.value[HEADER_SIZE:]), schema, None
        )
        return [
            *(values[name] for name in fields),
            "00000000-0000-0000-0000-000000000001",
            message.partition,
            message.offset,
            int(message.timestamp * 1_000_000),
        ]

    await app.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
