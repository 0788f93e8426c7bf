"""Migrations on the real engine: applied once, in order, and only as they were written."""

# ruff: noqa: S608 (statements of our own making)
from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import clickhouse_connect
import pytest

from schemas import migrate as module
from schemas.codec import RECORDS, parsed_schema
from schemas.errors import ConfigurationError, Fatal, Transient
from schemas.migrate import Migration, RetentionSettings, load, migrate, pending

TABLE_OF = {
    **{"tick": "ticks", "gap": "gaps", "market": "markets", "deadletter": "dead_letters"},
    **{"latency": "latency", "spread": "spreads", "alert": "alerts"},
}
DAYS = {
    **{"ticks": 30, "gaps": 90, "latency": 90, "spreads": 90, "alerts": 90},
    **{"candles": 730, "dead_letters": 90},
}


@pytest.fixture
def client(clickhouse: str) -> Iterator[Any]:
    made = clickhouse_connect.get_client(dsn=clickhouse, autogenerate_session_id=False)
    yield made
    made.close()


@pytest.fixture
def database(client: Any) -> Iterator[str]:
    name = f"migrate_{uuid.uuid4().hex[:12]}"
    yield name
    client.command(f"DROP DATABASE IF EXISTS {name} SYNC")


def test_dry_run_says_and_changes_nothing(client: Any, database: str) -> None:
    said = migrate(client, database, DAYS, dry_run=True)
    assert client.query(
        f"SELECT count() FROM system.databases WHERE name = '{database}'"
    ).result_rows == [(0,)]
    assert migrate(client, database, DAYS) == said
    assert migrate(client, database, DAYS) == []
    recorded = client.query(f"SELECT name FROM {database}.schema_migrations ORDER BY version")
    assert [row[0] for row in recorded.result_rows] == [migration.name for migration in load()]


def test_a_cluster_gets_replicated_tables_on_every_server(client: Any, database: str) -> None:
    said = migrate(client, database, DAYS, cluster="main", dry_run=True)
    plain = migrate(client, database, DAYS, dry_run=True)
    assert len(said) == len(plain) > 20
    for statement, before in zip(said, plain, strict=True):
        # The engine's own parser: it has no Keeper, so that more can't be asked of it.
        client.query("SELECT formatQuery({sql:String})", parameters={"sql": statement})
        assert (" ON CLUSTER 'main'" in statement) is not before.startswith("INSERT INTO")
        assert "non_replicated" not in statement
        assert statement.count("ENGINE = Replicated") == before.count("ENGINE = ")
    made = "\n".join(said)
    path = "'/clickhouse/tables/{uuid}/{shard}', '{replica}'"
    assert f"ENGINE = ReplicatedReplacingMergeTree({path}, seen_ts)" in made
    assert f"ENGINE = ReplicatedAggregatingMergeTree({path})" in made
    assert "latest_of_ticks ON CLUSTER 'main' TO" in made


def test_retention_follows_the_settings(client: Any, database: str) -> None:
    migrate(client, database, DAYS)
    changed = migrate(client, database, {**DAYS, "ticks": 7})
    assert len(changed) == 1
    assert "toIntervalDay(7)" in changed[0]
    assert migrate(client, database, {**DAYS, "ticks": 7}) == []
    assert RetentionSettings.load().by_table() == DAYS


def test_an_interrupted_run_is_finished_by_the_next(client: Any, database: str) -> None:
    migrate(client, database, DAYS)
    client.command(
        f"ALTER TABLE {database}.schema_migrations DELETE WHERE version > 2 "
        "SETTINGS mutations_sync = 2"
    )
    migrate(client, database, DAYS)
    assert migrate(client, database, DAYS) == []


def test_changed_and_unknown_files_are_refused(
    client: Any, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(client, database, DAYS)
    first, *rest = load()
    changed = Migration(first.version, first.name, first.text + "\n-- changed")
    monkeypatch.setattr(module, "load", lambda: (changed, *rest))
    with pytest.raises(ConfigurationError, match=r"0001_ticks\.sql has changed"):
        migrate(client, database, DAYS)
    monkeypatch.setattr(module, "load", lambda: tuple(rest))
    with pytest.raises(ConfigurationError, match="does not know"):
        migrate(client, database, DAYS)


def test_numbers_are_used_once() -> None:
    with pytest.raises(ConfigurationError, match="one number"):
        pending([Migration(1, "a", ""), Migration(1, "b", "")], {})
    numbers = [migration.version for migration in load()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_line_ends_do_not_change_a_checksum() -> None:
    assert Migration(1, "a", "x\ny\n").checksum == Migration(1, "a", "x\r\ny\r\n").checksum
    assert Migration(1, "a", "x").checksum != Migration(1, "a", "y").checksum


@pytest.mark.parametrize("schema", [name for name in RECORDS if name != "legupdate"])
def test_every_field_has_its_column(client: Any, database: str, schema: str) -> None:
    migrate(client, database, DAYS)
    table = TABLE_OF[schema]
    found = client.query(
        f"SELECT name, type FROM system.columns WHERE database = '{database}' AND table = '{table}'"
    ).result_rows
    types = dict(found)
    for field in parsed_schema(schema)["fields"]:
        name = field["name"]
        column = f"source_{name}" if f"source_{name}" in types and table == "dead_letters" else name
        assert column in types, (table, name)
        written = field["type"][1] if isinstance(field["type"], list) else field["type"]
        logical = written.get("logicalType", "") if isinstance(written, dict) else ""
        if logical == "decimal":
            assert "Decimal(18, 8)" in types[column]
        if logical == "timestamp-micros":
            assert "DateTime64(6, 'UTC')" in types[column]
        if isinstance(field["type"], list):
            assert "Nullable" in types[column]
    for name in ("topic_id", "kafka_partition", "kafka_offset", "append_ts", "stored_ts"):
        assert name in types


def test_every_written_table_forgets_repeated_blocks(client: Any, database: str) -> None:
    migrate(client, database, DAYS)
    engines = client.query(
        f"SELECT name, engine_full FROM system.tables WHERE database = '{database}' "
        "AND engine LIKE '%MergeTree' AND name != 'schema_migrations'"
    ).result_rows
    assert {name for name, _ in engines} == {
        *TABLE_OF.values(),
        "latest",
        "candles",
        "latest_spreads",
    }
    assert all("non_replicated_deduplication_window = 1000" in engine for _, engine in engines)


def test_errors_are_told_apart(client: Any, database: str) -> None:
    class Away:
        def query(self, _: str) -> Any:
            return clickhouse_connect.get_client(dsn="http://127.0.0.1:9")

    with pytest.raises(Transient):
        migrate(Away(), database, DAYS)
    with pytest.raises(Fatal):
        migrate(client, database, {"no_such_table": 3})
