"""What a parser is given, and what it says of it: frozen records, no I/O."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.alert import Alert
from schemas.gap import Gap
from schemas.market import Market
from schemas.tick import Tick


@dataclass(frozen=True, slots=True)
class Frame:
    """One text as it was received: a WebSocket text frame or the body of a REST answer.

    ``received_us`` is our clock, UTC microseconds, read when it left the socket and before it was
    parsed. ``connection`` is ``slot/epoch`` for a socket (``ws-0/1790000000000``) and
    ``rest:<endpoint>`` for an answer (``rest:markets``).
    """

    received_us: int
    connection: str
    text: str

    @property
    def rest(self) -> str | None:
        """The REST endpoint's name, None for a socket."""
        return self.connection[5:] if self.connection.startswith("rest:") else None


@dataclass(frozen=True, slots=True)
class Applied:
    """The frame changed what we know (a book level, metadata) without making a tick."""

    kind: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """A known kind that carries no market data: an acknowledgement, a pong, a duplicate."""

    kind: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The frame, or a part of it, could not be used. ``reason`` is one word, a metric label."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class SnapshotNeeded:
    """Asks the edge for fresh snapshots of these markets on this connection."""

    connection: str
    market_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Resubscribe:
    """Tells the edge that the venue ended the subscription of these markets."""

    connection: str
    market_ids: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Reconnect:
    """Asks the edge to give this connection up and open another."""

    connection: str
    reason: str


Record = Tick | Gap | Market | Alert
"""What is published. Alerts are about the connector itself; no parser makes one."""
Request = SnapshotNeeded | Resubscribe | Reconnect
Event = Tick | Gap | Market | Applied | Ignored | Rejected | Request
