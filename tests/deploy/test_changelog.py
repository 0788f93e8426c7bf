"""CHANGELOG.md: its form, and that it and the version agree."""

from __future__ import annotations

import importlib.util
import re
from datetime import date
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}

_spec = importlib.util.spec_from_file_location("changelog", ROOT / "scripts/changelog.py")
assert _spec is not None
assert _spec.loader is not None
changelog = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(changelog)

TEXT = """# Changes

## [0.2.0] - 2027-01-31

### Added

- More.

## [0.1.0] - 2026-12-01

- Some.
"""


def test_the_newest_version_is_ours_or_unreleased() -> None:
    found = changelog.sections((ROOT / "CHANGELOG.md").read_text("utf-8"))
    assert next(iter(found)) in {"Unreleased", changelog.project_version()}
    for version, (day, said) in found.items():
        assert said, version
        assert (version == "Unreleased") == (day is None), version
        if day is not None:
            date.fromisoformat(day)
        assert set(re.findall(r"^### (.+)$", said, re.MULTILINE)) <= KINDS


@pytest.mark.parametrize(
    ("file", "pattern"),
    [
        ("Dockerfile", r"^ARG VERSION=(.+)$"),
        ("deploy/helm/echoarb/Chart.yaml", r"^version: (.+)$"),
        ("deploy/helm/echoarb/Chart.yaml", r'^appVersion: "(.+)"$'),
        ("docker-compose.kafka.yml", r"echoarb/echoarb:([\w.]+)\}$"),
    ],
)
def test_one_version_everywhere(file: str, pattern: str) -> None:
    found = re.findall(pattern, (ROOT / file).read_text("utf-8"), re.MULTILINE)
    assert set(found) == {changelog.project_version()}


def test_notes_are_of_one_version_alone() -> None:
    assert changelog.release_notes(TEXT, "v0.2.0", "0.2.0") == "### Added\n\n- More."
    assert changelog.notes(TEXT, "0.1.0") == "- Some."


@pytest.mark.parametrize(
    ("text", "tag", "version"),
    [
        (TEXT, "v0.2.0", "0.1.0"),
        (TEXT, "0.2.0", "0.2.0"),
        (TEXT, "v0.1.0", "0.1.0"),
        (TEXT.replace(" - 2027-01-31", ""), "v0.2.0", "0.2.0"),
        (TEXT.replace("0.2.0] - 2027-01-31", "Unreleased]"), "v0.2.0", "0.2.0"),
    ],
    ids=["other tag", "no v", "not the newest", "no date", "unreleased"],
)
def test_what_does_not_agree_is_not_released(text: str, tag: str, version: str) -> None:
    with pytest.raises(LookupError):
        changelog.release_notes(text, tag, version)
