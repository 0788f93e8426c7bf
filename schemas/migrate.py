"""ClickHouse migrations: the numbered files of schemas/clickhouse, applied once each, in order.

What was applied is recorded with the file's checksum in ``schema_migrations``. Every statement may
be run again without harm, so an interrupted run, or two runs at once, need no repair.
How long rows are kept is a setting, not a migration: it is compared, and set, on every run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError
from pydantic import Field

from schemas.errors import ConfigurationError, Fatal, Transient
from schemas.replicated import on_cluster
from schemas.settings import Settings

RECORDS_TABLE = """
CREATE TABLE IF NOT EXISTS {database}.schema_migrations
(
    version    UInt32,
    name       String,
    checksum   String,
    applied_ts DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = ReplacingMergeTree
ORDER BY version
"""


class RetentionSettings(Settings):
    """How long ClickHouse keeps rows, counted from when they were stored.

    From then, not from when they happened, so that a recording of long ago can be replayed.
    """

    retention_ticks_days: int = Field(30, ge=1, description="Days that ticks are kept")
    retention_gaps_days: int = Field(90, ge=1, description="Days that gaps are kept")
    retention_latency_days: int = Field(90, ge=1, description="Days that latencies are kept")
    retention_spreads_days: int = Field(90, ge=1, description="Days that spreads are kept")
    retention_alerts_days: int = Field(90, ge=1, description="Days that alerts are kept")
    retention_candles_days: int = Field(730, ge=1, description="Days that minute candles are kept")
    retention_dead_letters_days: int = Field(
        90, ge=1, description="Days that dead letters are kept"
    )

    def by_table(self) -> dict[str, int]:
        """Return days by table; a table that is not named keeps its rows for good."""
        return {
            "ticks": self.retention_ticks_days,
            "gaps": self.retention_gaps_days,
            "latency": self.retention_latency_days,
            "spreads": self.retention_spreads_days,
            "alerts": self.retention_alerts_days,
            "candles": self.retention_candles_days,
            "dead_letters": self.retention_dead_letters_days,
        }


@dataclass(frozen=True, slots=True, order=True)
class Migration:
    """One numbered SQL file. ``name`` is its stem, such as ``0001_ticks``."""

    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file's text, whatever its line ends."""
        return hashlib.sha256("\n".join(self.text.splitlines()).encode()).hexdigest()

    def statements(self, database: str) -> list[str]:
        """Return the file's statements, each of which ends in a semicolon at a line's end."""
        lines = [line for line in self.text.splitlines() if not line.lstrip().startswith("--")]
        parts = "\n".join([*lines, ""]).split(";\n")
        return [part.strip().replace("{database}", database) for part in parts if part.strip()]


def load() -> tuple[Migration, ...]:
    """Return every migration, in order."""
    folder = files("schemas") / "clickhouse"
    names = (path.name for path in folder.iterdir() if path.name.endswith(".sql"))
    return tuple(
        Migration(int(name[:4]), name.removesuffix(".sql"), (folder / name).read_text("utf-8"))
        for name in sorted(names)
    )


def pending(
    migrations: Sequence[Migration], applied: Mapping[int, tuple[str, str]]
) -> tuple[Migration, ...]:
    """Return the migrations that are not in ``applied`` (version to name and checksum).

    Raises ConfigurationError if a number is used twice, if a file that was applied has changed
    since, or if the database holds a migration that is not among the files.
    """
    known: dict[int, Migration] = {}
    for migration in migrations:
        if migration.version in known:
            raise ConfigurationError(
                f"migrations {known[migration.version].name} and {migration.name} have one number"
            )
        known[migration.version] = migration
    for version, (name, checksum) in sorted(applied.items()):
        if version not in known:
            raise ConfigurationError(
                f"the database has migration {name}, which this version of EchoArb does not know: "
                "use the version that applied it, or a newer one"
            )
        if known[version].checksum != checksum:
            raise ConfigurationError(
                f"{known[version].name}.sql has changed since it was applied (as {name}): put the "
                "file back as it was and write the change as a new migration"
            )
    return tuple(migration for migration in migrations if migration.version not in applied)


def migrate(
    client: Any,
    database: str,
    retention: Mapping[str, int],
    *,
    cluster: str = "",
    dry_run: bool = False,
) -> list[str]:
    """Bring ``database`` up to date and return the statements that this took, or would take.

    ``client`` is a clickhouse-connect client that need not have a database selected; ``database``
    and ``cluster`` (empty: one server) are names that ClickHouseSettings has checked; ``retention``
    is days by table. Raises
    ConfigurationError as ``pending`` does, Transient if ClickHouse can't be reached, Fatal if it
    refuses a statement.
    """
    migrations = load()
    done: list[str] = []

    def run(written: str) -> None:
        statement = on_cluster(written, cluster)
        done.append(statement)
        if not dry_run:
            _command(client, statement)

    applied: dict[int, tuple[str, str]] = {}
    if _exists(client, database, "schema_migrations"):
        records = f"{database}.schema_migrations FINAL"
        rows = _rows(client, f"SELECT version, name, checksum FROM {records}")  # noqa: S608
        applied = {int(version): (name, checksum) for version, name, checksum in rows}
    else:
        run(f"CREATE DATABASE IF NOT EXISTS {database}")
        run(RECORDS_TABLE.strip().replace("{database}", database))
    for migration in pending(migrations, applied):
        for statement in migration.statements(database):
            run(statement)
        values = f"({migration.version}, '{migration.name}', '{migration.checksum}')"
        run(
            f"INSERT INTO {database}.schema_migrations (version, name, checksum) VALUES {values}"  # noqa: S608
        )
    for table, days in retention.items():
        rule = f"toDateTime(stored_ts) + toIntervalDay({days})"
        if not _has_rule(client, database, table, rule):
            run(f"ALTER TABLE {database}.{table} MODIFY TTL {rule}")
    return done


def _exists(client: Any, database: str, table: str) -> bool:
    return bool(_engine(client, database, table))


def _has_rule(client: Any, database: str, table: str, rule: str) -> bool:
    # The settings follow the rule in engine_full, so a longer rule is not taken for this one.
    return f"TTL {rule} SETTINGS" in "".join(_engine(client, database, table))


def _engine(client: Any, database: str, table: str) -> list[str]:
    where = f"database = '{database}' AND name = '{table}'"
    query = f"SELECT engine_full FROM system.tables WHERE {where}"  # noqa: S608
    return [row[0] for row in _rows(client, query)]


def _rows(client: Any, query: str) -> list[Any]:
    try:
        return list(client.query(query).result_rows)
    except OperationalError as error:
        raise Transient(f"ClickHouse: {error}") from error
    except ClickHouseError as error:
        raise Fatal(f"ClickHouse refuses {query!r}: {error}") from error


def _command(client: Any, statement: str) -> None:
    try:
        client.command(statement)
    except OperationalError as error:
        raise Transient(f"ClickHouse: {error}") from error
    except ClickHouseError as error:
        raise Fatal(f"ClickHouse refuses {statement.splitlines()[0]!r}: {error}") from error
