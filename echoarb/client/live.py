"""Live ticks: a WebSocket that comes back by itself, and where it was.

The protocol is docs/websocket.md. What a caller gets has no hole and no repeat, as far as the API
can bring it; what it can't bring is told as ResumeGap.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from echoarb.client.errors import ApiError, error_of
from echoarb.client.records import Gap, LatestOutcome, Tick
from echoarb.client.rest import KEY_VARIABLE

SILENCE_SECONDS = 60.0
"""After this long without a message, heartbeats included, the connection is taken for dead."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 15.0
MOST_BYTES = 16 << 20
_ENDS = frozenset({"bad_message", "refused"})
"""Errors that would come again."""


class TickTold(Struct, frozen=True, tag="tick", tag_field="type"):
    """A tick, and the cursor after it."""

    data: Tick
    cursor: str | None = None


class GapTold(Struct, frozen=True, tag="gap", tag_field="type"):
    """A gap notice, and the cursor after it."""

    data: Gap
    cursor: str | None = None


class Snapshot(Struct, frozen=True, tag="snapshot", tag_field="type"):
    """How one outcome stands."""

    data: LatestOutcome


class ResumeGap(Struct, frozen=True, tag="resume_gap", tag_field="type"):
    """Something that could not be brought: docs/websocket.md lists the reasons."""

    reason: str
    topic: str | None
    partition: int | None
    missed: int | None


class Reached(Struct, frozen=True, tag="live", tag_field="type"):
    """What was before is through: the live feed begins."""

    cursor: str | None = None


class _Other(Struct, frozen=True):
    type: str
    cursor: str | None = None
    code: str = ""
    detail: str = ""


Told = TickTold | GapTold | Snapshot | ResumeGap | Reached
_TOLD = msgspec.json.Decoder(Told)
_OTHER = msgspec.json.Decoder(_Other)
_KNOWN = frozenset({"tick", "gap", "snapshot", "resume_gap", "live"})


class Live:
    """Ticks and gap notices as they come; go through it with ``async for``.

    Lost connections are made anew and resumed. ``cursor`` is where it stands: keep it to go on in
    another process, with ``resume``.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        key: str | None = None,
        platform: str | None = None,
        market: str | list[str] | None = None,
        outcome: str | None = None,
        kind: Literal["quote", "trade"] | None = None,
        mode: Literal["strict", "conflate"] | None = None,
        snapshot: bool = False,
        since: datetime | str | None = None,
        speed: float | Literal["max"] | None = None,
        resume: str | None = None,
    ) -> None:
        parts = urlsplit(url.rstrip("/"))
        scheme = "wss" if parts.scheme == "https" else "ws"
        self._url = f"{scheme}://{parts.netloc}{parts.path}/ws/ticks"
        key = key or os.environ.get(KEY_VARIABLE)
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._filters = _without_none(
            {"platform": platform, "market": market, "outcome": outcome, "kind": kind, "mode": mode}
        )
        begin = since.isoformat() if isinstance(since, datetime) else since
        self._first = _without_none({"from": begin, "speed": speed, "snapshot": snapshot or None})
        self.cursor = resume
        """Where it stands: None before the first message that says so."""
        self.connections = 0
        """How often it connected."""

    def __repr__(self) -> str:
        return f"Live({self._url!r}, {self._filters!r})"

    async def __aiter__(self) -> AsyncIterator[Told]:
        """Yield what is told, for ever. Raises ApiError if the API refuses for good."""
        pause = FIRST_PAUSE
        while True:
            try:
                async with connect(
                    self._url,
                    additional_headers=self._headers,
                    max_size=MOST_BYTES,
                    proxy=None,
                    open_timeout=SILENCE_SECONDS,
                ) as socket:
                    self.connections += 1
                    await socket.send(msgspec.json.encode(self._request()).decode())
                    async for told in self._listen(socket):
                        pause = FIRST_PAUSE
                        yield told
            except InvalidStatus as refused:
                if refused.response.status_code not in (429, 503):
                    body = bytes(refused.response.body or b"")
                    raise error_of(refused.response.status_code, body) from None
            except (ConnectionClosed, WebSocketException, OSError, TimeoutError):
                pass  # lost: come back
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # so that not all come at once
            pause = min(pause * 2, LONGEST_PAUSE)

    def _request(self) -> dict[str, Any]:
        asked: dict[str, Any] = {"type": "subscribe", **self._filters}
        return asked | ({"resume": self.cursor} if self.cursor is not None else self._first)

    async def _listen(self, socket: ClientConnection) -> AsyncIterator[Told]:
        """Yield what one connection tells."""
        while True:
            async with asyncio.timeout(SILENCE_SECONDS):
                text = await socket.recv()
            other = _OTHER.decode(text)
            if other.type in _KNOWN:
                told = _TOLD.decode(text)
                # A caller that stops between two messages has had this one.
                self.cursor = other.cursor or self.cursor
                yield told
            elif other.type == "error":
                if other.code in _ENDS:
                    raise ApiError(0, other.code, other.detail)
                return  # slow_client, unavailable, too_many_clients: come back
            elif other.type == "heartbeat":
                self.cursor = other.cursor or self.cursor
            elif other.type == "subscribed" and self.cursor is None and not self._first:
                self.cursor = other.cursor  # nothing has come yet: from here on nothing is missed


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
