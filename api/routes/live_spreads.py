"""GET /ws/spreads: how the venues of each pair stand, and each change, as the older system told it.

On connecting: ``initial_spreads`` with the newest spread of each pair, then ``spread_update`` with
one. Pairs are chosen by ``?pair=a&pair=b``, or later by ``{"type": "subscribe", "pair": ["a"]}``
and ``{"type": "unsubscribe", "pair": "a"}``; every message has ``session`` and ``seq``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import parse_qs

import msgspec
from litestar import websocket
from litestar.di import NamedDependency
from litestar.exceptions import PermissionDeniedException, WebSocketDisconnect

from api import spread_queries
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
from api.messages import BadMessage, Name, Refused
from api.metrics import WS_CLOSED
from api.outgoing import Mode
from api.pairs import Pairs
from api.settings import ApiSettings
from api.spread_view import record_of, view
from api.store import Store
from schemas.clock import isoformat, now_us
from schemas.errors import EchoArbError
from schemas.spread import Spread


class Subscribe(msgspec.Struct, frozen=True, tag="subscribe", forbid_unknown_fields=True):
    """Ask for pairs besides those that come already; without any, for every pair."""

    pair: Name | list[Name] | None = None
    mode: Mode | None = None


class Unsubscribe(msgspec.Struct, frozen=True, tag="unsubscribe", forbid_unknown_fields=True):
    """Have no more of these pairs; without any, of none."""

    pair: Name | list[Name] | None = None


class Ping(msgspec.Struct, frozen=True, tag="ping", forbid_unknown_fields=True):
    """Ask for a sign of life."""


_DECODER: msgspec.json.Decoder[Subscribe | Unsubscribe | Ping] = msgspec.json.Decoder(
    Subscribe | Unsubscribe | Ping
)


class Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the connection's URL asks for."""

    pair: Annotated[list[Name], msgspec.Meta(max_length=1000)] = []
    mode: Mode = "strict"


@websocket("/ws/spreads")
async def live_spreads(
    socket: Socket,
    feed: NamedDependency[Feed],
    store: NamedDependency[Store],
    pairs: NamedDependency[Pairs],
    settings: NamedDependency[ApiSettings],
) -> None:
    """Serve one WebSocket client until it leaves or has to go."""
    if not origin_allowed(socket, settings):
        raise PermissionDeniedException("this origin is not allowed")
    await socket.accept()
    try:
        if feed.full():
            await refuse(socket, "too_many_clients", "try again later", TRY_AGAIN_LATER)
            return
        try:
            query = _query(socket.scope["query_string"].decode("latin-1"))
            wanted = _known(query.pair, pairs) if query.pair else None
        except BadMessage as error:
            await refuse(socket, error.code, str(error), POLICY_VIOLATION)
            return
        client = Client(settings.api_ws_queue, query.mode)
        client.plain = True
        connection = SpreadsConnection(socket, feed, store, pairs, settings, client)
        try:
            reason = await connection.serve(wanted)
        finally:
            feed.spreads.leave(client)
    except (WebSocketDisconnect, OSError):
        reason = "client"
    WS_CLOSED.labels(reason).inc()


def _query(text: str) -> Query:
    """Raises BadMessage."""
    try:
        given = parse_qs(text, keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS)
        modes = given.get("mode", ["strict"])
        if len(modes) > 1:
            raise ValueError("mode is given more than once")
        return msgspec.convert({**given, "mode": modes[0]}, Query)
    except (msgspec.ValidationError, ValueError) as error:
        raise BadMessage(str(error)) from error


def _known(named: str | list[str], pairs: Pairs) -> set[str]:
    """Raises Refused."""
    asked = {named} if isinstance(named, str) else set(named)
    for pair_id in sorted(asked):
        if pair_id not in pairs.by_id:
            raise Refused(f"no pair {pair_id!r} is configured; /api/v1/pairs lists them")
    return asked


class SpreadsConnection(Connection):
    """One client of /ws/spreads."""

    def __init__(
        self,
        socket: Socket,
        feed: Feed,
        store: Store,
        pairs: Pairs,
        settings: ApiSettings,
        client: Client,
    ) -> None:
        super().__init__(socket, settings, client)
        self._feed = feed
        self._store = store
        self._pairs = pairs
        self._asked = False
        """Whether the client chose pairs itself."""
        self._initial: asyncio.Queue[set[str] | None] = asyncio.Queue(100)

    async def serve(self, wanted: set[str] | None) -> str:
        """Serve the client until it leaves or has to go; return why, in a word."""
        self._asked = wanted is not None
        self.client.put("welcome", {"ts": isoformat(now_us())})
        self._feed.spreads.join(self.client, set())
        self._initial.put_nowait(wanted)
        return await self.run(self._tell_initial())

    async def _tell_initial(self) -> EchoArbError | None:
        """Tell how wanted pairs stand, and let what comes then follow without a hole."""
        while True:
            wanted = await self._initial.get()
            try:
                table = await self._store.table(spread_queries.latest(list(self._pairs.by_id)))
            except EchoArbError as error:
                return error
            stored = [record_of(row) for row in table.to_pylist()]
            held = self._feed.spreads.clients.get(self.client, set())
            found: list[Spread] = self._feed.spreads.merged(stored, wanted)
            # From here to the end nothing is awaited: the next spread finds the client listed.
            told = {"timestamp": isoformat(now_us()), "spreads": [view(one) for one in found]}
            self.client.put("initial_spreads", told)
            both = None if wanted is None or held is None else held | wanted
            self._feed.spreads.clients[self.client] = both

    def answer(self, text: str) -> None:
        """Do what a request asks, and queue the answer. Raises BadMessage."""
        try:
            request = _DECODER.decode(text)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
            raise BadMessage(str(error)) from error
        if isinstance(request, Ping):
            self.client.put("pong", {"ts": isoformat(now_us())})
        elif isinstance(request, Subscribe):
            self._subscribe(request)
        else:
            self._unsubscribe(request)

    def _subscribe(self, request: Subscribe) -> None:
        wanted = None if request.pair is None else _known(request.pair, self._pairs)
        if self._initial.full():
            raise Refused("too many subscriptions at once")
        if request.mode is not None:
            self.client.outgoing.mode = request.mode
        if not self._asked:  # what came unasked ends when a client asks
            self._feed.spreads.clients[self.client] = set()
        self._asked = True
        told = {"pair": None if wanted is None else sorted(wanted)}
        self.client.put("subscribed", {**told, "mode": self.client.outgoing.mode})
        self._initial.put_nowait(wanted)

    def _unsubscribe(self, request: Unsubscribe) -> None:
        self._asked = True
        held = self._feed.spreads.clients[self.client]
        every = set(self._pairs.by_id) if held is None else held
        ended = every if request.pair is None else _known(request.pair, self._pairs)
        self._feed.spreads.clients[self.client] = every - ended
        self.client.put("unsubscribed", {"pair": sorted(ended & every)})

    def heartbeat(self) -> Mapping[str, Any]:
        """Return what a heartbeat says."""
        return {
            "ts": isoformat(now_us()),
            "timestamp": isoformat(now_us()),
            "feed": self._feed.problem or "ok",
            "conflated": self.client.outgoing.conflated,
        }

    def dismiss(self) -> None:
        """Let nothing more be queued: the client has to go."""
        self._feed.spreads.leave(self.client)
