"""How many bytes a tick takes in Kafka and in ClickHouse, asked of a stack that runs.

    make up ARGS="--rate 1000"            (in another terminal, for some minutes)
    python -m bench.bytes --json

Kafka: the ticks topics are read and packed anew, by aiokafka's builder of the format that brokers
keep on disk, with every codec and in batches of several sizes. ClickHouse: the tables are merged
(OPTIMIZE FINAL: not for a database that others wait for), then asked for their parts' bytes on
disk, which include keys, marks and indices. One replica of each.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import clickhouse_connect
import typer
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, TopicPartition

from schemas.topics import TICKS

CODECS = {"none": 0, "gzip": 1, "lz4": 3, "zstd": 4}
"""Kafka's numbers of what batches may be compressed with; snappy is not offered by our producer."""
SIZES = (1, 10, 100, 1000)
"""Records a batch."""
PARTS = """
SELECT table, sum(rows), sum(bytes_on_disk), sum(data_uncompressed_bytes)
FROM system.parts WHERE active AND database = {database:String}
GROUP BY table ORDER BY table
"""
COLUMNS = """
SELECT name, data_compressed_bytes FROM system.columns
WHERE database = {database:String} AND table = 'ticks' ORDER BY data_compressed_bytes DESC
"""

MERGED = """
SELECT name FROM system.tables WHERE database = {database:String} AND engine LIKE '%MergeTree'
"""


@dataclass(frozen=True, slots=True)
class Record:
    """What a Kafka record weighs: when it was made, its key and its value."""

    timestamp: int
    key: bytes | None
    value: bytes | None


def batch(records: Sequence[Record], codec: str) -> bytearray:
    """Return one batch as a broker keeps it."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=CODECS[codec],
        is_transactional=0,
        producer_id=1,
        producer_epoch=0,
        base_sequence=0,
        batch_size=2**31 - 1,
    )
    for offset, each in enumerate(records):
        builder.append(offset, each.timestamp, each.key, each.value, [])
    built: bytearray = builder.build()
    return built


def batched(records: Sequence[Record], codec: str, size: int) -> int:
    """Return the bytes of records on a broker's disk, ``size`` to a batch."""
    firsts = range(0, len(records), size)
    return sum(len(batch(records[first : first + size], codec)) for first in firsts)


def kafka(bootstrap: str, most: int) -> dict[str, Any]:
    """Return bytes per tick by topic, codec and records a batch."""
    found: dict[str, Any] = {}
    for topic in TICKS:
        partitions = [list(each) for each in _read(bootstrap, topic.name, topic.partitions, most)]
        count = sum(map(len, partitions))
        if count:
            value = sum(len(each.value or b"") for records in partitions for each in records)
            found[topic.name] = {"ticks": count, "value": round(value / count, 1)}
            for codec in CODECS:
                found[topic.name][codec] = {
                    str(size): round(
                        sum(batched(each, codec, size) for each in partitions) / count, 1
                    )
                    for size in SIZES
                }
    return found


def _read(bootstrap: str, topic: str, partitions: int, most: int) -> Iterator[Iterator[Record]]:
    """Give the records of each partition, from its first to what is its last now."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "echoarb-bench-bytes"})
    try:
        for partition in range(partitions):
            place = TopicPartition(topic, partition)
            first, end = consumer.get_watermark_offsets(place, timeout=10)
            consumer.assign([TopicPartition(topic, partition, first)])
            yield _until(consumer, min(end, first + most // partitions))
    finally:
        consumer.close()


def _until(consumer: Consumer, end: int) -> Iterator[Record]:
    position = 0
    while position < end:
        messages = consumer.consume(10_000, 5)
        if not messages:
            return
        for message in messages:
            error, offset = message.error(), message.offset()
            if error is not None:
                raise RuntimeError(error.str())
            assert offset is not None
            position = offset + 1
            if position <= end:
                yield Record(message.timestamp()[1], message.key(), message.value())


def tables(client: Client, database: str) -> dict[str, Any]:
    """Return rows, and bytes on disk per row and per tick, by table; and the columns of ticks."""
    ticks = client.query("SELECT count() FROM ticks").result_rows[0][0]
    found: dict[str, Any] = {"ticks": ticks}
    rows = client.query(PARTS, parameters={"database": database}).result_rows
    for table, count, size, raw in rows:
        if not count or table == "schema_migrations":
            continue
        found[table] = {
            "rows": count,
            "bytes_per_row": round(size / count, 1),
            "bytes_per_tick": round(size / ticks, 2) if ticks else None,
            "compressed_to": round(size / raw, 3),
        }
    columns = client.query(COLUMNS, parameters={"database": database}).result_rows
    found["columns_of_ticks"] = {
        name: round(size / ticks, 2) for name, size in columns if ticks and size
    }
    return found


def merge(client: Client, database: str) -> None:
    """Merge each table's parts, as ClickHouse does by itself in time."""
    for (table,) in client.query(MERGED, parameters={"database": database}).result_rows:
        client.command(f"OPTIMIZE TABLE {table} FINAL")


def main(
    brokers: Annotated[str, typer.Option("--kafka", help="host:port; empty = leave it out")] = (
        "127.0.0.1:9092"
    ),
    clickhouse: Annotated[str, typer.Option(help="Its HTTP URL")] = "http://127.0.0.1:8123",
    database: Annotated[str, typer.Option()] = "echoarb",
    most: Annotated[int, typer.Option(help="Records read of a topic", min=1000)] = 300_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure the bytes that a tick takes in Kafka and in ClickHouse."""
    found: dict[str, Any] = {"kafka": kafka(brokers, most) if brokers else {}}
    client = clickhouse_connect.get_client(
        dsn=clickhouse, database=database, autogenerate_session_id=False
    )
    merge(client, database)
    found["clickhouse"] = tables(client, database)
    client.close()
    print(json.dumps(found) if as_json else json.dumps(found, indent=2))


if __name__ == "__main__":
    typer.run(main)
