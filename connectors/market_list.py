"""The explicit list of markets to follow, per venue, in one TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from schemas.errors import ConfigurationError


def read_list(path: Path, platform: str) -> list[str]:
    """Return ``[<platform>] markets`` of a TOML file, each once, in order.

    Empty if there is no such file or section. Raises ConfigurationError, which names the setting,
    if the file can't be read or the section isn't a list of texts.
    """
    setting = f"ECHOARB_{platform.upper()}_MARKETS_FILE"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{setting}: {path}: {error}") from error
    section: Any = content.get(platform, {})
    names = section.get("markets", []) if isinstance(section, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise ConfigurationError(f"{setting}: {path}: [{platform}] markets must be a list of texts")
    return list(dict.fromkeys(names))
