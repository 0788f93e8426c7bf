"""What a venue folder must provide, and what its parts must not do.

Each ``connectors/<venue>/`` holds the same files: ``settings.py``, ``parse.py`` (Parser),
``discovery.py`` (pure: pages to markets), ``commands.py`` (Dialect), ``feed.py`` (Feed).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, Protocol

from connectors.book import Book
from connectors.events import Event, Frame
from schemas.gap import GapReason
from schemas.market import Market


class Parser(Protocol):
    """The state of one venue's streams, fed with frames. Pure: no I/O, no clock, no await.

    Equal frames in equal order give equal events, live and in a replay. Nothing here raises,
    whatever the text holds: what can't be used becomes a Rejected.
    """

    platform: ClassVar[str]
    markets: dict[str, Market]
    """Every market seen, by market id: what discovery found and the stream changed."""

    def receive(self, frame: Frame) -> list[Event]:
        """Return what the frame means; never an empty list."""
        ...

    def disconnected(
        self, connection: str, at_us: int, reason: GapReason, detail: str
    ) -> list[Event]:
        """Mark everything that came by this connection untrusted and return the Gaps opened.

        ``at_us`` is the last moment at which the connection could be trusted.
        """
        ...

    def books(self) -> Iterable[Book]:
        """Return every book as it stands, in a stable order."""
        ...


class Dialect(Protocol):
    """What to say on one venue's sockets: pure text building.

    A key is what the venue subscribes by: a market ticker, a token id, a topic.
    """

    capacity: int
    """Keys per socket."""
    keepalive_seconds: float | None
    """How often ``keepalive`` is sent; None if the protocol's own pings are enough."""

    def opened(self, connection: str, keys: Sequence[str]) -> list[str]:
        """Return the frames to send on a fresh socket so that it follows ``keys``."""
        ...

    def changed(self, connection: str, added: Sequence[str], removed: Sequence[str]) -> list[str]:
        """Return the frames to send when the keys of an open socket change."""
        ...

    def keepalive(self, connection: str) -> str:
        """Return the text to send as application-level ping."""
        ...


class Feed(Protocol):
    """The edge of one venue: fetches pages, keeps sockets open, hands every text to the pipeline.

    Made as ``Feed(connector_settings, venue_settings, pipeline, http_session)``; a wrong setting
    raises ConfigurationError there, before anything runs.

    It must not parse prices, must not swallow an error without counting it, and must end cleanly
    when cancelled.
    """

    async def run(self) -> None:
        """Follow the venue until cancelled."""
        ...
