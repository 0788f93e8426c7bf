"""Who gets what: WebSocket clients, their subscriptions, and a bounded queue for each.

Nothing here waits: publishing puts messages in queues (api/outgoing.py), and a client whose queue
is full is marked slow and gets nothing more. api/routes/live.py does the sending.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from api.events import Event
from api.messages import Refused, Subscribe
from api.metrics import WS_CLIENTS, WS_CONFLATED, WS_MESSAGES, WS_SUBSCRIPTIONS
from api.outgoing import Mode, Outgoing
from api.settings import ApiSettings

ROOM_SECONDS = 30
"""How long what a client asked for may wait for it to read."""
Place = tuple[str | None, str | None]
"""Platform and market, None being any."""


class Client:
    """One connection: what waits for it, and its subscriptions."""

    def __init__(self, limit: int, mode: Mode = "strict") -> None:
        self._limit = limit
        self._filled = asyncio.Event()
        self._roomy = asyncio.Event()
        self.outgoing = Outgoing(secrets.token_hex(8), limit, mode)
        self.slow = asyncio.Event()
        """Set when the queue was full: the client has to go."""
        self.subscriptions: dict[int, Subscribe] = {}
        self.last_subscription = 0
        self.plain = False
        """Whether ticks are told as the older system told them."""
        self.behind: asyncio.Task[None] | None = None
        """What brings the client to the live feed, while it is not there yet."""

    def put(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Queue a message other than a tick or gap."""
        if not self.slow.is_set():
            self._was_put(kind, self.outgoing.put(kind, fields))

    def put_event(self, event: Event, cursor: str | None) -> None:
        """Queue a tick or gap."""
        if self.slow.is_set() or (self.plain and event.type == "gap"):
            return
        before = self.outgoing.conflated
        taken = self.outgoing.put_event(event, cursor, plain=self.plain)
        WS_CONFLATED.inc(self.outgoing.conflated - before)
        self._was_put(event.type, taken)

    def _was_put(self, kind: str, taken: bool) -> None:
        if not taken:
            self.slow.set()
            return
        self._filled.set()
        WS_MESSAGES.labels(kind).inc()

    async def take(self) -> str:
        """Return the next message, waiting for one."""
        while (text := self.outgoing.take()) is None:
            self._filled.clear()
            await self._filled.wait()
        if len(self.outgoing) <= self._limit // 2:
            self._roomy.set()
        return text

    async def room(self) -> None:
        """Return once the queue is no more than half full; a client that reads nothing is slow."""
        while len(self.outgoing) > self._limit // 2:
            self._roomy.clear()
            try:
                await asyncio.wait_for(self._roomy.wait(), ROOM_SECONDS)
            except TimeoutError:
                self.slow.set()
                await asyncio.Event().wait()  # until it is cancelled


@dataclass(slots=True)
class Hub:
    """All clients, and an index from platform and market to their subscriptions."""

    settings: ApiSettings
    clients: set[Client] = field(default_factory=set)
    joined: int = 0
    """Clients since the start."""
    _index: dict[Place, dict[tuple[Client, int], Subscribe]] = field(default_factory=dict)

    def join(self, mode: Mode = "strict") -> Client:
        """Return a new client."""
        client = Client(self.settings.api_ws_queue, mode)
        self.joined += 1
        self.clients.add(client)
        WS_CLIENTS.inc()
        return client

    def leave(self, client: Client) -> None:
        """Forget a client and its subscriptions."""
        self.unsubscribe(client, None)
        if client in self.clients:
            self.clients.discard(client)
            WS_CLIENTS.dec()

    def subscriptions(self) -> int:
        """Return how many subscriptions are in force."""
        return sum(len(client.subscriptions) for client in self.clients)

    def number(self, client: Client, wanted: Subscribe) -> int:
        """Return the number of a new subscription, which gets nothing until it is begun.

        Raises Refused if there are too many.
        """
        if len(client.subscriptions) >= self.settings.api_ws_subscriptions:
            raise Refused(f"at most {self.settings.api_ws_subscriptions} subscriptions")
        named = sum(len(held.markets()) for held in client.subscriptions.values())
        if named + len(wanted.markets()) > self.settings.api_ws_markets:
            raise Refused(f"at most {self.settings.api_ws_markets} markets may be named in all")
        client.last_subscription += 1
        client.subscriptions[client.last_subscription] = wanted
        WS_SUBSCRIPTIONS.inc()
        return client.last_subscription

    def subscribe(self, client: Client, wanted: Subscribe) -> int:
        """Begin a subscription at once and return its number. Raises Refused."""
        number = self.number(client, wanted)
        self.begin(client, number)
        return number

    def begin(self, client: Client, number: int) -> None:
        """Let a subscription have what comes from now on."""
        wanted = client.subscriptions[number]
        for place in _places(wanted):
            self._index.setdefault(place, {})[client, number] = wanted

    def unsubscribe(self, client: Client, number: int | None) -> list[int]:
        """End one subscription, or all, and return their numbers. Raises Refused."""
        if number is not None and number not in client.subscriptions:
            raise Refused(f"no subscription {number}")
        numbers = list(client.subscriptions) if number is None else [number]
        for each in numbers:
            for place in _places(client.subscriptions.pop(each)):
                held = self._index.get(place, {})
                held.pop((client, each), None)  # one that has not begun isn't there
                if not held:
                    self._index.pop(place, None)
            WS_SUBSCRIPTIONS.dec()
        return numbers

    def wants(self, platform: str, market: str) -> bool:
        """Return whether any client might want a tick of this market."""
        return any(place in self._index for place in _covering(platform, market))

    def publish(self, event: Event, cursor: str | None) -> None:
        """Queue a tick or gap for each client that asked for it, once.

        A gap without a market concerns every subscription to any part of the platform.
        """
        if event.market is None:
            places = [place for place in self._index if place[0] in (None, event.platform)]
        else:
            places = _covering(event.platform, event.market)
        chosen = {client: None for client, wanted in self._held(places) if wanted.takes_kind(event)}
        for client in chosen:
            client.put_event(event, cursor)

    def _held(self, places: list[Place]) -> Iterator[tuple[Client, Subscribe]]:
        for place in places:
            for (client, _), wanted in self._index.get(place, {}).items():
                yield client, wanted


def _places(wanted: Subscribe) -> list[Place]:
    return [(wanted.platform, market) for market in wanted.markets()] or [(wanted.platform, None)]


def _covering(platform: str, market: str) -> list[Place]:
    return [(platform, market), (platform, None), (None, market), (None, None)]
