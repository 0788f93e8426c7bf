"""ClickHouse as a process: kill -9, SIGTERM, its folder and its port."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from echoarb.stack import services
from echoarb.stack.ports import free_port
from schemas.errors import Fatal

ROWS = 1000


def post(url: str, statement: str, **params: str) -> str:
    answer = httpx.post(url, params=params, content=statement, timeout=30)
    answer.raise_for_status()
    return answer.text


def test_kill_loses_no_acknowledged_insert(tmp_path: Path) -> None:
    """Inserts run in a row while the process is killed three times; every answered one stays."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log = tmp_path / "log"
    child = services.start_clickhouse(port, tmp_path / "data", log)
    post(url, "CREATE TABLE t (batch UInt64, n UInt64) ENGINE = MergeTree ORDER BY (batch, n)")
    acknowledged: set[int] = set()
    attempted = 0
    for _ in range(3):
        enough = threading.Event()

        def insert(first: int, enough: threading.Event = enough) -> int:
            batch = first
            while True:
                body = "\n".join(f"{batch},{n}" for n in range(ROWS))
                statement = "INSERT INTO t (batch, n) FORMAT CSV"
                try:
                    httpx.post(url, params={"query": statement}, content=body).raise_for_status()
                except httpx.HTTPError:
                    return batch + 1
                acknowledged.add(batch)
                batch += 1
                if batch - first >= 5:
                    enough.set()

        results: list[int] = []
        writer = threading.Thread(target=lambda: results.append(insert(attempted)))  # noqa: B023
        writer.start()
        assert enough.wait(60)
        child.kill()
        writer.join()
        attempted = results[0]
        child = services.start_clickhouse(port, tmp_path / "data", log)
        stored = post(url, "SELECT batch, count(), uniqExact(n) FROM t GROUP BY batch")
        rows = [tuple(map(int, line.split("\t"))) for line in stored.splitlines()]
        assert acknowledged <= {batch for batch, _, _ in rows}
        assert all((count, distinct) == (ROWS, ROWS) for _, count, distinct in rows)
    assert child.stop()


def test_sigterm_ends_cleanly_and_the_running_query_is_answered(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    child = services.start_clickhouse(port, tmp_path / "data", tmp_path / "log")
    answers: list[str] = []
    slow = "SELECT 'done', sleepEachRow(0.5) FROM numbers(2)"
    reader = threading.Thread(target=lambda: answers.append(post(url, slow)))
    reader.start()
    busy = "SELECT count() FROM system.processes WHERE query LIKE '%sleepEachRow%'"
    while post(url, busy) == "1\n":  # only this question itself
        pass
    while child.running:  # from the first one on it is ending: more of them change nothing
        child.terminate()
        time.sleep(0.002)
    reader.join()
    assert child.exit_code == 0
    assert answers[0].startswith("done")


def test_a_folder_in_use_is_said(tmp_path: Path) -> None:
    child = services.start_clickhouse(free_port(), tmp_path / "data", tmp_path / "log")
    try:
        with pytest.raises(Fatal, match="in use by another ClickHouse process"):
            services.start_clickhouse(free_port(), tmp_path / "data", tmp_path / "second.log")
    finally:
        child.stop()


@pytest.mark.parametrize("module", ["clickhouse_server", "registry_server"])
def test_a_taken_port_names_the_option(tmp_path: Path, registry: str, module: str) -> None:
    port = registry.rpartition(":")[2]
    command = [sys.executable, "-m", f"echoarb.stack.{module}", "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: port {port} on 127.0.0.1 is taken by another process; "
        "stop it or choose another port with --port\n"
    )
