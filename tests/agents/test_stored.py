"""What is stored already is asked of a real ClickHouse and answered exactly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import hypothesis.strategies as st
import pytest
from hypothesis import given

from agents import stored
from agents.container import build, layout
from agents.records import Run
from agents.stored import Known, NeverRead, Stored
from agents.tables import TABLES
from agents.writer import Writer, classify
from schemas.codec import encode, parsed_schema
from schemas.errors import Fatal, Poison, Transient
from schemas.framing import frame
from schemas.settings import ClickHouseSettings

from .lab import tick
from .test_container import Message

FORM = layout(parsed_schema("tick"), TABLES[0].columns)


@given(st.sets(st.integers(0, 40)), st.integers(0, 40))
def test_known_holds_what_is_in_its_ranges(offsets: set[int], asked: int) -> None:
    starts = sorted(o for o in offsets if o - 1 not in offsets)
    ends = sorted(o for o in offsets if o + 1 not in offsets)
    assert Known(tuple(starts), tuple(ends), None).holds(asked) == (asked in offsets)


@pytest.fixture
async def writer(clickhouse: str, clickhouse_database: str) -> AsyncIterator[Writer]:
    made = Writer(
        ClickHouseSettings.load(clickhouse_url=clickhouse, clickhouse_database=clickhouse_database)
    )
    yield made
    await made.close()


def run_of(topic_id: UUID, offsets: list[int], partition: int = 1) -> Run:
    value = frame(1, encode(tick(1)))
    return Run("ticks.kalshi", topic_id, partition, [Message(o, 0, None, value) for o in offsets])


async def insert(writer: Writer, run: Run, token: str) -> None:
    await writer.insert("ticks", FORM.columns, build(FORM, [run]), token)


async def test_only_what_is_missing_is_left(writer: Writer) -> None:
    ours, other = uuid4(), uuid4()
    await insert(writer, run_of(ours, [5, 6, 7, 9]), "a")
    await insert(writer, run_of(ours, [6, 7]), "b")  # twice: not merged yet
    await insert(writer, run_of(ours, [8], partition=2), "c")
    await insert(writer, run_of(other, [10, 11]), "d")
    await writer.query(
        "INSERT INTO dead_letters (source_topic_id, source_partition, source_offset) "
        f"SELECT '{ours}', 1, 12"
    )
    known = Stored("ticks", writer.query)
    left = await known.missing(run_of(ours, list(range(4, 15))))
    assert [record.offset for record in left.records] == [4, 8, 10, 11, 13, 14]
    assert len((await known.missing(run_of(ours, [15, 16]))).records) == 2


async def test_what_is_known_is_answered_without_asking(writer: Writer) -> None:
    ours = uuid4()
    known = Stored("ticks", writer.query)
    await insert(writer, run_of(ours, [3, 4]), "a")
    assert known.missing_as_known(run_of(ours, [2, 3])) is None
    await known.missing(run_of(ours, [2, 3]))
    for offsets in ([2, 3, 4, 5], [6, 7]):
        run = run_of(ours, offsets)
        assert known.missing_as_known(run) == await known.missing(run)
    assert known.missing_as_known(run_of(ours, [stored.WINDOW + 2])) is None
    known.forget()
    assert known.missing_as_known(run_of(ours, [6])) is None


async def test_windows_follow_one_another(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "WINDOW", 10)
    ours = uuid4()
    await insert(writer, run_of(ours, list(range(25))), "a")
    known = Stored("ticks", writer.query)
    left = await known.missing(run_of(ours, list(range(30))))
    assert [record.offset for record in left.records] == [25, 26, 27, 28, 29]


async def test_reading_from_the_middle_of_what_was_never_stored(writer: Writer) -> None:
    ours = uuid4()
    known = Stored("ticks", writer.query)
    with pytest.raises(NeverRead):
        await known.missing(run_of(ours, [100, 101]))
    known.forget()
    assert len((await known.missing(run_of(ours, [100, 101]))).records) == 2  # said once


async def test_token_makes_a_repeated_insert_harmless(writer: Writer) -> None:
    run = run_of(uuid4(), [1, 2, 3])
    for token in ("x", "x", "long" * 1000, "long" * 1000):
        await insert(writer, run, token)
    assert await writer.query("SELECT count() FROM ticks") == [(6,)]
    assert await writer.query("SELECT count() FROM latest FINAL") == [(1,)]


@pytest.mark.parametrize("damage", [lambda d: d + b"\x00" * 8, lambda d: d[:-1], lambda d: b""])
@pytest.mark.parametrize("position", [0, 1, 2])
async def test_misaligned_batch_is_refused_whole(writer: Writer, damage, position: int) -> None:  # type: ignore[no-untyped-def]
    run = run_of(uuid4(), [1, 2, 3])
    record = run.records[position]
    value = frame(1, damage(record.value[5:]))
    records = [*run.records]
    records[position] = Message(record.offset, 0, None, value)
    with pytest.raises(Poison, match="insert"):
        await insert(writer, run.having(records), "bad")
    assert await writer.query("SELECT count() FROM ticks") == [(0,)]


async def test_what_errors_mean(writer: Writer, clickhouse: str) -> None:
    with pytest.raises(Fatal, match="migrate"):
        await writer.query("SELECT * FROM no_such_table")
    gone = Writer(ClickHouseSettings.load(clickhouse_url="http://127.0.0.1:9"))
    with pytest.raises(Transient):
        await gone.query("SELECT 1")
    nowhere = Writer(
        ClickHouseSettings.load(clickhouse_url=clickhouse, clickhouse_database="nowhere")
    )
    with pytest.raises(Fatal):
        await nowhere.query("SELECT 1")
    await nowhere.close()


def test_unknown_errors_are_tried_again() -> None:
    assert isinstance(classify(OSError("reset")), Transient)
    assert isinstance(classify(TimeoutError()), Transient)
