"""Native blocks in the revision that clickhouse-go, and so Grafana's plugin, asks for."""

from __future__ import annotations

import contextlib

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from echoarb.stack.native import BLOCK_INFO, NOT_SPARSE, Unsupported, upgraded

REVISION = 54460
"""What clickhouse-go 2.50 sends."""
ONE = b"\x01\x01\x011\x05UInt8\x01"
"""SELECT 1: one column, one row."""

VALUES = [
    "number",
    "toString(number)",
    "toFixedString('abc', 3)",
    "toDate('2026-01-01')",
    "toDateTime('2026-01-01 00:00:00', 'UTC')",
    "toDateTime64('2026-01-01 00:00:00', 6, 'UTC')",
    "toDecimal32(1, 2)",
    "toDecimal64(1, 8)",
    "toDecimal128(1, 8)",
    "toDecimal256(1, 8)",
    "generateUUIDv4()",
    "toFloat32(number)",
    "toInt256(number)",
    "toIPv6('::1')",
    "number % 2 = 0",
    "CAST('a', 'Enum8(\\'a\\' = 1, \\'b, (c\\' = 2)')",
    "if(number % 2 = 0, NULL, toString(number))",
    "[toString(number), 'b']",
    "arrayMap(x -> x, range(number % 3))",
    "[[1], [2, 3]]",
    "map('k', number)",
    "tuple(number, 'z')",
    "CAST((number, 'z'), 'Tuple(a UInt64, `b c` Nullable(String))')",
    "toLowCardinality(toString(number % 3))",
    "CAST(if(number = 1, NULL, 'q'), 'LowCardinality(Nullable(String))')",
    "arrayMap(x -> toLowCardinality(x), ['p', 'q'])",
    "map(toLowCardinality('k'), [number])",
    "[]",
    "toIntervalDay(number)",
]


@pytest.mark.parametrize("value", VALUES)
def test_every_type_is_walked_to_its_end(clickhouse: str, value: str) -> None:
    """A second column and a second block show that the first was left at the right byte."""
    query = f"SELECT {value} AS v, toUInt8(7) AS last FROM numbers(20) SETTINGS max_block_size = 10"  # noqa: S608
    plain = httpx.post(clickhouse, params={"default_format": "Native"}, content=query)
    assert plain.status_code == 200, plain.text
    blocks = plain.content.count(b"\x04last\x05UInt8" + b"\x07" * 10)
    assert blocks in (1, 2)
    whole = upgraded(plain.content, REVISION)
    assert len(whole) == len(plain.content) + blocks * (len(BLOCK_INFO) + 2 * len(NOT_SPARSE))
    assert whole.count(b"\x04last\x05UInt8" + NOT_SPARSE + b"\x07" * 10) == blocks


def test_the_server_gives_what_is_asked_for(clickhouse: str) -> None:
    def ask(revision: str, query: str = "SELECT 1") -> httpx.Response:
        params = {"default_format": "Native", "client_protocol_version": revision}
        return httpx.post(clickhouse, params=params, content=query)

    assert ask("0").content == ONE
    assert ask("54405").content == ONE
    assert ask(str(REVISION)).content == BLOCK_INFO + ONE[:-1] + NOT_SPARSE + ONE[-1:]
    assert ask(str(REVISION), "SELECT 1 FORMAT TSV").content == b"1\n"
    assert ask(str(REVISION), "SELECT 1 WHERE 0").content == b""
    for revision in ("99999", "many"):
        assert ask(revision).headers["X-ClickHouse-Exception-Code"] == "48"


def test_a_type_that_is_not_known_is_refused() -> None:
    data = b"\x01\x01\x01v\x04JSON\x01"
    with pytest.raises(Unsupported, match="JSON"):
        upgraded(data, REVISION)


@given(st.binary(max_size=200), st.sampled_from([b"", ONE, b"\x01\x01\x01v\x0dArray(String)"]))
def test_broken_data_ends_in_an_error_or_an_answer(data: bytes, head: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert len(upgraded(head + data, REVISION)) > len(data) - 1
