"""The documents as a site: it builds, strictly, and a link to nothing ends the build."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FROM_ELSEWHERE = re.compile(
    r"<(?:script|link|img|iframe|source)\b[^>]*(?:src|href)=\"?(?:https?:)?//"
)


def build(root: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """Build the site of the repository ``root`` into ``out``. With -q nothing would be strict."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    return subprocess.run(
        [*command, "-f", root / "mkdocs.yml", "-d", out],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the built site."""
    out = tmp_path_factory.mktemp("site")
    done = build(ROOT, out)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The repository with documents that may be changed; the rest is linked to."""
    root = tmp_path / "copy"
    root.mkdir()
    for each in ROOT.iterdir():
        if each.name not in {"docs", "mkdocs.yml", "README.md", "scripts", "site"}:
            (root / each.name).symlink_to(each)
    for folder in ("docs", "scripts"):
        shutil.copytree(ROOT / folder, root / folder)
    for name in ("mkdocs.yml", "README.md"):
        shutil.copy(ROOT / name, root / name)
    return root


def test_every_page_is_there(site: Path) -> None:
    pages = {each.relative_to(ROOT / "docs") for each in (ROOT / "docs").rglob("*.md")}
    assert len(pages) > 20
    missing = [page for page in pages if not (site / page.with_suffix(".html")).is_file()]
    assert missing == []
    for name in ("index", "contributing", "changelog", "security-policy", "decisions/index"):
        assert (site / f"{name}.html").is_file(), name


def test_links_of_the_readme_lead_to_pages(site: Path) -> None:
    html = (site / "index.html").read_text("utf-8")
    assert 'href="websocket.html"' in html  # a page
    assert 'href="source/env.example.html"' in html  # a file outside docs/
    assert 'href="decisions/index.html"' in html  # a folder
    assert "ECHOARB_KAFKA_BOOTSTRAP" in (site / "source/env.example.html").read_text("utf-8")


def test_no_page_fetches_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        found = FROM_ELSEWHERE.findall(page.read_text("utf-8"))
        assert found == [], page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?https?:|@import", sheet.read_text("utf-8")), sheet


BROKEN = {
    "a page": ("docs/alerts.md", "[x](nowhere.md)", "nowhere.md"),
    "a source": ("docs/alerts.md", "[x](../agents/nowhere.py)", "nowhere.py"),
    "a heading": ("docs/alerts.md", "[x](topics.md#no-such-heading)", "no-such-heading"),
    "from the readme": ("README.md", "[x](docs/nothing.md)", "nothing.md"),
    "no way to it": ("docs/not-in-the-list.md", "# A page", "not-in-the-list.md"),
}


def test_what_leads_nowhere_ends_the_build(copy: Path) -> None:
    for file, text, _ in BROKEN.values():
        with (copy / file).open("a", encoding="utf-8") as page:
            page.write(f"\n{text}\n")
    done = build(copy, copy / "site")
    assert done.returncode == 1
    assert done.stderr.count("WARNING") == len(BROKEN), done.stderr
    assert [name for name, (_, _, said) in BROKEN.items() if said not in done.stderr] == []
