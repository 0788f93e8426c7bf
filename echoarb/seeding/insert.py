"""Samples into ClickHouse, as rows that the sink could have written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

from clickhouse_connect.driver.exceptions import ClickHouseError

from echoarb.seeding.sample import PREFIX, Placed, topic_id
from schemas.errors import Fatal, Transient
from schemas.topics import PLATFORMS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLACE = ("topic_id", "kafka_partition", "kafka_offset", "append_ts", "stored_ts")
STORED_US = 700_000


def other_ticks(client: Any, database: str, seed: int) -> tuple[int, int]:
    """Return how many ticks are stored that are no samples, and how many samples of other seeds.

    Raises Fatal without our tables, Transient if ClickHouse is away.
    """
    own = ", ".join(f"'{topic_id(f'ticks.{platform}', seed)}'" for platform in PLATFORMS)
    sample = f"startsWith(market_id, '{PREFIX}')"
    sql = f"SELECT countIf(NOT {sample}), countIf({sample} AND topic_id NOT IN ({own})) FROM ticks"  # noqa: S608
    try:
        ((real, others),) = client.query(sql, settings={"database": database}).result_rows
    except ClickHouseError as error:
        if getattr(error, "code", None) in (60, 81):
            raise Fatal(f"database {database} has not our tables: run `echoarb migrate`") from error
        raise Transient(f"ClickHouse: {str(error).splitlines()[0][:200]}") from error
    return int(real), int(others)


def insert(client: Any, database: str, placed: Iterable[Placed]) -> dict[str, int]:
    """Insert records; return how many by table. Raises Transient."""
    by_table: dict[str, list[Placed]] = defaultdict(list)
    for each in placed:
        by_table[each.table].append(each)
    for table, found in by_table.items():
        names = [field.name for field in fields(found[0].record)]
        rows = [
            [
                *(_stored(name, getattr(each.record, name)) for name in names),
                *(each.topic_id, each.partition, each.offset, _time(each.append_us)),
                _time(each.append_us + STORED_US),
            ]
            for each in found
        ]
        try:
            client.insert(table, rows, column_names=[*names, *_PLACE], database=database)
        except ClickHouseError as error:
            raise Transient(f"ClickHouse: {str(error).splitlines()[0][:200]}") from error
    return {table: len(found) for table, found in by_table.items()}


def _time(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)


def _stored(name: str, value: Any) -> Any:
    if (name == "ts" or name.endswith("_ts")) and value is not None:
        return _time(value)
    if isinstance(value, tuple):  # of records: an Array(Tuple(...))
        return [
            tuple(_stored(part.name, getattr(item, part.name)) for part in fields(item))
            for item in value
        ]
    return value
