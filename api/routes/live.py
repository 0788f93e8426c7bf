"""GET /ws/ticks: ticks and gap notices as they come from Kafka. The protocol: api/messages.py."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any
from urllib.parse import parse_qs, urlsplit

from litestar import WebSocket, websocket
from litestar.di import NamedDependency
from litestar.exceptions import PermissionDeniedException, WebSocketDisconnect

from api import messages
from api.feed import Feed
from api.hub import Client, Hub
from api.messages import BadMessage, Ping, Subscribe, Unsubscribe
from api.metrics import WS_CLOSED
from api.settings import ApiSettings
from schemas.clock import isoformat, now_us
from schemas.logs import get_logger

log = get_logger("echoarb.api.live")

Socket = WebSocket[Any, Any, Any]
POLICY_VIOLATION, TRY_AGAIN_LATER, TOO_BIG = 1008, 1013, 1009
MAX_ERRORS = 20
"""Bad messages of one client after which it is closed."""
_MAX_QUERY_FIELDS = 1000


@websocket("/ws/ticks")
async def live_ticks(
    socket: Socket, feed: NamedDependency[Feed], settings: NamedDependency[ApiSettings]
) -> None:
    """Serve one WebSocket client until it leaves or has to go."""
    if not _origin_allowed(socket, settings):
        raise PermissionDeniedException("this origin is not allowed")
    await socket.accept()
    hub = feed.hub
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
            reason = await _serve(socket, feed, settings, client, wanted)
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
    await socket.send_text(messages.message("error", 1, {"code": code, "detail": detail}))
    await socket.close(close_code, code)
    WS_CLOSED.labels("refused").inc()


async def _serve(
    socket: Socket, feed: Feed, settings: ApiSettings, client: Client, wanted: Subscribe | None
) -> str:
    client.put("welcome", {"session": uuid.uuid4().hex, "ts": isoformat(now_us())})
    if wanted is not None:
        _answer(client, feed.hub, wanted)
    tasks = [
        asyncio.create_task(_read(socket, feed.hub, settings, client), name="read"),
        asyncio.create_task(_write(socket, client), name="write"),
        asyncio.create_task(_beat(feed, settings, client), name="beat"),
        asyncio.create_task(client.slow.wait(), name="slow"),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if client.slow.is_set():
        feed.hub.unsubscribe(client, None)
        return await _farewell(socket, settings, client)
    for task in done:
        task.result()  # raises what ended it
    await socket.close(POLICY_VIOLATION, "too many bad messages")
    return "too_many_errors"


async def _read(socket: Socket, hub: Hub, settings: ApiSettings, client: Client) -> None:
    """Answer requests until there were too many bad ones."""
    for _ in range(MAX_ERRORS):
        while True:
            text = await socket.receive_text()
            if len(text.encode(errors="replace")) > settings.api_ws_message_bytes:
                await socket.close(TOO_BIG, "message too big")
                raise WebSocketDisconnect(detail="message too big", code=TOO_BIG)
            try:
                request = messages.parse(text)
            except BadMessage as error:
                client.put("error", {"code": "bad_message", "detail": str(error)})
                break
            if not _answer(client, hub, request):
                break


def _answer(client: Client, hub: Hub, request: messages.Request) -> bool:
    """Do what a request asks and queue the answer; return whether that was possible."""
    try:
        if isinstance(request, Subscribe):
            number = hub.subscribe(client, request)
            filters = {
                "platform": request.platform,
                "market": sorted(request.markets()) or None,
                "outcome": request.outcome,
                "kind": request.kind,
            }
            client.put("subscribed", {"subscription": number, **filters})
        elif isinstance(request, Unsubscribe):
            ended = hub.unsubscribe(client, request.subscription)
            client.put("unsubscribed", {"subscriptions": ended})
        elif isinstance(request, Ping):
            client.put("pong", {"ts": isoformat(now_us())})
    except BadMessage as error:
        client.put("error", {"code": "refused", "detail": str(error)})
        return False
    return True


async def _write(socket: Socket, client: Client) -> None:
    while True:
        await socket.send_text(await client.take())


async def _beat(feed: Feed, settings: ApiSettings, client: Client) -> None:
    while True:
        await asyncio.sleep(settings.api_ws_heartbeat_seconds)
        client.put("heartbeat", {"ts": isoformat(now_us()), "feed": feed.problem or "ok"})


async def _farewell(socket: Socket, settings: ApiSettings, client: Client) -> str:
    """Tell a slow client why it has to go, if it takes the message in time."""
    unsent = client.abandon()
    detail = f"{unsent} messages were waiting; reconnect and read /api/v1/ticks for what you missed"
    log.info("slow client", unsent=unsent)
    try:
        async with asyncio.timeout(settings.api_ws_farewell_seconds):
            await socket.send_text(
                messages.message("error", client.seq + 1, {"code": "slow_client", "detail": detail})
            )
            await socket.close(POLICY_VIOLATION, "slow client")
    except TimeoutError:
        log.info("a slow client did not take its last message")
    return "slow"
