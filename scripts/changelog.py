"""What CHANGELOG.md says of a version; with --tag, only if the tag may be released.

python scripts/changelog.py 0.1.0
python scripts/changelog.py --tag v0.1.0
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEADING = re.compile(r"^## \[(?P<version>[^\]]+)\](?: - (?P<date>\S+))?$", re.MULTILINE)


def sections(text: str) -> dict[str, tuple[str | None, str]]:
    """Return date and text of every version, newest first."""
    found = list(HEADING.finditer(text))
    ends = [each.start() for each in found[1:]] + [len(text)]
    return {
        each["version"]: (each["date"], text[each.end() : end].strip())
        for each, end in zip(found, ends, strict=True)
    }


def notes(text: str, version: str) -> str:
    """Return what is said of a version. Raises LookupError if nothing is."""
    said = sections(text).get(version, (None, ""))[1]
    if not said:
        raise LookupError(f"CHANGELOG.md says nothing of {version}")
    return said


def release_notes(text: str, tag: str, version: str) -> str:
    """Return the notes of a release. Raises LookupError unless tag, version and changelog agree."""
    if tag != f"v{version}":
        raise LookupError(f"the tag is {tag}, the version in pyproject.toml {version}")
    newest, (date, _) = next(iter(sections(text).items()))
    if newest != version or date is None:
        raise LookupError(f"CHANGELOG.md begins with {newest}, not with a dated [{version}]")
    return notes(text, version)


def project_version() -> str:
    """Return the version in pyproject.toml."""
    found: str = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    return found


def main(arguments: list[str]) -> None:
    """Print the notes, or say why there are none."""
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    try:
        if arguments[0] == "--tag":
            print(release_notes(text, arguments[1], project_version()))
        else:
            print(notes(text, arguments[0]))
    except LookupError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
