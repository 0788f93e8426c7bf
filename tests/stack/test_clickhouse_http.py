"""ClickHouse over HTTP as clients see it: clickhouse-connect (sync, async) and plain HTTP."""

from __future__ import annotations

import gzip
import io
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import clickhouse_connect
import fastavro
import httpx
import lz4.frame
import pytest
import zstandard
from clickhouse_connect.driver.exceptions import DatabaseError

SCHEMA = fastavro.parse_schema(
    {
        "type": "record",
        "name": "row",
        "fields": [
            {"name": "k", "type": "long"},
            {"name": "name", "type": ["null", "string"]},
            {
                "name": "price",
                "type": [
                    "null",
                    {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 8},
                ],
            },
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        ],
    }
)
AT = datetime(2026, 8, 10, 22, 45, 0, 123456, tzinfo=UTC)
COLUMNS = ["k", "name", "price", "at"]


def avro(count: int, first: int = 0, sync_interval: int = 10**9) -> bytes:
    rows = [
        {"k": first + i, "name": None if i % 2 else f"n{i}", "price": Decimal("0.125"), "at": AT}
        for i in range(count)
    ]
    buffer = io.BytesIO()
    fastavro.writer(buffer, SCHEMA, rows, sync_interval=sync_interval)
    return buffer.getvalue()


@pytest.fixture
def database(clickhouse: str) -> Iterator[str]:
    name = f"front_{uuid.uuid4().hex[:12]}"
    client = clickhouse_connect.get_client(dsn=clickhouse)
    client.command(f"CREATE DATABASE {name}")
    client.command(
        f"CREATE TABLE {name}.t (k UInt64, name Nullable(String), price Nullable(Decimal(18, 8)), "
        "at DateTime64(6, 'UTC'), stored DateTime64(6, 'UTC') DEFAULT now64(6)) "
        "ENGINE = MergeTree ORDER BY k SETTINGS non_replicated_deduplication_window = 100"
    )
    yield name
    client.command(f"DROP DATABASE {name} SYNC")
    client.close()


@pytest.fixture
def client(clickhouse: str, database: str) -> Iterator[Any]:
    with clickhouse_connect.get_client(dsn=clickhouse, database=database) as client:
        yield client


@pytest.fixture
async def async_client(clickhouse: str, database: str) -> AsyncIterator[Any]:
    client = await clickhouse_connect.get_async_client(dsn=clickhouse, database=database)
    yield client
    await client.close()


def parts(client: Any) -> list[int]:
    rows = client.query(
        "SELECT rows FROM system.parts WHERE active AND database = currentDatabase() ORDER BY name"
    ).result_rows
    return [row[0] for row in rows]


def test_native_insert_and_query_keep_types(client: Any) -> None:
    client.insert("t", [[1, "a", Decimal("0.1"), AT], [2, None, None, AT]], column_names=COLUMNS)
    rows = client.query("SELECT k, name, price, at FROM t ORDER BY k", tz_mode="aware").result_rows
    assert rows == [(1, "a", Decimal("0.10000000"), AT), (2, None, None, AT)]


async def test_async_native_insert_and_query(async_client: Any) -> None:
    await async_client.insert("t", [[7, "x", None, AT]], column_names=COLUMNS)
    result = await async_client.query("SELECT k, name FROM t")
    assert result.result_rows == [(7, "x")]


@pytest.mark.parametrize("compression", [None, "gzip", "lz4", "zstd"])
def test_raw_avro_insert(client: Any, compression: str | None) -> None:
    pack: dict[str | None, Any] = {
        None: bytes,
        "gzip": gzip.compress,
        "lz4": lz4.frame.compress,
        "zstd": zstandard.ZstdCompressor().compress,
    }
    summary = client.raw_insert(
        "t",
        column_names=COLUMNS,
        insert_block=pack[compression](avro(1000)),
        fmt="Avro",
        compression=compression,
    )
    assert summary.written_rows == 1000
    query = "SELECT count(), countIf(name IS NULL), sum(price), min(at) FROM t"
    found = client.query(query, tz_mode="aware")
    assert found.result_rows == [(1000, 500, Decimal("125"), AT)]


async def test_async_raw_avro_insert(async_client: Any) -> None:
    await async_client.raw_insert("t", column_names=COLUMNS, insert_block=avro(10), fmt="Avro")
    assert (await async_client.query("SELECT count() FROM t")).result_rows == [(10,)]


def test_a_batch_is_one_part_however_it_is_cut(client: Any) -> None:
    client.command("SYSTEM STOP MERGES t")
    block = avro(200_000, sync_interval=16_000)
    client.raw_insert("t", column_names=COLUMNS, insert_block=block, fmt="Avro")
    assert parts(client) == [200_000]


@pytest.mark.parametrize("cut", [10, 1000, -20])
def test_a_broken_batch_stores_nothing(client: Any, cut: int) -> None:
    block = avro(50_000, sync_interval=16_000)[:cut]
    with pytest.raises(DatabaseError) as caught:
        client.raw_insert("t", column_names=COLUMNS, insert_block=block, fmt="Avro")
    assert caught.value.code is not None
    assert client.query("SELECT count() FROM t").result_rows == [(0,)]


def test_a_batch_that_the_table_refuses_is_reported(client: Any) -> None:
    client.command(
        "CREATE TABLE refusing (k Int64, x UInt8 DEFAULT throwIf(k = 7, 'no sevens')) "
        "ENGINE = MergeTree ORDER BY k"
    )
    with pytest.raises(DatabaseError, match="no sevens"):
        client.raw_insert("refusing", ["k"], b"6\n7\n8\n", fmt="TSV")
    assert client.command("SELECT count() FROM refusing") == 0


def test_settings_reach_the_statement_and_end_with_it(client: Any) -> None:
    token = {"insert_deduplication_token": "batch 'one'"}
    for _ in range(2):
        block = avro(10)
        client.raw_insert("t", column_names=COLUMNS, insert_block=block, fmt="Avro", settings=token)
    assert client.query("SELECT count() FROM t").result_rows == [(10,)]
    small = {"max_block_size": "7"}
    query = "SELECT getSetting('max_block_size')"
    assert client.query(query, settings=small).result_rows == [(7,)]
    assert client.query(query).result_rows != [(7,)]


def test_parameters_are_bound_by_the_server(client: Any) -> None:
    nasty = "it's \\ a\ttab\nand {x:String} -- '"
    names = ["a", "b'c"]
    result = client.query(
        "SELECT {x:String}, {names:Array(String)}, {at:DateTime64(6)}, {none:Nullable(String)}",
        parameters={"x": nasty, "names": names, "at": "2026-08-10 22:45:00.123456", "none": None},
    )
    assert result.result_rows[0][0] == nasty
    assert result.result_rows[0][1] == names
    assert result.result_rows[0][3] is None


def test_parameters_in_a_form(clickhouse: str, database: str) -> None:
    with clickhouse_connect.get_client(
        dsn=clickhouse, database=database, form_encode_query_params=True
    ) as client:
        result = client.query("SELECT {x:String}", parameters={"x": "y" * 100_000})
        assert result.result_rows == [("y" * 100_000,)]


def test_empty_result_keeps_its_columns(client: Any) -> None:
    result = client.query("SELECT k, name FROM t LIMIT 0")
    assert result.column_names == ("k", "name")


def test_stream_and_arrow(client: Any) -> None:
    with client.query_row_block_stream("SELECT number FROM numbers(200000)") as stream:
        assert sum(len(block) for block in stream) == 200_000
    assert client.query_arrow("SELECT number FROM numbers(10)").num_rows == 10


@pytest.mark.parametrize(
    ("statement", "code", "status"),
    [
        ("SELECT nope", 47, 404),
        ("SELECT * FROM no_such_table", 60, 404),
        ("SELECT 1 +", 62, 400),
        ("SELECT throwIf(1)", 395, 500),
        ("INSERT INTO t (k) FORMAT NoSuchFormat\nx", 73, 404),
        ("INSERT INTO t (k) FORMAT JSONEachRow\n{broken", None, None),
        (b"SELECT '\xff\xfe'", 62, 400),
        ("SELECT toUUID(unhex('ff'))", 376, 500),  # its text has the byte, which is no UTF-8
    ],
)
def test_errors_have_clickhouse_form(
    clickhouse: str, database: str, statement: Any, code: int | None, status: int | None
) -> None:
    answer = httpx.post(clickhouse, params={"database": database}, content=statement)
    assert answer.status_code >= 400
    if code is not None:
        assert answer.headers["X-ClickHouse-Exception-Code"] == str(code)
        assert answer.status_code == status
    assert answer.text.startswith(f"Code: {answer.headers['X-ClickHouse-Exception-Code']}. DB::")


def test_unknown_setting_and_hostile_names_are_refused(clickhouse: str) -> None:
    for name in ("no_such_setting", "x'; DROP TABLE t; --"):
        answer = httpx.post(clickhouse, params={name: "1"}, content="SELECT 1")
        assert answer.headers["X-ClickHouse-Exception-Code"] == "115", name


def test_get_reads_and_does_not_write(clickhouse: str, database: str) -> None:
    read = httpx.get(clickhouse, params={"query": "SELECT 1 AS x FORMAT JSON"})
    assert read.json()["data"] == [{"x": 1}]
    write = httpx.get(clickhouse, params={"query": f"DROP TABLE {database}.t"})
    assert write.headers["X-ClickHouse-Exception-Code"] == "164"
    assert httpx.get(clickhouse).text == "Ok.\n"
    assert httpx.get(f"{clickhouse}/ping").text == "Ok.\n"


def test_statement_in_url_data_in_body(clickhouse: str, database: str) -> None:
    """What Grafana's plugin and most HTTP clients do, with their ways to sign in."""
    params = {"database": database, "query": "INSERT INTO t (k, name, at) FORMAT CSV"}
    for k, auth, headers in (
        (1, ("default", ""), {}),
        (2, None, {"X-ClickHouse-User": "grafana", "X-ClickHouse-Key": "secret"}),
    ):
        body = f'{k},"FORMAT Native",2026-01-01 00:00:00\n'
        answer = httpx.post(clickhouse, params=params, content=body, auth=auth, headers=headers)
        assert answer.status_code == 200, answer.text
        assert json.loads(answer.headers["X-ClickHouse-Summary"])["written_rows"] == "1"
    counted = httpx.post(clickhouse, params={"database": database}, content="SELECT count() FROM t")
    assert counted.text == "2\n"


@pytest.mark.parametrize("encoding", ["gzip", "lz4", "zstd", "deflate"])
def test_answers_are_packed_as_asked(clickhouse: str, encoding: str) -> None:
    params = {"enable_http_compression": "1"}
    request = httpx.Request(
        "POST", clickhouse, params=params, content="SELECT 1", headers={"Accept-Encoding": encoding}
    )
    with httpx.Client() as client:
        answer = client.send(request, stream=True)
        packed = b"".join(answer.iter_raw())
    assert answer.headers["Content-Encoding"] == encoding
    assert packed != b"1\n"


def test_broken_and_unknown_encodings(clickhouse: str) -> None:
    for encoding in ("gzip", "lz4", "zstd", "deflate", "br", "nonsense"):
        headers = {"Content-Encoding": encoding}
        answer = httpx.post(clickhouse, content=b"not packed", headers=headers)
        assert answer.headers["X-ClickHouse-Exception-Code"] == "354", encoding


def test_web_pages_are_kept_away(clickhouse: str) -> None:
    foreign = httpx.post(clickhouse, content="SELECT 1", headers={"Origin": "http://evil.example"})
    rebound = httpx.post(clickhouse, content="SELECT 1", headers={"Host": "evil.example"})
    assert (foreign.status_code, rebound.status_code) == (403, 403)
    own = httpx.post(clickhouse, content="SELECT 1", headers={"Origin": "http://localhost:8000"})
    assert own.status_code == 200


def test_readers_go_on_while_a_long_query_runs(clickhouse: str) -> None:
    slow = "SELECT sleepEachRow(1) FROM numbers(3) SETTINGS max_block_size = 1"
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(httpx.post, clickhouse, content=slow, timeout=60)
        answered = 0
        while not running.done():
            assert httpx.post(clickhouse, content="SELECT 1", timeout=60).text == "1\n"
            answered += 1
        assert running.result().status_code == 200
    assert answered >= 2
