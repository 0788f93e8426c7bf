"""Who gets what: WebSocket clients, their subscriptions, and a bounded queue for each.

Nothing here waits: publishing puts text in queues, and a client whose queue is full is marked slow
and gets nothing more. api/routes/live.py does the sending.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from api.messages import BadMessage, Subscribe, data_message, message
from api.metrics import WS_CLIENTS, WS_MESSAGES, WS_SUBSCRIPTIONS
from api.settings import ApiSettings

MAX_QUEUE_CHARACTERS = 16_000_000
"""What waits for one client at most, however few messages it is in: a message may echo one of the
client's own, and the client need not read."""
Place = tuple[str | None, str | None]
"""Platform and market, None being any."""


class Client:
    """One connection's queue and subscriptions."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._queue: deque[str] = deque()
        self._characters = 0
        self._filled = asyncio.Event()
        self.slow = asyncio.Event()
        """Set when the queue was full: the client has to go."""
        self.seq = 0
        self.subscriptions: dict[int, Subscribe] = {}
        self.last_subscription = 0

    def put(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Queue a message other than a tick or gap."""
        if self._room(kind):
            self._append(message(kind, self.seq, fields))

    def put_data(self, kind: str, data: str) -> None:
        """Queue a tick or gap, given as JSON text."""
        if self._room(kind):
            self._append(data_message(kind, self.seq, data))

    def _room(self, kind: str) -> bool:
        if self.slow.is_set():
            return False
        if len(self._queue) >= self._limit or self._characters > MAX_QUEUE_CHARACTERS:
            self.slow.set()
            return False
        self.seq += 1
        self._filled.set()
        WS_MESSAGES.labels(kind).inc()
        return True

    def _append(self, text: str) -> None:
        self._queue.append(text)
        self._characters += len(text)

    async def take(self) -> str:
        """Return the next message, waiting for one."""
        while not self._queue:
            self._filled.clear()
            await self._filled.wait()
        text = self._queue.popleft()
        self._characters -= len(text)
        return text

    def abandon(self) -> int:
        """Empty the queue and return how many messages were not sent."""
        unsent = len(self._queue)
        self._queue.clear()
        self._characters = 0
        return unsent


@dataclass(slots=True)
class Hub:
    """All clients, and an index from platform and market to their subscriptions."""

    settings: ApiSettings
    clients: set[Client] = field(default_factory=set)
    _index: dict[Place, dict[tuple[Client, int], Subscribe]] = field(default_factory=dict)

    def full(self) -> bool:
        """Return whether another client is one too many."""
        return len(self.clients) >= self.settings.api_ws_clients

    def join(self) -> Client:
        """Return a new client."""
        client = Client(self.settings.api_ws_queue)
        self.clients.add(client)
        WS_CLIENTS.set(len(self.clients))
        return client

    def leave(self, client: Client) -> None:
        """Forget a client and its subscriptions."""
        self.unsubscribe(client, None)
        self.clients.discard(client)
        WS_CLIENTS.set(len(self.clients))

    def subscriptions(self) -> int:
        """Return how many subscriptions are in force."""
        return sum(len(client.subscriptions) for client in self.clients)

    def subscribe(self, client: Client, wanted: Subscribe) -> int:
        """Return the number of the new subscription. Raises BadMessage if there are too many."""
        if len(client.subscriptions) >= self.settings.api_ws_subscriptions:
            raise BadMessage(f"at most {self.settings.api_ws_subscriptions} subscriptions")
        named = sum(len(held.markets()) for held in client.subscriptions.values())
        if named + len(wanted.markets()) > self.settings.api_ws_markets:
            raise BadMessage(f"at most {self.settings.api_ws_markets} markets may be named in all")
        client.last_subscription += 1
        number = client.last_subscription
        client.subscriptions[number] = wanted
        for place in _places(wanted):
            self._index.setdefault(place, {})[client, number] = wanted
        WS_SUBSCRIPTIONS.inc()
        return number

    def unsubscribe(self, client: Client, number: int | None) -> list[int]:
        """End one subscription, or all, and return their numbers. Raises BadMessage."""
        if number is not None and number not in client.subscriptions:
            raise BadMessage(f"no subscription {number}")
        numbers = list(client.subscriptions) if number is None else [number]
        for each in numbers:
            for place in _places(client.subscriptions.pop(each)):
                held = self._index[place]
                del held[client, each]
                if not held:
                    del self._index[place]
            WS_SUBSCRIPTIONS.dec()
        return numbers

    def wants(self, platform: str, market: str) -> bool:
        """Return whether any client might want a tick of this market."""
        return any(place in self._index for place in _covering(platform, market))

    def publish_tick(self, platform: str, market: str, outcome: str, kind: str, data: str) -> None:
        """Queue a tick for each client that asked for it, once."""
        chosen = {
            client: None
            for client, wanted in self._held(_covering(platform, market))
            if wanted.outcome in (None, outcome) and wanted.kind in (None, kind)
        }
        for client in chosen:
            client.put_data("tick", data)

    def publish_gap(self, platform: str, market: str | None, data: str) -> None:
        """Queue a gap notice for each client that it concerns, once.

        A gap without a market concerns every subscription to any part of the platform.
        """
        if market is None:
            places = [place for place in self._index if place[0] in (None, platform)]
        else:
            places = _covering(platform, market)
        for client in {client: None for client, _ in self._held(places)}:
            client.put_data("gap", data)

    def _held(self, places: list[Place]) -> Iterator[tuple[Client, Subscribe]]:
        for place in places:
            for (client, _), wanted in self._index.get(place, {}).items():
                yield client, wanted


def _places(wanted: Subscribe) -> list[Place]:
    return [(wanted.platform, market) for market in wanted.markets()] or [(wanted.platform, None)]


def _covering(platform: str, market: str) -> list[Place]:
    return [(platform, market), (platform, None), (None, market), (None, None)]
