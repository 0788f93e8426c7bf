"""What waits to be sent to one WebSocket client: bounded, and conflated if the client wants that.

In strict mode everything is sent, and a client that takes too little of it has to go. In conflate
mode a quote takes the place of the one before it of the same outcome, if that still waits and no
trade or gap of its market came in between. Trades and gaps are never conflated, and nothing passes
them.

A conflated quote keeps the place of the first, and so its ``seq`` and its cursor: whoever resumes
from there misses nothing, and may get the quote once more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from api.events import Event

Mode = Literal["strict", "conflate"]
MAX_CHARACTERS = 16_000_000
"""What waits for one client at most, however few messages it is in: a message may echo one of the
client's own, and the client need not read."""
_ENCODER = msgspec.json.Encoder()
Market = tuple[str, str | None]


@dataclass(slots=True)
class Waiting:
    """One message: ``head`` and ``data`` make it when it is sent."""

    head: str
    data: str
    quote_of: tuple[Market, str] | None = None
    """Market and outcome, of a quote that may be replaced."""


class Outgoing:
    """One client's messages in order. No method waits."""

    def __init__(self, session: str, limit: int, mode: Mode = "strict") -> None:
        self.session = session
        self.mode: Mode = mode
        self.seq = 0
        """Number of the last message put."""
        self.conflated = 0
        """Quotes that another one took the place of."""
        self.full = False
        """Whether a message found no room: the client has to go."""
        self._limit = limit
        self._queue: deque[Waiting] = deque()
        self._characters = 0
        self._quotes: dict[Market, dict[str, Waiting]] = {}
        """Quotes that may still be replaced, by market and outcome."""

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, kind: str, fields: Mapping[str, Any]) -> bool:
        """Queue a message other than a tick or gap; return whether there was room."""
        if not self._room():
            return False
        body = _ENCODER.encode(fields).decode()[1:]
        comma = "," if body != "}" else ""
        self._append(Waiting(f"{self._head(kind)}{comma}{body}", ""))
        return True

    def put_event(self, event: Event, cursor: str | None, *, plain: bool = False) -> bool:
        """Queue a tick or gap; return whether there was room. ``plain``: as the older system."""
        market = (event.platform, event.market)
        data = f"{event.plain()}}}" if plain else f'"data":{event.data}}}'
        conflating = self.mode == "conflate"
        is_quote = event.kind == "quote"
        if conflating and is_quote:
            before = self._quotes.get(market, {}).get(event.outcome)
            if before is not None:
                if len(data) > len(before.data) and self._characters > MAX_CHARACTERS:
                    self.full = True
                    return False
                self._characters += len(data) - len(before.data)
                before.data = data
                self.conflated += 1
                return True
        if not self._room():
            return False
        place = "" if cursor is None else f'"cursor":"{cursor}",'
        waiting = Waiting(f"{self._head(event.type)},{place}", data)
        if conflating and is_quote:
            waiting.quote_of = market, event.outcome
            self._quotes.setdefault(market, {})[event.outcome] = waiting
        elif conflating:
            self._seal(event)
        self._append(waiting)
        return True

    def _seal(self, event: Event) -> None:
        """Let no later quote pass a trade or gap."""
        if event.market is None:
            for market in [m for m in self._quotes if m[0] == event.platform]:
                del self._quotes[market]
        else:
            self._quotes.pop((event.platform, event.market), None)

    def _head(self, kind: str) -> str:
        self.seq += 1
        return f'{{"type":"{kind}","session":"{self.session}","seq":{self.seq}'

    def _room(self) -> bool:
        if len(self._queue) >= self._limit or self._characters > MAX_CHARACTERS:
            self.full = True
        return not self.full

    def _append(self, waiting: Waiting) -> None:
        self._queue.append(waiting)
        self._characters += len(waiting.head) + len(waiting.data)

    def take(self) -> str | None:
        """Return the next message, None if none waits."""
        if not self._queue:
            return None
        waiting = self._queue.popleft()
        self._characters -= len(waiting.head) + len(waiting.data)
        if waiting.quote_of is not None:  # what is sent can't be replaced
            market, outcome = waiting.quote_of
            replaceable = self._quotes.get(market, {})
            if replaceable.get(outcome) is waiting:
                del replaceable[outcome]
                if not replaceable:
                    del self._quotes[market]
        return waiting.head + waiting.data

    def abandon(self) -> int:
        """Forget what waits and return how many messages that were."""
        unsent = len(self._queue)
        self._queue.clear()
        self._quotes.clear()
        self._characters = 0
        return unsent
