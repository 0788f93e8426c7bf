"""Finds a tool that is not a Python library, or says that it is missing.

``.ci/run`` prepares containers while the tests run already, and ``ECHOARB_CONTAINERS`` names the
file that tells how that ended: what is missing is waited for until then.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parents[2]
PLACES = (ROOT / ".tools", ROOT / ".venv" / "bin")


PREPARATION_SECONDS = 900


def prepared() -> bool:
    """Wait until containers can be used; return whether they can, True where nobody prepares."""
    state = os.environ.get("ECHOARB_CONTAINERS")
    if not state:
        return True
    deadline = time.monotonic() + PREPARATION_SECONDS
    while not (ROOT / state).exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return (ROOT / state).read_text().strip() == "ready"


def find(name: str) -> str | None:
    """Return the path of a tool, None if this machine has none."""
    return _which(name) or (_which(name) if prepared() else None)


def _which(name: str) -> str | None:
    places = os.pathsep.join([*map(str, PLACES), os.environ.get("PATH", os.defpath)])
    return shutil.which(name, path=places)


def require(name: str) -> str:
    """Return the path of a tool. Without it, skip the test; under STRICT=1 fail it."""
    path = find(name)
    return path if path is not None else lacking(name)


def require_folder(name: str) -> Path:
    """Return a folder of .tools. Without it, skip the test; under STRICT=1 fail it."""
    path = ROOT / ".tools" / name
    return path if path.is_dir() else lacking(str(path.relative_to(ROOT)))


def lacking(name: str) -> NoReturn:
    """Skip the test, or fail it under STRICT=1, and say what it lacks."""
    missing = f"{name} is not on this machine: see scripts/tools/"
    if os.environ.get("STRICT") == "1" and prepared():
        pytest.fail(missing)
    pytest.skip(missing)
