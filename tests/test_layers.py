"""Who may import whom: the contract at the bottom, the three services apart, echoarb on top."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import agents

ROOT = Path(__file__).resolve().parents[1]
ALLOWED = {
    "schemas": {"schemas"},
    "connectors": {"connectors", "schemas"},
    "agents": {"agents", "schemas"},
    "api": {"api", "schemas"},
    "echoarb": {"echoarb", "connectors", "agents", "api", "schemas"},
}


def imports(path: Path) -> set[str]:
    """Return the first names of everything that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(str(node.module).partition(".")[0])
    return found


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_what_it_may(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        ours = imports(path) & set(ALLOWED)
        assert ours <= ALLOWED[package], f"{path.relative_to(ROOT)} imports {ours}"


@pytest.mark.parametrize("venue", ["kalshi", "polymarket", "manifold"])
def test_a_venue_imports_no_other_venue(venue: str) -> None:
    for path in sorted((ROOT / "connectors" / venue).glob("*.py")):
        text = path.read_text()
        for other in {"kalshi", "polymarket", "manifold"} - {venue}:
            assert f"connectors.{other}" not in text, path


def test_the_packages_are_this_projects_own() -> None:
    """Another distribution on the index installs a top-level ``agents`` too."""
    assert Path(str(agents.__file__)).is_relative_to(ROOT)
