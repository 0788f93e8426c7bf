"""GET /ws/ticks: ticks and gap notices as they come from Kafka. The protocol: api/messages.py."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

from litestar import WebSocket, websocket
from litestar.di import NamedDependency
from litestar.exceptions import PermissionDeniedException, WebSocketDisconnect

from api import messages, position
from api.feed import Feed
from api.hub import Client
from api.messages import BadMessage, Ping, Subscribe, Unsubscribe
from api.metrics import WS_BEHIND, WS_CLOSED
from api.outgoing import Outgoing
from api.past import Past
from api.position import Position
from api.settings import ApiSettings
from api.store import Store
from schemas.clock import isoformat, now_us
from schemas.errors import EchoArbError
from schemas.logs import get_logger

log = get_logger("echoarb.api.live")

Socket = WebSocket[Any, Any, Any]
POLICY_VIOLATION, TRY_AGAIN_LATER, TOO_BIG = 1008, 1013, 1009
PLAIN_SECONDS = 1.0
"""After this long without a request a client is taken for one of the older system's."""
MAX_ERRORS = 20
"""Bad messages of one client after which it is closed."""
_MAX_QUERY_FIELDS = 1000


@websocket("/ws/ticks")
async def live_ticks(
    socket: Socket,
    feed: NamedDependency[Feed],
    store: NamedDependency[Store],
    settings: NamedDependency[ApiSettings],
) -> None:
    """Serve one WebSocket client until it leaves or has to go."""
    if not _origin_allowed(socket, settings):
        raise PermissionDeniedException("this origin is not allowed")
    await socket.accept()
    hub = feed.hub
    here = feed.position.copy()  # where a client stands that asks for nothing
    try:
        if hub.full():
            await _refuse(socket, "too_many_clients", "try again later", TRY_AGAIN_LATER)
            return
        try:
            query = socket.scope["query_string"].decode("latin-1")
            wanted = messages.from_query(
                parse_qs(query, keep_blank_values=True, max_num_fields=_MAX_QUERY_FIELDS)
            )
        except (BadMessage, ValueError) as error:
            await _refuse(socket, "bad_message", str(error), POLICY_VIOLATION)
            return
        client = hub.join()
        try:
            connection = Connection(socket, feed, store, settings, client, here)
            reason = await connection.serve(wanted)
        finally:
            hub.leave(client)
    except (WebSocketDisconnect, OSError):  # uvicorn's error for a lost connection is an OSError
        reason = "client"
    WS_CLOSED.labels(reason).inc()


def _origin_allowed(socket: Socket, settings: ApiSettings) -> bool:
    """Browsers send cookies and reach loopback from any page, so CORS rules apply here too."""
    origin = socket.headers.get("origin")
    if origin is None:
        return True
    return origin in settings.cors_origins() or urlsplit(origin).netloc == socket.headers.get(
        "host"
    )


async def _refuse(socket: Socket, code: str, detail: str, close_code: int) -> None:
    only = Outgoing(secrets.token_hex(8), 1)
    only.put("error", {"code": code, "detail": detail})
    await socket.send_text(only.take() or "")
    await socket.close(close_code, code)
    WS_CLOSED.labels("refused").inc()


class Connection:
    """One client's connection: what it asks for, what it is sent, and why it ends."""

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
        self._socket = socket
        self._feed = feed
        self._store = store
        self._settings = settings
        self._client = client
        self._here = here
        self._asked = asyncio.Event()
        self._gone = asyncio.Event()
        """Set when something begins to bring the client to the live feed."""

    async def serve(self, wanted: Subscribe | None) -> str:
        """Serve the client until it leaves or has to go; return why, in a word."""
        client = self._client
        client.put("welcome", {"ts": isoformat(now_us()), "cursor": self._feed.cursor()})
        if wanted is not None:
            self._answer(wanted)
        tasks = [
            asyncio.create_task(self._read(), name="read"),
            asyncio.create_task(self._write(), name="write"),
            asyncio.create_task(self._beat(), name="beat"),
            asyncio.create_task(client.slow.wait(), name="slow"),
            asyncio.create_task(self._failed(), name="behind"),
        ]
        if wanted is None:
            tasks.append(asyncio.create_task(self._plain(), name="plain"))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in [*tasks, *([client.behind] if client.behind else [])]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if client.slow.is_set():
            self._feed.hub.unsubscribe(client, None)
            return await self._farewell("slow_client", "slow")
        failed = next((task for task in done if task.get_name() == "behind"), None)
        if failed is not None:
            return await self._farewell("unavailable", "unavailable", str(failed.result()))
        for task in done:
            task.result()  # raises what ended it
        await self._socket.close(POLICY_VIOLATION, "too many bad messages")
        return "too_many_errors"

    async def _read(self) -> None:
        """Answer requests until there were too many bad ones."""
        for _ in range(MAX_ERRORS):
            while True:
                text = await self._socket.receive_text()
                self._asked.set()
                if len(text.encode(errors="replace")) > self._settings.api_ws_message_bytes:
                    await self._socket.close(TOO_BIG, "message too big")
                    raise WebSocketDisconnect(detail="message too big", code=TOO_BIG)
                try:
                    request = messages.parse(text)
                except BadMessage as error:
                    self._client.put("error", {"code": "bad_message", "detail": str(error)})
                    break
                if not self._answer(request):
                    break

    def _answer(self, request: messages.Request) -> bool:
        """Do what a request asks and queue the answer; return whether that was possible."""
        client = self._client
        if client.plain:
            self._end_plain()
        try:
            if isinstance(request, Subscribe):
                self._subscribe(request)
            elif isinstance(request, Unsubscribe):
                ended = self._feed.hub.unsubscribe(client, request.subscription)
                if client.behind is not None and not client.subscriptions:
                    client.behind.cancel()
                    client.behind = None
                client.put("unsubscribed", {"subscriptions": ended})
            elif isinstance(request, Ping):
                client.put("pong", {"ts": isoformat(now_us())})
        except BadMessage as error:
            client.put("error", {"code": "refused", "detail": str(error)})
            return False
        return True

    def _subscribe(self, wanted: Subscribe) -> None:
        """Begin a subscription, or what leads to it. Raises BadMessage."""
        client = self._client
        if client.behind is not None:
            raise BadMessage("wait for live: the first subscription is not there yet")
        if wanted.past() and client.last_subscription:
            raise BadMessage("resume, snapshot and from are for a connection's first subscription")
        number = self._feed.hub.number(client, wanted)
        if wanted.mode is not None:
            client.outgoing.mode = wanted.mode
        filters = {
            "platform": wanted.platform,
            "market": sorted(wanted.markets()) or None,
            "outcome": wanted.outcome,
            "kind": wanted.kind,
        }
        how = {"mode": client.outgoing.mode, "cursor": self._feed.cursor()}
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
                async with self._feed.readers:
                    await way()
            self._client.behind = None

        self._client.behind = asyncio.create_task(brought(), name="past")
        self._gone.set()

    async def _failed(self) -> EchoArbError:
        """Return why the client could not be brought to the live feed; until then wait."""
        while True:
            await self._gone.wait()
            self._gone.clear()
            behind = self._client.behind
            if behind is None:
                continue
            await asyncio.wait({behind})
            if behind.cancelled():
                continue
            if isinstance(error := behind.exception(), EchoArbError):
                return error
            behind.result()  # a defect of ours ends the connection

    async def _plain(self) -> None:
        """Tell a client that asks for nothing everything, as the older system did."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PLAIN_SECONDS):
                await self._asked.wait()
        client = self._client
        if not self._asked.is_set():
            wanted = Subscribe()
            client.plain = True
            number = self._feed.hub.number(client, wanted)
            past = Past(client, number, wanted, self._feed, self._store, self._settings)
            here = self._here if self._here.topics else self._feed.position.copy()
            self._go(partial(past.from_now, here))
        await asyncio.Event().wait()

    def _end_plain(self) -> None:
        """A client that does ask is no longer told everything."""
        client = self._client
        client.plain = False
        if client.behind is not None:
            client.behind.cancel()
            client.behind = None
        self._feed.hub.unsubscribe(client, None)
        client.last_subscription = 0

    async def _write(self) -> None:
        while True:
            await self._socket.send_text(await self._client.take())

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._settings.api_ws_heartbeat_seconds)
            client = self._client
            live = client.behind is None and client.subscriptions and not client.plain
            told = {
                "ts": isoformat(now_us()),
                "feed": self._feed.problem or "ok",
                "conflated": client.outgoing.conflated,
                "cursor": self._feed.cursor() if live else None,
            }
            client.put("heartbeat", told)

    async def _farewell(self, code: str, reason: str, detail: str | None = None) -> str:
        """Tell a client why it has to go, if it takes the message in time."""
        unsent = self._client.outgoing.abandon()
        if detail is None:
            detail = (
                f"{unsent} messages were waiting; reconnect and resume with the last cursor that "
                "you received"
            )
        log.info("client sent away", code=code, unsent=unsent)
        last = Outgoing(self._client.outgoing.session, 1)
        last.seq = self._client.outgoing.seq
        last.put("error", {"code": code, "detail": detail})
        try:
            async with asyncio.timeout(self._settings.api_ws_farewell_seconds):
                await self._socket.send_text(last.take() or "")
                closed = POLICY_VIOLATION if code == "slow_client" else TRY_AGAIN_LATER
                await self._socket.close(closed, code.replace("_", " "))
        except TimeoutError:
            log.info("a client did not take its last message")
        return reason
