"""MkDocs hooks: the repository's Markdown as a site, with every link that works on GitHub.

README.md, CONTRIBUTING.md and CHANGELOG.md become pages. A link from a page to a source file or a
folder gets a page that shows it, so the site is whole without the repository. A link to nothing is
left as it is, and MkDocs, being strict, ends the build.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT_PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security-policy.md",
}
"""Pages made from files beside docs/, by their path in the repository."""

FENCE = re.compile(r"^(```|~~~)", re.MULTILINE)
LINK = re.compile(r"(?<=\]\()(?![a-z][a-z0-9+.-]*:|#|/)([^)#\s]+)((?:#[^)\s]*)?)(?=\))")


def page_of(path: str, root: Path) -> str | None:
    """Return the site page of a path in the repository; None if there is no such path."""
    there = root / path
    if path in ROOT_PAGES and there.is_file():
        return ROOT_PAGES[path]
    if path.startswith("docs/"):
        inside = path.removeprefix("docs/")
        if there.is_dir():
            return f"{inside}/index.md"
        return inside if there.is_file() else None
    shown_as = path.replace("/.", "/").removeprefix(".")  # MkDocs leaves out what begins with a dot
    if there.is_dir():
        return f"source/{shown_as}/index.md"
    return f"source/{shown_as}.md" if there.is_file() else None


def prose(markdown: str) -> Iterator[tuple[int, int]]:
    """Give the stretches of a text that lie outside fenced code."""
    fences = [match.start() for match in FENCE.finditer(markdown)]
    edges = [0, *fences, len(markdown)]
    yield from zip(edges[::2], edges[1::2], strict=False)


def links(markdown: str, path: str) -> Iterator[str]:
    """Give the repository paths that the Markdown file ``path`` links to."""
    for start, end in prose(markdown):
        for match in LINK.finditer(markdown, start, end):
            yield posixpath.normpath(posixpath.join(posixpath.dirname(path), match[1]))


def relinked(markdown: str, path: str, page: str, root: Path) -> str:
    """Return the text of the repository's ``path`` with links as the site's ``page`` needs them."""

    def mended(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), match[1]))
        found = page_of(target, root)
        if found is None:
            return match[0]
        return posixpath.relpath(found, posixpath.dirname(page) or ".") + match[2]

    said: list[str] = []
    done = 0
    for start, end in prose(markdown):
        said += [markdown[done:start], LINK.sub(mended, markdown[start:end])]
        done = end
    return "".join([*said, markdown[done:]])


def shown(path: str, root: Path) -> str:
    """Return a page that shows a file or lists a folder of the repository."""
    there = root / path
    if there.is_dir():
        names = sorted(each.name for each in there.iterdir() if not each.name.startswith("_"))
        lines = [f"- [{title(there / name)}]({name})" for name in names if name.endswith(".md")]
        lines += [f"- `{name}`" for name in names if not name.endswith(".md")]
        return "\n".join([f"# {there.name.capitalize()}", "", *lines, ""])
    text = there.read_text(encoding="utf-8")
    language = there.suffix.removeprefix(".").replace("avsc", "json") or "text"
    # Searching the documents shouldn't find their sources.
    head = f"---\nsearch:\n  exclude: true\n---\n\n# `{path}`\n\n"
    return f"{head}``````{language}\n{text}\n``````\n"


def title(path: Path) -> str:
    """Return a Markdown file's title."""
    return path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that aren't files of docs/."""
    root = Path(config.config_file_path).parent
    read = [path for path in ROOT_PAGES if (root / path).is_file()]
    read += [f"docs/{file.src_uri}" for file in files.documentation_pages()]
    wanted = {path for path in read if path in ROOT_PAGES}
    for path in read:
        wanted |= set(links((root / path).read_text(encoding="utf-8"), path))
    for path in sorted(wanted):
        page = page_of(path, root)
        if page is None or files.get_file_from_path(page):
            continue
        if path in ROOT_PAGES:
            content = relinked((root / path).read_text(encoding="utf-8"), path, page, root)
        else:
            content = shown(path, root)
        files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links of docs/ to what the site has."""
    if page.file.generated_by:
        return markdown
    root = Path(config.config_file_path).parent
    return relinked(markdown, f"docs/{page.file.src_uri}", page.file.src_uri, root)
