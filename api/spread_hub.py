"""Who gets which spreads: clients of /ws/spreads, what they want, the newest of each pair."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from api import plain
from api.events import Event
from api.hub import Client
from api.metrics import WS_CLIENTS
from api.spread_view import view
from schemas.clock import isoformat
from schemas.spread import Spread

MOST_PAIRS = 10_000
"""Pairs whose newest spread is kept."""
_ENCODER = msgspec.json.Encoder()


@dataclass(slots=True)
class SpreadHub:
    """Clients by what they want; None is every pair."""

    clients: dict[Client, set[str] | None] = field(default_factory=dict)
    newest: dict[str, Spread] = field(default_factory=dict)
    """The newest spread of each pair that came since the start."""
    joined: int = 0

    def join(self, client: Client, pairs: set[str] | None) -> None:
        """Let a client have what comes from now on."""
        self.clients[client] = pairs
        self.joined += 1
        WS_CLIENTS.inc()

    def leave(self, client: Client) -> None:
        """Forget a client."""
        if client in self.clients:
            del self.clients[client]
            WS_CLIENTS.dec()

    def publish(self, spread: Spread) -> None:
        """Queue a spread for each client that wants its pair; an older one than was told is not."""
        known = self.newest.get(spread.pair_id)
        if known is not None and known.ts > spread.ts:
            return
        if known is not None or len(self.newest) < MOST_PAIRS:
            self.newest[spread.pair_id] = spread
        wanting = [
            c for c, pairs in self.clients.items() if pairs is None or spread.pair_id in pairs
        ]
        if wanting:
            event = event_of(spread)
            for client in wanting:
                client.put_event(event, None)

    def merged(self, stored: Iterable[Spread], pairs: set[str] | None) -> list[Spread]:
        """Return the newest spread of each pair that is wanted, by pair id, of those that were
        stored and those that came since."""
        found = {spread.pair_id: spread for spread in stored}
        for pair_id, spread in self.newest.items():
            if pair_id not in found or found[pair_id].ts <= spread.ts:
                found[pair_id] = spread
        wanted = sorted(found) if pairs is None else sorted(found.keys() & pairs)
        return [found[pair_id] for pair_id in wanted]


def event_of(spread: Spread) -> Event:
    """Return a spread's message. A newer one of the same pair may take its place in a queue."""
    fields = (
        f'"timestamp":"{isoformat(spread.ts)}",'
        f'"trigger_tick":{plain.number_text(plain.trigger(spread))},'
        f'"spreads":[{_ENCODER.encode(view(spread)).decode()}]'
    )
    return Event("spread_update", "", spread.pair_id, "", "quote", "", _plain=fields)
