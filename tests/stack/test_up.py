"""`echoarb up` as a user runs it: real processes, simulated venues, one machine."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from echoarb.stack.ports import free_port
from schemas.clock import parse_rfc3339

pytestmark = [
    pytest.mark.flow,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("up"),
]
SECONDS = 90
PORTS = ("--api-port", "--metrics-port", "--kafka-port", "--registry-port", "--clickhouse-port")


class Up:
    """One `echoarb up` and what it says on stderr, line by line."""

    def __init__(self, folder: Path, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.ports = {option: free_port() for option in PORTS}
        options = [part for option, port in self.ports.items() for part in (option, str(port))]
        command = [sys.executable, "-m", "echoarb", "up", "--data-dir", str(folder), *options]
        self.process = subprocess.Popen(
            [*command, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(env or {})},
        )
        self.said: list[str] = []
        self.family: set[psutil.Process] = set()
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.put(line)
        self._lines.put(None)

    def until(self, text: str) -> str:
        """Wait for a line with ``text`` and return it."""
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                line = self._lines.get(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                pytest.fail(f"never said {text!r}:\n" + "".join(self.said))
            assert line is not None, f"ended before {text!r}:\n" + "".join(self.said)
            self.said.append(line)
            if text in line:
                with contextlib.suppress(psutil.Error):
                    self.family |= set(psutil.Process(self.process.pid).children(recursive=True))
                return line

    def child(self, words: str) -> psutil.Process:
        """Return the newest running child with ``words`` in its command line."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.family |= set(children)
        found = [child for child in children if words in " ".join(child.cmdline())]
        return max(found, key=lambda child: child.create_time())

    def end(self) -> tuple[int, str]:
        """Wait for the end and return exit code and stdout."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        output = self.process.stdout.read()
        code = self.process.wait(SECONDS)
        self._reader.join()
        while (line := self._lines.get()) is not None:
            self.said.append(line)
        self.process.stdout.close()
        self.process.stderr.close()
        return code, output

    def left(self) -> list[psutil.Process]:
        """Return the processes that outlived it."""
        _, alive = psutil.wait_procs(self.family, timeout=10)
        return [child for child in alive if child.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Any]:
    ups: list[Up] = []

    def start(*arguments: str, env: dict[str, str] | None = None) -> Up:
        up = Up(tmp_path / f"data{len(ups)}", *arguments, env=env)
        ups.append(up)
        return up

    yield start
    for up in ups:
        if up.process.poll() is None:
            up.process.kill()
            up.end()


def stored_ticks(api: str) -> list[Any]:
    answer = httpx.get(f"{api}/api/v1/ticks", params={"platform": "manifold"})
    assert answer.status_code == 200, answer.text
    ticks: list[Any] = answer.json()["data"]
    return ticks


def test_ctrl_c_ends_everything_and_nothing_is_lost(started: Any) -> None:
    up = started("--venues", "manifold", "--rate", "100", "--summary", "json")
    up.until("running")
    api = f"http://127.0.0.1:{up.ports['--api-port']}"
    deadline = time.monotonic() + SECONDS
    while not stored_ticks(api):
        assert time.monotonic() < deadline, "no tick in the API"
        time.sleep(0.2)
    up.child("-m connectors manifold").send_signal(signal.SIGKILL)
    up.until("connector-manifold was started again")
    up.until("manifold")
    up.process.send_signal(signal.SIGINT)
    code, output = up.end()
    summary = json.loads(output)
    assert code == 0, "".join(up.said)
    assert (summary["lost"], summary["duplicates"], summary["dead_letters"]) == (0, 0, 0)
    venue = summary["platforms"]["manifold"]
    assert venue["stored"] == venue["ticks"] > 0
    assert summary["restarts"] == {"connector-manifold": 1}
    assert summary["latency_ms"]["emit_stored"]["p99"] > 0
    assert set(summary["rss_mb"]) >= {"broker", "clickhouse", "registry", "sink", "api"}
    assert up.left() == []


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_kill_leaves_nothing_running(started: Any) -> None:
    up = started("--venues", "manifold")
    up.until("sink and analytics ready")
    up.until("connectors started")
    assert len(up.family) >= 5
    up.process.kill()
    up.end()
    assert up.left() == []


def test_a_venue_that_cannot_be_reached_is_said_and_the_rest_stays(started: Any) -> None:
    nowhere = {
        "ECHOARB_MANIFOLD_REST_URL": "http://127.0.0.1:1/v0",
        "ECHOARB_MANIFOLD_WS_URL": "ws://127.0.0.1:1/ws",
    }
    up = started("--live", "--venues", "manifold", env=nowhere)
    up.until("manifold 0/s 0 ticks (can't be reached")
    assert httpx.get(f"http://127.0.0.1:{up.ports['--api-port']}/health").status_code == 200
    up.process.send_signal(signal.SIGTERM)
    code, output = up.end()
    assert "lost 0" in output
    assert code == 0, "".join(up.said)
    assert up.left() == []


def test_a_full_broker_ends_the_run_and_says_what_to_use(started: Any) -> None:
    up = started("--venues", "manifold", "--memory-limit-mb", "1")
    up.until("--kafka apache")
    code, _ = up.end()
    assert code == 1
    assert up.left() == []


def test_a_taken_port_is_said_before_anything_starts(started: Any, registry: str) -> None:
    up = started("--registry-port", registry.rpartition(":")[2])
    up.until("choose another port with --registry-port")
    assert up.end() == (2, "")
    assert up.family == set()


def test_unknown_venues_are_refused(started: Any) -> None:
    up = started("--venues", "betfair")
    up.until("known: kalshi, polymarket, manifold")
    assert up.end() == (2, "")


def test_a_broker_that_dies_is_made_anew_and_the_loss_is_not_hidden(started: Any) -> None:
    up = started("--venues", "manifold", "--rate", "100", "--summary", "json")
    up.until("running")
    up.child("--listener-url").kill()
    up.until("broker was started again")
    up.until("the broker kept nothing")
    up.until("sink was started again")
    up.until("connector-manifold was started again")
    api = f"http://127.0.0.1:{up.ports['--api-port']}"
    before = time.time_ns() // 1000
    deadline = time.monotonic() + SECONDS
    while not any(parse_rfc3339(tick["ingest_ts"]) > before for tick in stored_ticks(api)):
        assert time.monotonic() < deadline, "no tick after the broker's restart"
        time.sleep(0.2)
    up.process.send_signal(signal.SIGINT)
    code, output = up.end()
    summary = json.loads(output)
    assert code == 1
    assert summary["lost"] is None
    assert summary["platforms"]["manifold"]["stored"] > 0
    assert up.left() == []
