"""Finds a tool that is not a Python library, or says that it is missing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parents[2]
PLACES = (ROOT / ".tools", ROOT / ".venv" / "bin")


def find(name: str) -> str | None:
    """Return the path of a tool, None if this machine has none."""
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
    if os.environ.get("STRICT") == "1":
        pytest.fail(missing)
    pytest.skip(missing)
