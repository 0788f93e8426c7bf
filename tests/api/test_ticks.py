"""GET /api/v1/ticks against the real engine: filters, cursors, forms, doubles."""

from __future__ import annotations

import csv
import dataclasses
import io
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa

from schemas.clock import isoformat, parse_rfc3339
from schemas.tick import Tick
from tests.api.support import BASE_US, TOPIC, Api, Tables, make_tick

PATH = "/api/v1/ticks"
MIXED = [
    make_tick(0),
    make_tick(1, platform="polymarket", market_id="0xabc", outcome_id="111", outcome="Yes"),
    make_tick(2, platform="polymarket", market_id="0xabc", outcome_id="222", outcome="No"),
    make_tick(
        3,
        kind="trade",
        price=Decimal("0.43"),
        size=Decimal("7.00000001"),
        side="buy",
        source_ts=BASE_US - 5,
        volume=Decimal("1234567890.5"),
    ),
    make_tick(4, platform="manifold", market_id="m1", outcome_id="m1", outcome=None, bid=None),
]


async def walk(api: Api, **params: Any) -> list[dict[str, Any]]:
    """Follow next_cursor to the end."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = await api.get(PATH, **params, **cursor)
        found += page["data"]
        if page["next_cursor"] is None:
            return found
        assert len(page["data"]) == params["limit"]
        cursor = {"cursor": page["next_cursor"]}


async def test_a_tick_comes_back_as_it_was_stored(api: Api, tables: Tables) -> None:
    tables.insert("ticks", MIXED, TOPIC, partition=3, first=40)
    found = (await api.get(PATH, kind="trade"))["data"]
    assert len(found) == 1
    stored_ts = found[0].pop("stored_ts")
    assert parse_rfc3339(stored_ts) > 0
    assert found[0] == {
        "ingest_ts": isoformat(BASE_US + 3),
        "emit_ts": isoformat(BASE_US + 153),
        "source_ts": isoformat(BASE_US - 5),
        "platform": "kalshi",
        "market_id": "KXA-26",
        "outcome_id": "KXA-26",
        "outcome": "yes",
        "kind": "trade",
        "price": "0.43",
        "size": "7.00000001",
        "bid": "0.42",
        "bid_size": "100",
        "ask": "0.44",
        "ask_size": "12.5",
        "side": "buy",
        "volume": "1234567890.5",
        "open_interest": None,
        "sequence": 3,
        "tick_id": str(MIXED[3].tick_id),
        "topic_id": str(TOPIC),
        "kafka_partition": 3,
        "kafka_offset": 43,
        "append_ts": "2026-07-25T17:20:00.000043Z",
    }


FILTERS: list[tuple[dict[str, Any], list[int]]] = [
    ({}, [4, 3, 2, 1, 0]),
    ({"order": "asc"}, [0, 1, 2, 3, 4]),
    ({"platform": "polymarket"}, [2, 1]),
    ({"market": "0xabc"}, [2, 1]),
    ({"market": "0xabc", "outcome": "111"}, [1]),
    ({"outcome": "222"}, [2]),
    ({"kind": "quote"}, [4, 2, 1, 0]),
    ({"platform": "kalshi", "kind": "trade"}, [3]),
    ({"platform": "kalshi", "market": "0xabc"}, []),
    ({"since": isoformat(BASE_US + 3)}, [4, 3]),
    ({"until": isoformat(BASE_US + 3)}, [2, 1, 0]),
    ({"since": isoformat(BASE_US + 1), "until": isoformat(BASE_US + 3)}, [2, 1]),
    ({"since": "2026-07-25T19:20:00.000004+02:00"}, [4]),
    ({"since": isoformat(BASE_US + 9)}, []),
    ({"limit": 2}, [4, 3]),
]


async def test_each_parameter_filters(api: Api, tables: Tables) -> None:
    tables.insert("ticks", MIXED, TOPIC)
    for params, expected in FILTERS:
        page = await api.get(PATH, **params)
        assert [row["sequence"] for row in page["data"]] == expected, params
        assert (page["next_cursor"] is None) == (params != {"limit": 2})


async def test_a_walk_sees_every_record_once_in_order(api: Api, tables: Tables) -> None:
    topics = [UUID(int=TOPIC.int ^ bits) for bits in (0, 1 << 127, 1 << 60)]
    for topic in topics:  # all of them at only three instants
        for partition in (0, 1):
            ticks = [make_tick(at % 3, sequence=at) for at in range(4)]
            tables.insert("ticks", ticks, topic, partition)
    walks = [
        await walk(api, limit=limit, order=order)
        for order in ("asc", "desc")
        for limit in (1, 7, 23, 24, 25)
    ]
    for found in walks:
        places = [(row["topic_id"], row["kafka_partition"], row["kafka_offset"]) for row in found]
        assert len(set(places)) == len(places) == 24
    assert all(found == walks[0] for found in walks[:5])
    assert all(found == walks[0][::-1] for found in walks[5:])
    times = [row["ingest_ts"] for row in walks[0]]
    assert times == sorted(times)


async def test_a_record_stored_twice_is_seen_once(api: Api, tables: Tables) -> None:
    tables.client.command("SYSTEM STOP MERGES ticks")
    ticks = [make_tick(at // 3, sequence=at) for at in range(30)]
    tables.insert("ticks", ticks, TOPIC)
    for first in (4, 5, 6):  # other batch boundaries, as after a redelivery
        tables.insert("ticks", ticks[first : first + 20], TOPIC, first=first)
    assert tables.client.query("SELECT count() FROM ticks").result_rows == [(90,)]
    for limit in (1, 3, 10, 1000):
        found = await walk(api, limit=limit)
        assert sorted(row["sequence"] for row in found) == list(range(30))


async def test_a_walk_is_not_disturbed_by_newer_ticks(api: Api, tables: Tables) -> None:
    tables.insert("ticks", [make_tick(at) for at in range(10)], TOPIC)
    page = await api.get(PATH, limit=4)
    tables.insert("ticks", [make_tick(at) for at in range(10, 20)], TOPIC, first=10)
    rest = await api.get(PATH, limit=100, cursor=page["next_cursor"])
    assert [row["sequence"] for row in page["data"] + rest["data"]] == list(range(9, -1, -1))


async def test_json_csv_and_arrow_say_the_same(api: Api, tables: Tables) -> None:
    small = make_tick(9, bid=Decimal("0.00000001"), ask=Decimal("9999999999.99999999"))
    awkward = make_tick(10, outcome='Yes, "quoted"\nand broken', market_id="ü-=1+1")
    tables.insert("ticks", [*MIXED, small, awkward], TOPIC)
    rows = (await api.get(PATH))["data"]
    async with api.http.get(api.url + PATH, params={"format": "csv"}) as answer:
        assert answer.content_type == "text/csv"
        lines = list(csv.DictReader(io.StringIO(await answer.text(), newline="")))
    assert lines == [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in rows
    ]
    async with api.http.get(api.url + PATH, params={"format": "arrow"}) as answer:
        assert answer.content_type == "application/vnd.apache.arrow.stream"
        table = pa.ipc.open_stream(await answer.read()).read_all()
    assert table.schema.field("bid").type == pa.decimal128(18, 8)
    assert table.schema.field("ingest_ts").type == pa.timestamp("us", tz="UTC")
    assert table.column_names == list(rows[0])
    for row, other in zip(rows, table.to_pylist(), strict=True):
        for name, value in row.items():
            expected = value
            if name.endswith("_ts") and value is not None:
                us = int(other[name].timestamp()) * 1_000_000 + other[name].microsecond
                assert isoformat(us) == value
                continue
            if table.schema.field(name).type == pa.decimal128(18, 8) and value is not None:
                expected = Decimal(value)
            assert other[name] == expected, name
    assert [row["bid"] for row in rows if row["sequence"] == 9] == ["0.00000001"]
    assert [row["ask"] for row in rows if row["sequence"] == 9] == ["9999999999.99999999"]


ACCEPTED = [
    ("application/json", "application/json"),
    ("*/*", "application/json"),
    ("text/csv", "text/csv"),
    ("application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.stream"),
    ("text/html, text/csv;q=0.5", "text/csv"),
]


async def test_the_accept_header_chooses_the_form(api: Api) -> None:
    for accept, content_type in ACCEPTED:
        async with api.http.get(api.url + PATH, headers={"Accept": accept}) as answer:
            assert (answer.status, answer.content_type) == (200, content_type)


async def test_a_form_that_is_not_there_is_refused(api: Api) -> None:
    async with api.http.get(api.url + PATH, headers={"Accept": "image/png"}) as answer:
        assert (answer.status, answer.content_type) == (406, "application/problem+json")


async def test_the_link_header_continues_in_every_form(api: Api, tables: Tables) -> None:
    tables.insert("ticks", MIXED, TOPIC)
    params = {"format": "csv", "limit": "2", "kind": "quote"}
    seen: list[str] = []
    path: str | None = PATH
    while path:
        async with api.http.get(api.url + path, params=params) as answer:
            seen += [row["sequence"] for row in csv.DictReader(io.StringIO(await answer.text()))]
            assert ("next" in answer.links) == ("X-Next-Cursor" in answer.headers)
            path = answer.links["next"]["url"].raw_path_qs if "next" in answer.links else None
            params = {}
    assert seen == ["4", "2", "1", "0"]


async def test_the_largest_page_is_whole(api: Api, tables: Tables) -> None:
    base = make_tick()
    ticks: list[Tick] = [dataclasses.replace(base, sequence=at) for at in range(10_001)]
    tables.insert("ticks", ticks, TOPIC)
    page = await api.get(PATH, limit=10_000)
    assert len(page["data"]) == 10_000
    rest = await api.get(PATH, limit=10_000, cursor=page["next_cursor"])
    assert len(rest["data"]) == 1
    assert rest["next_cursor"] is None


async def test_text_that_is_no_utf8_does_not_spoil_the_page(api: Api, tables: Tables) -> None:
    """The sink doesn't decode: ClickHouse stores the bytes that a producer called text."""
    tables.insert("ticks", [make_tick(0)], TOPIC)
    tables.client.command(
        "INSERT INTO ticks (ingest_ts, platform, market_id, outcome_id, outcome, kind, topic_id, "
        "kafka_offset) SELECT ingest_ts, platform, market_id, outcome_id, unhex('ff41'), kind, "
        "topic_id, 1 FROM ticks"
    )
    tables.client.command(
        "INSERT INTO markets (platform, market_id, title, outcomes) "
        "VALUES ('kalshi', 'KXA-26', 'Rain?', [('KXA-26', unhex('ff41'))])"
    )
    page = await api.get(PATH)
    assert [row["outcome"] for row in page["data"]] == ["\ufffdA", "yes"]
    async with api.http.get(api.url + PATH, params={"format": "arrow"}) as answer:
        table = pa.ipc.open_stream(await answer.read()).read_all()
    table.validate(full=True)
    assert table.column("outcome").to_pylist() == ["\ufffdA", "yes"]
    [market] = (await api.get("/api/v1/markets"))["data"]
    assert market["outcomes"] == [{"outcome_id": "KXA-26", "outcome": "\ufffdA"}]
