"""docker-compose.kafka.yml on podman, with stand-ins for the images that can't be pulled."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from echoarb.stack import apache
from echoarb.stack.ports import free_port
from tests.deploy import podman
from tests.deploy.tools import ROOT, find, require

FILE = ROOT / "docker-compose.kafka.yml"
STANDINS = ROOT / "deploy" / "compose" / "standins" / "compose.yml"
PROJECT = "echoarb-test"
NETWORK = f"{PROJECT}_default"
UP_SECONDS = 400
PORTS = ("KAFKA_PORT", "REGISTRY_PORT", "CLICKHOUSE_PORT", "API_PORT", "PROMETHEUS_PORT")


def config(*profiles: str) -> dict[str, Any]:
    """Return what docker-compose makes of the file with these profiles."""
    chosen = [part for profile in profiles for part in ("--profile", profile)]
    command = [require("docker-compose"), "-f", FILE, *chosen, "config", "--format", "json"]
    found: dict[str, Any] = json.loads(podman.run(*command).stdout)
    return found


class Stack:
    """The stack, up: ports of 127.0.0.1 by name, and what runs in it."""

    def __init__(self, folder: Path) -> None:
        podman.require_podman()
        self._compose = require("docker-compose")
        needed = (".tools/java/bin/java", ".tools/apicurio/quarkus-run.jar")
        for name in needed:
            if not (ROOT / name).exists():
                podman.missing(f"no {name}")
        if find("prometheus") is None:
            podman.missing("no Prometheus")
        self.ports = {name: free_port() for name in PORTS}
        self._socket = folder / "podman.sock"
        self._environment = {
            **podman.environment(),
            **{name: str(port) for name, port in self.ports.items()},
            "ECHOARB_IMAGE": podman.image(),
            "STANDIN_IMAGE": podman.base_image(),
            "STANDIN_REPO": str(ROOT),
            "STANDIN_PYTHON": sys.base_prefix,
            "STANDIN_JARS": str(apache.jars()),
            "DOCKER_HOST": f"unix://{self._socket}",
        }
        self._ended = threading.Event()
        self.end: Callable[[], object] = lambda: None
        """Ends it before its time."""

    def url(self, port: str, path: str) -> str:
        """Return a URL of a published port."""
        return f"http://127.0.0.1:{self.ports[port]}{path}"

    def compose(self, *arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Run docker-compose on the stack. Raises AssertionError with what it said if it fails."""
        files = ("-p", PROJECT, "-f", str(FILE), "-f", str(STANDINS), "--profile", "simulated")
        done = subprocess.run(
            [self._compose, *files, *arguments],
            capture_output=True,
            text=True,
            timeout=seconds,
            env=self._environment,
            check=False,
        )
        assert done.returncode == 0, f"{done.stderr[-3000:]}\n{self.logs()}"
        return done

    def logs(self) -> str:
        """Return the last lines of each container."""
        told = []
        for name in self.containers():
            done = podman.run("podman", "logs", "--tail", "5", name, check=False)
            told.append(f"--- {name}\n{(done.stdout + done.stderr)[-1500:]}")
        return "\n".join(told)

    def containers(self) -> list[str]:
        """Return the names of the stack's containers, those that ended included."""
        form = ("--format", "{{.Names}}")
        done = podman.run("podman", "ps", "-a", "--filter", f"name={PROJECT}-", *form)
        return done.stdout.split()

    @contextlib.contextmanager
    def up(self) -> Iterator[Stack]:
        """Bring everything up, and down again with its volumes."""
        serve = ["podman", "system", "service", "--time=0", f"unix://{self._socket}"]
        server = subprocess.Popen(serve, env=podman.environment(), stderr=subprocess.DEVNULL)
        doctor = threading.Thread(target=self._check_health, daemon=True)
        try:
            wait_until(self._socket.exists, "podman's socket")
            doctor.start()
            self.compose("down", "--volumes", "--timeout", "1")  # what a killed run left
            self.compose("up", "-d", "--no-build", "--pull", "never", seconds=UP_SECONDS)
            yield self
        finally:
            try:
                self.compose("down", "--volumes", "--timeout", "1")
            finally:
                self._ended.set()
                server.terminate()
                server.wait(30)

    def _check_health(self) -> None:
        # Without systemd podman has no timer of its own for healthchecks.
        while not self._ended.wait(3.0):  # each look is a process in each of a dozen containers
            # Only those that have not been found healthy: each check is a process in a container.
            asked = ("--filter", f"name={PROJECT}-", "--filter", "health=starting")
            for container in podman.run("podman", "ps", *asked, "-q", check=False).stdout.split():
                podman.run("podman", "healthcheck", "run", container, check=False)

    def ask(self, port: str, path: str) -> httpx.Response | None:
        """Return what a published port answers, None if nothing."""
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(self.url(port, path), timeout=20, trust_env=False)
        return None


def wait_until(condition: Any, what: str, seconds: float = 90) -> None:
    """Wait until ``condition`` holds. Raises AssertionError naming what didn't come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come in {seconds:g} s"
        time.sleep(0.5)
