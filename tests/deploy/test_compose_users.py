"""The ClickHouse users of the compose file, as the engine takes them: who may do what.

The engine of the tests is always the user `default`. So each user of users.xml is given that name
in turn, without its password, and keeps its profile and its grants.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.tools import ROOT

USERS = ROOT / "deploy" / "compose" / "clickhouse" / "users.xml"
ASK = """
import json, sys, chdb
connection = chdb.connect("data")
answers = []
for query in sys.argv[1:]:
    try:
        answers.append(connection.query(query, "TSV").bytes().decode().strip())
    except Exception as error:
        answers.append(str(error).strip().splitlines()[0])
print(json.dumps(answers))
"""
CONFIG = "<clickhouse><users_config>users.xml</users_config></clickhouse>"
"""What the engine finds in the folder that it is started in."""
TABLES = (
    "CREATE DATABASE echoarb",
    "CREATE TABLE echoarb.ticks (market_id String) ENGINE = MergeTree ORDER BY market_id",
    "INSERT INTO echoarb.ticks VALUES ('m')",
    "CREATE DATABASE elsewhere",
    "CREATE TABLE elsewhere.ticks (market_id String) ENGINE = MergeTree ORDER BY market_id",
    "SELECT count() FROM echoarb.ticks",
)
READ = "SELECT count() FROM echoarb.ticks SETTINGS max_execution_time = 5, max_rows_to_read = 9"
PARTS = "SELECT sum(rows) FROM system.parts WHERE database = 'echoarb'"
REFUSED = (
    "INSERT INTO echoarb.ticks VALUES ('n')",
    "DROP TABLE echoarb.ticks",
    "CREATE TABLE echoarb.other (n Int8) ENGINE = Memory",
    "SET readonly = 0",
    "SELECT * FROM system.users",
    "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'n Int8')",
)


def answers(folder: Path, user: str, *queries: str) -> list[str]:
    """Return what the engine answers ``user``, a result or the first line of an error a query."""
    hashes = r"<password_sha256_hex>.*?</password_sha256_hex>"
    text = re.sub(hashes, "<no_password/>", USERS.read_text())
    (folder / "users.xml").write_text(re.sub(rf"<(/?){user}>", r"<\1default>", text))
    (folder / "config.xml").write_text(CONFIG)
    command = [sys.executable, "-c", ASK, *queries]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=folder, timeout=60
    )
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table that the writer made and filled."""
    folder = tmp_path_factory.mktemp("users")
    assert answers(folder, "echoarb", *TABLES)[-1] == "1"
    return folder


@pytest.mark.parametrize("user", ["echoarb_api", "echoarb_grafana"])
def test_readers_read_with_limits_of_their_own_and_change_nothing(folder: Path, user: str) -> None:
    read, *refused = answers(folder, user, READ, *REFUSED)
    assert read == "1"
    for query, answer in zip(REFUSED, refused, strict=True):
        assert re.search(r"READONLY|ACCESS_DENIED", answer), f"{query}: {answer}"


def test_grafana_sees_parts(folder: Path) -> None:
    assert answers(folder, "echoarb_grafana", PARTS) == ["1"]


def test_other_databases_are_closed(folder: Path) -> None:
    (answer,) = answers(folder, "echoarb_api", "SELECT count() FROM elsewhere.ticks")
    assert "ACCESS_DENIED" in answer
