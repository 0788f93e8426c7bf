"""Finds a venue's folder by its name."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from connectors.contract import Feed, Parser
from schemas.errors import ConfigurationError
from schemas.settings import Settings
from schemas.topics import PLATFORMS


@dataclass(frozen=True, slots=True)
class Venue:
    """The three names that every ``connectors/<venue>/__init__.py`` exports."""

    parser: type[Any]
    feed: type[Any]
    settings: type[Settings]

    def new_parser(self, **options: Any) -> Parser:
        """Return a fresh Parser of this venue."""
        parser: Parser = self.parser(**options)
        return parser

    def new_feed(self, *arguments: Any) -> Feed:
        """Return the venue's Feed."""
        feed: Feed = self.feed(*arguments)
        return feed


def venue(platform: str) -> Venue:
    """Return the venue's parts. Raises ConfigurationError if there is no such venue."""
    if platform not in PLATFORMS:
        raise ConfigurationError(
            f"no platform {platform!r}: it must be one of {', '.join(PLATFORMS)}"
        )
    module = importlib.import_module(f"connectors.{platform}")
    return Venue(module.Parser, module.Feed, module.Settings)
