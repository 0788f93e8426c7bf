"""The table of a chart's values from values.yaml, where "# --" describes the key below."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

_KEY = re.compile(r"( *)([A-Za-z]+):")


def described(text: str) -> dict[str, str]:
    """Return description by dotted path."""
    found: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    description = None
    for line in text.splitlines():
        if line.strip().startswith("# -- "):
            description = line.strip().removeprefix("# -- ")
        elif key := _KEY.match(line):
            depth = len(key[1])
            path = [*(each for each in path if each[0] < depth), (depth, key[2])]
            if description is not None:
                found[".".join(name for _, name in path)] = description
                description = None
    return found


def leaves(values: dict[str, Any], stops: set[str], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield path and value of what has no further keys, or is described as a whole."""
    for name, value in values.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict) and value and path not in stops:
            yield from leaves(value, stops, f"{path}.")
        else:
            yield path, value


def table(text: str) -> str:
    """Return the table. Raises KeyError for a value without a description."""
    words = described(text)
    rows = ["| value | meaning | default |", "|---|---|---|"]
    for path, value in leaves(yaml.safe_load(text), set(words)):
        meaning = words[path].replace("|", "\\|")
        default = json.dumps(value, separators=(", ", ": ")).replace("|", "\\|")
        rows.append(f"| `{path}` | {meaning} | `{default}` |")
    return "\n".join(rows)
