"""``echoarb migrate``: ClickHouse tables up to date."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from echoarb.stack.clickhouse_client import connect
from schemas.migrate import RetentionSettings, migrate
from schemas.settings import ClickHouseSettings


def run_migrations(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the statements, change nothing.")
    ] = False,
    clickhouse: Annotated[str | None, typer.Option(help="ClickHouse HTTP URL.")] = None,
    database: Annotated[str | None, typer.Option(help="Database of the tables.")] = None,
    cluster: Annotated[
        str | None, typer.Option(help="Cluster to make them on, with Replicated engines.")
    ] = None,
) -> None:
    """Create or bring up to date the ClickHouse tables; safe to run again.

    Examples:

      echoarb migrate --dry-run

      echoarb migrate --clickhouse http://clickhouse:8123 --database echoarb
    """
    settings = ClickHouseSettings.load(
        clickhouse_url=clickhouse, clickhouse_database=database, clickhouse_cluster=cluster
    )
    client = connect(settings)
    try:
        retention = RetentionSettings.load().by_table()
        statements = migrate(
            client,
            settings.clickhouse_database,
            retention,
            cluster=settings.clickhouse_cluster,
            dry_run=dry_run,
        )
    finally:
        client.close()
    if dry_run:
        for statement in statements:
            print(f"{statement};\n")
    what = "to run" if dry_run else "run"
    print(f"{len(statements)} statements {what}", file=sys.stderr)
