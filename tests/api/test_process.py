"""``python -m api``: help, ports, a clean end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from api import server
from api.__main__ import serve
from api.settings import ApiSettings
from echoarb.stack.ports import free_port
from schemas.errors import ConfigurationError

SECONDS = 60


@contextmanager
def process(tmp_path: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the API with nothing behind it, in an empty folder."""
    root = Path(__file__).resolve().parent.parent.parent
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ECHOARB_")},
        "PYTHONPATH": str(root),
        "ECHOARB_KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "ECHOARB_CLICKHOUSE_URL": "http://127.0.0.1:1",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "api", *arguments],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def get(url: str) -> str:
    """Return a page, waiting until the process serves it."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - ours
                return str(answer.read().decode())
        except urllib.error.HTTPError:
            raise
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_and_ends_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    port, metrics = free_port(), free_port()
    with process(tmp_path, "--port", str(port), "--metrics-port", str(metrics)) as child:
        assert '"status":"degraded"' in get(f"http://127.0.0.1:{port}/health")
        counted = 'echoarb_api_requests_total{method="GET",route="/health"'
        deadline = time.monotonic() + SECONDS
        while counted not in get(f"http://127.0.0.1:{metrics}/metrics"):  # once it was answered
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with pytest.raises(urllib.error.HTTPError) as error:
            get(f"http://127.0.0.1:{port}/metrics")
        assert error.value.code == 404
        error.value.close()
        child.send_signal(number)
        _, log = child.communicate(timeout=SECONDS)
        assert child.returncode == 0, log
        assert "Traceback" not in log
        assert '"event": "stopped"' in log


def test_without_keys_it_does_not_leave_the_machine(tmp_path: Path) -> None:
    with process(tmp_path, "--host", "0.0.0.0", "--port", "0", "--metrics-port", "0") as child:  # noqa: S104
        _, log = child.communicate(timeout=SECONDS)
        assert child.returncode == 2
        assert "ECHOARB_API_HOST=0.0.0.0" in log
        assert "ECHOARB_API_KEYS_FILE" in log
        assert "Traceback" not in log


def test_a_taken_port_is_named_with_the_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=r"--port.*ECHOARB_API_PORT"):
            server.listen(ApiSettings(_env_file=None, api_port=port))


def test_help_teaches_and_wrong_settings_are_named() -> None:
    app = typer.Typer()
    app.command()(serve)
    found = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "100"})
    assert found.exit_code == 0
    for word in ("curl", "--port", "--kafka", "--clickhouse", "Ctrl-C"):
        assert word in found.output
    found = CliRunner().invoke(app, ["--port", "99999"])
    assert found.exit_code == 2
    assert found.stderr.startswith("error: wrong settings: ECHOARB_API_PORT")
