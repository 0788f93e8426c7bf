"""podman for the tests: our image, really built, and containers run from it.

What it needs is prepared by ``scripts/tools/images.sh --standins``; without that the tests skip,
and fail under STRICT=1.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.deploy.tools import ROOT, prepared, require

CONFIG = ROOT / ".tools" / "containers.conf"
IMAGE = "localhost/echoarb-test:latest"
BUILD_SECONDS = 900


def base_image() -> str:
    """Return the name of the image that the Dockerfile starts from."""
    found = re.search(r"^ARG PYTHON=(\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert found is not None
    return f"docker.io/library/python:{found.group(1)}"


def environment() -> dict[str, str]:
    """Return the environment that podman, buildah and docker-compose run in."""
    return {**os.environ, "CONTAINERS_CONF": str(CONFIG)}


def run(
    *command: str | Path, check: bool = True, seconds: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a command, with its output as text."""
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=seconds,
        env=environment(),
        check=False,
    )
    if check and done.returncode != 0:
        told = f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        pytest.fail(f"{' '.join(map(str, command))[:300]} ended with {done.returncode}:\n{told}")
    return done


def missing(what: str) -> None:
    """Skip the test for want of something, or fail it under STRICT=1."""
    told = f"{what}: run scripts/tools/images.sh --standins"
    if not prepared():
        pytest.skip(f"{what}: see .tools/images.log")  # .ci/run says that aloud too
    if os.environ.get("STRICT") == "1":
        pytest.fail(told)
    pytest.skip(told)


def require_podman() -> None:
    """Skip, or fail under STRICT=1, where podman or the base image is not there."""
    if not prepared():
        missing("containers can't be prepared here")
    require("podman")
    require("buildah")
    if not CONFIG.exists():
        missing("no .tools/containers.conf")
    if run("podman", "image", "exists", base_image(), check=False).returncode != 0:
        missing(f"no base image {base_image()}")


@functools.cache
def image() -> str:
    """Return our image, built from the working tree by buildah."""
    require_podman()
    run(ROOT / "scripts/tools/build.sh", IMAGE, seconds=BUILD_SECONDS)
    return IMAGE


def once(*command: str, options: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Run a command in a container that may do as little as any service of ours."""
    hardened = ("--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL")
    quiet = ("--network=none", "--security-opt=no-new-privileges", "--pull=never", "--rm")
    return run("podman", "run", *quiet, *hardened, *options, image(), *command, check=False)
