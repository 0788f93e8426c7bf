"""GET /ws/ticks: ticks and gap notices as they come from Kafka. The protocol: api/messages.py."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from litestar import websocket
from litestar.di import NamedDependency
from litestar.exceptions import PermissionDeniedException, WebSocketDisconnect

from api import messages, position
from api.connection import (
    MAX_QUERY_FIELDS,
    POLICY_VIOLATION,
    TRY_AGAIN_LATER,
    Connection,
    Socket,
    origin_allowed,
    refuse,
)
from api.feed import Feed
from api.hub import Client
from api.messages import BadMessage, Ping, Refused, Subscribe, Unsubscribe
from api.metrics import WS_BEHIND, WS_CLOSED
from api.past import Past
from api.position import Position
from api.settings import ApiSettings
from api.store import Store
from schemas.clock import isoformat, now_us
from schemas.errors import EchoArbError

PLAIN_SECONDS = 1.0
"""After this long without a request a client is taken for one of the older system's."""


@websocket("/ws/ticks")
async def live_ticks(
    socket: Socket,
    feed: NamedDependency[Feed],
    store: NamedDependency[Store],
    settings: NamedDependency[ApiSettings],
) -> None:
    """Serve one WebSocket client until it leaves or has to go."""
    if not origin_allowed(socket, settings):
        raise PermissionDeniedException("this origin is not allowed")
    await socket.accept()
    hub = feed.hub
    here = feed.position.copy()  # where a client stands that asks for nothing
    try:
        if feed.full():
            await refuse(socket, "too_many_clients", "try again later", TRY_AGAIN_LATER)
            return
        try:
            query = socket.scope["query_string"].decode("latin-1")
            wanted = messages.from_query(
                parse_qs(query, keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS)
            )
        except (BadMessage, ValueError) as error:
            await refuse(socket, "bad_message", str(error), POLICY_VIOLATION)
            return
        client = hub.join()
        try:
            connection = TicksConnection(socket, feed, store, settings, client, here)
            reason = await connection.serve(wanted)
        finally:
            hub.leave(client)
    except (WebSocketDisconnect, OSError):  # uvicorn's error for a lost connection is an OSError
        reason = "client"
    WS_CLOSED.labels(reason).inc()


class TicksConnection(Connection):
    """One client of /ws/ticks."""

    def __init__(
        self,
        socket: Socket,
        feed: Feed,
        store: Store,
        settings: ApiSettings,
        client: Client,
        here: Position,
    ) -> None:
        """``here`` is where the feed stood when the client connected."""
        super().__init__(socket, settings, client)
        self._feed = feed
        self._store = store
        self._here = here
        self._asked = asyncio.Event()
        self._gone = asyncio.Event()
        """Set when something begins to bring the client to the live feed."""

    async def serve(self, wanted: Subscribe | None) -> str:
        """Serve the client until it leaves or has to go; return why, in a word."""
        self.client.put("welcome", {"ts": isoformat(now_us()), "cursor": self._feed.cursor()})
        if wanted is not None:
            try:
                self._subscribe(wanted)
            except BadMessage as error:
                self.client.put("error", {"code": error.code, "detail": str(error)})
        try:
            more = [self._failed(), *([] if wanted else [self._plain()])]
            return await self.run(*more)
        finally:
            self._end_behind()

    def answer(self, text: str) -> None:
        """Do what a request asks, and queue the answer. Raises BadMessage."""
        client = self.client
        self._asked.set()
        if client.plain:
            self._end_plain()
        request = messages.parse(text)
        if isinstance(request, Subscribe):
            self._subscribe(request)
        elif isinstance(request, Unsubscribe):
            ended = self._feed.hub.unsubscribe(client, request.subscription)
            if not client.subscriptions:
                self._end_behind()
            client.put("unsubscribed", {"subscriptions": ended})
        elif isinstance(request, Ping):
            client.put("pong", {"ts": isoformat(now_us())})

    def heartbeat(self) -> Mapping[str, Any]:
        """Return what a heartbeat says."""
        client = self.client
        live = client.behind is None and client.subscriptions and not client.plain
        return {
            "ts": isoformat(now_us()),
            "feed": self._feed.problem or "ok",
            "conflated": client.outgoing.conflated,
            "cursor": self._feed.cursor() if live else None,
        }

    def dismiss(self) -> None:
        """Let nothing more be queued: the client has to go."""
        self._end_behind()
        self._feed.hub.unsubscribe(self.client, None)

    def _end_behind(self) -> None:
        if self.client.behind is not None:
            self.client.behind.cancel()
            self.client.behind = None

    def _subscribe(self, wanted: Subscribe) -> None:
        """Begin a subscription, or what leads to it. Raises BadMessage."""
        client = self.client
        if client.behind is not None:
            raise Refused("wait for live: the first subscription is not there yet")
        if wanted.past() and client.last_subscription:
            raise Refused("resume, snapshot and from are for a connection's first subscription")
        number = self._feed.hub.number(client, wanted)
        if wanted.mode is not None:
            client.outgoing.mode = wanted.mode
        filters = {
            "platform": wanted.platform,
            "market": sorted(wanted.markets()) or None,
            "outcome": wanted.outcome,
            "kind": wanted.kind,
        }
        # Whoever is cut off right after this must not lose what is still to be brought.
        cursor = wanted.resume if wanted.past() else self._feed.cursor()
        how = {"mode": client.outgoing.mode, "cursor": cursor}
        client.put("subscribed", {"subscription": number, **filters, **how})
        if not wanted.past():
            self._feed.hub.begin(client, number)
            return
        past = Past(client, number, wanted, self._feed, self._store, self._settings)
        if wanted.resume is not None:
            self._go(partial(past.resume, position.decode(wanted.resume)))
        elif wanted.snapshot:
            self._go(past.snapshot)
        else:
            self._go(partial(past.history, wanted.from_us() or 0))

    def _go(self, way: Callable[[], Awaitable[None]]) -> None:
        async def brought() -> None:
            with WS_BEHIND.track_inprogress():
                await way()
            self.client.behind = None

        self.client.behind = asyncio.create_task(brought(), name="past")
        self._gone.set()

    async def _failed(self) -> EchoArbError:
        """Return why the client could not be brought to the live feed; until then wait."""
        while True:
            await self._gone.wait()
            self._gone.clear()
            behind = self.client.behind
            if behind is None:
                continue
            await asyncio.wait({behind})
            if behind.cancelled():
                continue
            if isinstance(error := behind.exception(), EchoArbError):
                return error
            behind.result()  # a defect of ours ends the connection

    async def _plain(self) -> EchoArbError | None:
        """Tell a client that asks for nothing everything, as the older system did."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PLAIN_SECONDS):
                await self._asked.wait()
        client = self.client
        if not self._asked.is_set():
            wanted = Subscribe()
            client.plain = True
            number = self._feed.hub.number(client, wanted)
            past = Past(client, number, wanted, self._feed, self._store, self._settings)
            here = self._here if self._here.topics else self._feed.position.copy()
            self._go(partial(past.from_now, here))
        await asyncio.Event().wait()
        return None

    def _end_plain(self) -> None:
        """A client that does ask is no longer told everything."""
        client = self.client
        client.plain = False
        self._end_behind()
        self._feed.hub.unsubscribe(client, None)
        client.last_subscription = 0
