"""The migrations' statements, written for a ClickHouse cluster whose replicas hold the same rows.

The files of schemas/clickhouse are written for one server. On a cluster each statement runs on
every server of it (``ON CLUSTER``), and tables use the Replicated engines, which copy rows and
remember deduplication tokens through Keeper.
Source: https://clickhouse.com/docs/engines/table-engines/mergetree-family/replication
"""

from __future__ import annotations

import re

PATH = "/clickhouse/tables/{uuid}/{shard}"
"""Where a table's replicas meet in Keeper. ``{uuid}`` is the table's own, which ``ON CLUSTER``
makes the same on all servers: a table that is dropped and made anew never meets its old path."""
REPLICA = "{replica}"
"""Which replica a server is. ``{shard}`` and ``{replica}`` are the server's own macros, which
ClickHouse's operators and ClickHouse's own documents set up under these names."""
WINDOW_SECONDS = 7 * 24 * 3600
"""How long a deduplication token is remembered; newer servers forget it after an hour."""

_NAMED = re.compile(
    r"^(CREATE DATABASE IF NOT EXISTS \S+"
    r"|CREATE (?:TABLE|VIEW|MATERIALIZED VIEW) IF NOT EXISTS \S+"
    r"|ALTER TABLE \S+)"
)
_ENGINE = re.compile(r"^ENGINE = (\w*MergeTree)(?:\((.*)\))?$", re.MULTILINE)
_WINDOW = re.compile(r"\bnon_replicated_deduplication_window = (\d+)")


def on_cluster(statement: str, cluster: str) -> str:
    """Return the statement for every server of ``cluster``; as it is if ``cluster`` is empty.

    ``cluster`` is a name that ClickHouseSettings has checked.
    """
    if not cluster:
        return statement
    statement = _NAMED.sub(rf"\1 ON CLUSTER '{cluster}'", statement)
    statement = _ENGINE.sub(_replicated, statement)
    return _WINDOW.sub(
        rf"replicated_deduplication_window = \1, "
        rf"replicated_deduplication_window_seconds = {WINDOW_SECONDS}",
        statement,
    )


def _replicated(engine: re.Match[str]) -> str:
    arguments = [f"'{PATH}'", f"'{REPLICA}'", *([engine[2]] if engine[2] else [])]
    return f"ENGINE = Replicated{engine[1]}({', '.join(arguments)})"
