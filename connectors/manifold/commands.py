"""What is said on Manifold's sockets: subscriptions and JSON pings, each with a numeric txid."""

from __future__ import annotations

import json
from collections.abc import Sequence

TOPICS_A_FRAME = 1_000


class Commands:
    """The venue's client messages (PROTOCOL 6). A key is a topic.

    ``keepalive`` is the venue's own ping: protocol pings do not keep a socket alive there.
    """

    def __init__(self, capacity: int, ping_seconds: float) -> None:
        """``capacity`` is topics per socket; the venue states no limit."""
        self.capacity = capacity
        self.keepalive_seconds: float | None = ping_seconds
        self.pings: dict[str, int] = {}
        """The newest ping's txid by slot; absent on a socket that was not pinged yet."""
        self._next: dict[str, int] = {}

    def opened(self, connection: str, keys: Sequence[str]) -> list[str]:
        """Return the frames that subscribe to ``keys`` on a fresh socket."""
        slot = connection.partition("/")[0]
        self.pings.pop(slot, None)
        self._next[slot] = 0
        return self.changed(connection, keys, ())

    def changed(self, connection: str, added: Sequence[str], removed: Sequence[str]) -> list[str]:
        """Return the frames that subscribe to ``added`` and unsubscribe from ``removed``."""
        return [
            json.dumps(
                {
                    "type": kind,
                    "txid": self._txid(connection),
                    "topics": list(topics[start : start + TOPICS_A_FRAME]),
                }
            )
            for kind, topics in (("subscribe", added), ("unsubscribe", removed))
            for start in range(0, len(topics), TOPICS_A_FRAME)
        ]

    def keepalive(self, connection: str) -> str:
        """Return a ping."""
        txid = self._txid(connection)
        self.pings[connection.partition("/")[0]] = txid
        return json.dumps({"type": "ping", "txid": txid})

    def _txid(self, connection: str) -> int:
        slot = connection.partition("/")[0]
        txid = self._next.get(slot, 0)
        self._next[slot] = txid + 1
        return txid
