"""The files under .github: what GitHub would refuse, and what doesn't fit the project any more."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from collections import Counter
from pathlib import Path

import pytest
import yaml

from schemas.topics import PLATFORMS
from tests.deploy.tools import require

ROOT = Path(__file__).resolve().parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
TEMPLATES = GITHUB / "ISSUE_TEMPLATE"
FORMS = sorted(set(TEMPLATES.glob("*.yml")) - {TEMPLATES / "config.yml"})
PINNED = re.compile(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a checker."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def commands() -> list[str]:
    """Return the shell commands of all workflows."""
    return [
        step["run"]
        for path in WORKFLOWS
        for job in yaml.safe_load(path.read_text("utf-8"))["jobs"].values()
        for step in job["steps"]
        if "run" in step
    ]


def test_actionlint_finds_nothing() -> None:
    done = run(require("actionlint"), "-no-color", *WORKFLOWS)
    assert done.returncode == 0, done.stdout


def test_actionlint_finds_a_misspelt_context(tmp_path: Path) -> None:
    text = (GITHUB / "workflows/ci.yml").read_text("utf-8")
    copy = tmp_path / "ci.yml"
    copy.write_text(text.replace("matrix.python }}", "matrix.pyhton }}", 1), encoding="utf-8")
    done = run(require("actionlint"), "-no-color", copy)
    assert done.returncode == 1
    assert "pyhton" in done.stdout


def test_zizmor_finds_nothing() -> None:
    done = run(require("zizmor"), "--offline", "--persona=auditor", GITHUB)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", WORKFLOWS),
        ("custom.github-workflows-require-timeout", WORKFLOWS),
        ("vendor.github-issue-forms", FORMS),
        ("vendor.github-issue-config", [TEMPLATES / "config.yml"]),
        ("vendor.dependabot", [GITHUB / "dependabot.yml"]),
    ],
)
def test_files_have_the_form_that_github_reads(schema: str, files: list[Path]) -> None:
    assert files
    done = run(require("check-jsonschema"), "--builtin-schema", schema, *files)
    assert done.returncode == 0, done.stdout


def test_every_action_is_pinned_by_commit() -> None:
    lines = [
        line.strip().removeprefix("- ")
        for path in WORKFLOWS
        for line in path.read_text("utf-8").splitlines()
        if "uses:" in line
    ]
    assert lines
    assert [line for line in lines if not PINNED.match(line)] == []
    pins = {tuple(line.split()[1].split("@")) for line in lines}
    assert len(pins) == len({name for name, _ in pins}), "one action, two versions"


def test_every_make_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = {
        word
        for command in commands()
        for words in re.findall(r"\bmake ([^\n;&|]+)", command)
        for word in re.sub(r'\w+=("[^"]*"|\S*)', "", words).split()
    }
    assert {"check", "test", "site"} <= named
    assert named <= targets


def test_every_file_named_in_a_command_exists() -> None:
    named = {
        name
        for command in commands()
        for name in re.findall(r"(?:scripts|tests|deploy|requirements)/[\w./-]+", command)
    }
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
    scripts = [ROOT / name for name in named if name.endswith(".sh")]
    assert [script for script in scripts if not os.access(script, os.X_OK)] == []


def test_the_tested_pythons_are_the_supported_ones() -> None:
    jobs = yaml.safe_load((GITHUB / "workflows/ci.yml").read_text("utf-8"))["jobs"]
    tested = jobs["test"]["strategy"]["matrix"]["python"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    says = "Programming Language :: Python :: "
    supported = [each.removeprefix(says) for each in project["classifiers"] if says in each]
    assert tested == supported
    assert project["requires-python"] == f">={supported[0]}"


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_no_two_questions_of_a_form_are_alike(form: Path) -> None:
    """GitHub refuses such a form, which its schema doesn't say."""
    asked = [each for each in yaml.safe_load(form.read_text("utf-8"))["body"] if "id" in each]
    ids = Counter(each["id"] for each in asked)
    labels = Counter(each["attributes"]["label"] for each in asked)
    assert [name for name, times in (ids + labels).items() if times > 1] == []


def test_the_feed_form_asks_for_what_finds_the_stretch() -> None:
    body = yaml.safe_load((TEMPLATES / "feed.yml").read_text("utf-8"))["body"]
    asked = {each["id"]: each for each in body if "id" in each}
    assert {"venue", "market", "from", "to", "ids"} <= asked.keys()
    assert [*PLATFORMS, "several"] == asked["venue"]["attributes"]["options"]
