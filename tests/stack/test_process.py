"""Children end with us, whatever ends us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from echoarb.stack.ports import free_port, require_free
from echoarb.stack.process import Child
from schemas.errors import ConfigurationError, Fatal

STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True)\n"
FOREVER = "\nwhile True: time.sleep(1)"


def python(name: str, code: str, log: Path) -> Child:
    return Child(name, [sys.executable, "-c", code], log)


def gone(pid: int, timeout_seconds: float = 10) -> bool:
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def test_stop_ends_a_polite_child(tmp_path: Path) -> None:
    child = python("polite", "import time" + FOREVER, tmp_path / "log")
    child.start()
    assert child.running
    assert child.stop()
    assert not child.running
    assert child.exit_code == -signal.SIGTERM


def test_stop_kills_a_stubborn_child(tmp_path: Path) -> None:
    child = python("stubborn", STUBBORN + FOREVER, tmp_path / "log")
    child.start()
    child.wait_until(lambda: "up" in child.log_tail(), 30)
    assert not child.stop(grace_seconds=0.2)
    assert child.exit_code == -signal.SIGKILL


def test_a_child_that_ends_early_is_said_with_its_log(tmp_path: Path) -> None:
    child = python("early", "print('the reason'); raise SystemExit(3)", tmp_path / "log")
    child.start()
    with pytest.raises(Fatal, match=r"early ended with code 3 .*\n?.*the reason"):
        child.wait_until(lambda: False, 10)


def test_a_child_that_never_gets_ready_is_stopped(tmp_path: Path) -> None:
    child = python("slow", "import time" + FOREVER, tmp_path / "log")
    child.start()
    with pytest.raises(Fatal, match="slow was not ready"):
        child.wait_until(lambda: False, 0.2)
    assert not child.running


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_killing_the_parent_kills_the_child(tmp_path: Path) -> None:
    """Even one that ignores SIGTERM, and even by SIGKILL, which the parent can't handle."""
    log = tmp_path / "log"
    parent = (
        "import sys, time; from pathlib import Path; from echoarb.stack.process import Child\n"
        f"child = Child('c', [sys.executable, '-c', {STUBBORN + FOREVER!r}], Path({str(log)!r}))\n"
        "child.start(); child.wait_until(lambda: 'up' in child.log_tail(), 10)\n"
        "print(child.pid, flush=True)" + FOREVER
    )
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    assert not gone(pid, 0.1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert gone(pid)


def test_a_taken_port_names_the_option(registry: str) -> None:
    port = int(registry.rpartition(":")[2])
    with pytest.raises(ConfigurationError, match=rf"port {port} .* with --registry-port"):
        require_free(port, "--registry-port")
    assert require_free(free_port(), "--registry-port")
    with pytest.raises(ConfigurationError, match="no TCP port"):
        require_free(70_000, "--registry-port")
