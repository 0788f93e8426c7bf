"""The markets that connectors have seen, as ClickHouse has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError

from schemas.errors import Fatal, Transient

_COLUMNS = "platform, market_id, title, status, outcomes, fee_type, fee_rate, close_ts"
MOST = 300_000
"""Open markets that are compared at most, those seen last first."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A market. ``outcomes`` are (outcome id, label); ``fee_known`` whether it names its fee."""

    platform: str
    market_id: str
    title: str
    status: str
    outcomes: tuple[tuple[str, str], ...]
    fee_known: bool
    close: datetime | None


def of_pairs(client: Any, database: str, places: Sequence[tuple[str, str]]) -> list[Seen]:
    """Return the markets at these places, (platform, market id), as far as they were seen.

    Raises Transient if ClickHouse can't be reached, Fatal if it has not our tables.
    """
    return _read(
        client,
        f"SELECT {_COLUMNS} FROM markets FINAL WHERE (platform, market_id) IN "  # noqa: S608
        "arrayZip({platforms:Array(String)}, {ids:Array(String)})",
        database,
        platforms=[platform for platform, _ in places],
        ids=[market_id for _, market_id in places],
    )


def open_markets(client: Any, database: str) -> list[Seen]:
    """Return the open markets, at most MOST. Raises as ``of_pairs`` does."""
    return _read(
        client,
        f"SELECT {_COLUMNS} FROM markets FINAL WHERE status = 'open' "  # noqa: S608
        "ORDER BY seen_ts DESC LIMIT {most:UInt32}",
        database,
        most=MOST,
    )


def _read(client: Any, sql: str, database: str, **parameters: Any) -> list[Seen]:
    try:
        found = client.query(sql, parameters=parameters, settings={"database": database})
    except DatabaseError as error:
        raise Fatal(f"ClickHouse: {error}; has `echoarb migrate` been run?") from error
    except ClickHouseError as error:
        raise Transient(f"ClickHouse can't be reached: {error}") from error
    return [_seen(row) for row in found.named_results()]


def _seen(row: dict[str, Any]) -> Seen:
    return Seen(
        platform=row["platform"],
        market_id=row["market_id"],
        title=row["title"],
        status=row["status"],
        outcomes=tuple(
            (each["outcome_id"], each["outcome"]) if isinstance(each, dict) else (each[0], each[1])
            for each in row["outcomes"]
        ),
        fee_known=row["fee_rate"] is not None
        and (row["platform"] != "kalshi" or row["fee_type"] is not None),
        close=row["close_ts"],
    )
