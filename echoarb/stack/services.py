"""The local ClickHouse and registry as child processes: `python -m echoarb.stack.<name>`."""

from __future__ import annotations

import sys
from pathlib import Path

from echoarb.stack.ports import LOOPBACK
from echoarb.stack.process import Child
from echoarb.stack.readiness import http_answers


def clickhouse(port: int, data_dir: Path, log: Path) -> Child:
    """Return ClickHouse over HTTP on loopback as a child process, not started."""
    module = (sys.executable, "-m", "echoarb.stack.clickhouse_server")
    return Child("clickhouse", [*module, "--port", str(port), "--data-dir", str(data_dir)], log)


def start_clickhouse(port: int, data_dir: Path, log: Path) -> Child:
    """Start ClickHouse over HTTP and return it when it answers. Raises Fatal."""
    child = clickhouse(port, data_dir, log)
    child.start()
    child.wait_until(lambda: http_answers(f"http://{LOOPBACK}:{port}/ping"))
    return child


def registry(port: int, log: Path) -> Child:
    """Return the schema registry on loopback as a child process, not started."""
    module = (sys.executable, "-m", "echoarb.stack.registry_server")
    return Child("registry", [*module, "--port", str(port)], log)


def start_registry(port: int, log: Path) -> Child:
    """Start the schema registry and return it when it answers. Raises Fatal."""
    child = registry(port, log)
    child.start()
    child.wait_until(lambda: http_answers(f"http://{LOOPBACK}:{port}/subjects"))
    return child
