"""Statement and data of an INSERT are told apart without looking into the data."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echoarb.stack.statements import split_insert


@pytest.mark.parametrize(
    ("text", "statement", "data_format", "data"),
    [
        (b"INSERT INTO t FORMAT Native\nDATA", "INSERT INTO t ", "Native", b"DATA"),
        (b"insert into `a.b` (x) format Avro\n\nD", "insert into `a.b` (x) ", "Avro", b"\nD"),
        (b"INSERT INTO t FORMAT CSV 1,2", "INSERT INTO t ", "CSV", b"1,2"),
        (b"INSERT INTO t FORMAT CSV", "INSERT INTO t ", "CSV", b""),
        (b"INSERT INTO t FORMAT CSV;\n1", "INSERT INTO t ", "CSV", b"1"),
        (
            b'/* FORMAT X */ INSERT INTO t (`format`, "a\'b") -- FORMAT Y\n FORMAT Z\n',
            '/* FORMAT X */ INSERT INTO t (`format`, "a\'b") -- FORMAT Y\n ',
            "Z",
            b"",
        ),
        (
            b"INSERT INTO t (format) SETTINGS a='FORMAT B' FORMAT TSV\nq",
            "INSERT INTO t (format) SETTINGS a='FORMAT B' ",
            "TSV",
            b"q",
        ),
    ],
)
def test_insert_with_data(text: bytes, statement: str, data_format: str, data: bytes) -> None:
    insert = split_insert(text)
    assert insert is not None
    assert (insert.statement + insert.settings, insert.format) == (statement, data_format)
    assert text[insert.data_offset :] == data


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"SELECT 1 FORMAT JSON",
        b"INSERT INTO t VALUES (1, 'FORMAT Native')",
        b"INSERT INTO t SELECT 1 FORMAT Native",
        b"INSERT INTO t (a) WITH x AS (SELECT 1) SELECT * FROM x FORMAT CSV",
        b"INSERT INTO t FORMAT",
        b"CREATE TABLE insert (a Int8)",
    ],
)
def test_other_statements(text: bytes) -> None:
    assert split_insert(text) is None


@given(st.binary())
def test_data_is_never_touched(data: bytes) -> None:
    head = b"INSERT INTO t (a, b) FORMAT Native\n"
    insert = split_insert(head + data)
    assert insert is not None
    assert insert.data_offset == len(head)


@given(st.binary())
def test_any_bytes_are_survived(text: bytes) -> None:
    try:
        split_insert(text)
    except UnicodeDecodeError:
        pass
