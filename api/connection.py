"""One WebSocket connection: reading requests, sending what waits, heartbeats, and how it ends."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine, Mapping
from typing import Any
from urllib.parse import urlsplit

from litestar import WebSocket
from litestar.exceptions import WebSocketDisconnect

from api.hub import Client
from api.messages import BadMessage
from api.metrics import WS_CLOSED
from api.outgoing import Outgoing
from api.settings import ApiSettings
from schemas.errors import EchoArbError
from schemas.logs import get_logger

log = get_logger("echoarb.api.live")

Socket = WebSocket[Any, Any, Any]
POLICY_VIOLATION, TRY_AGAIN_LATER, TOO_BIG = 1008, 1013, 1009
MAX_ERRORS = 20
"""Bad messages of one client after which it is closed."""
MAX_QUERY_FIELDS = 1000


def origin_allowed(socket: Socket, settings: ApiSettings) -> bool:
    """Browsers send cookies and reach loopback from any page, so CORS rules apply here too."""
    origin = socket.headers.get("origin")
    if origin is None:
        return True
    return origin in settings.cors_origins() or urlsplit(origin).netloc == socket.headers.get(
        "host"
    )


async def refuse(socket: Socket, code: str, detail: str, close_code: int) -> None:
    """Say why a client can't be served, and close."""
    only = Outgoing(secrets.token_hex(8), 1)
    only.put("error", {"code": code, "detail": detail})
    await socket.send_text(only.take() or "")
    await socket.close(close_code, code)
    WS_CLOSED.labels("refused").inc()


class Connection:
    """What the connections of all WebSocket routes have in common."""

    def __init__(self, socket: Socket, settings: ApiSettings, client: Client) -> None:
        self.client = client
        self._socket = socket
        self._settings = settings

    def answer(self, text: str) -> None:
        """Do what a request asks, and queue the answer. Raises BadMessage; its ``code`` tells a
        request that can't be understood from one that can't be granted."""
        raise NotImplementedError

    def heartbeat(self) -> Mapping[str, Any]:
        """Return what a heartbeat says."""
        raise NotImplementedError

    def dismiss(self) -> None:
        """Let nothing more be queued: the client has to go."""
        raise NotImplementedError

    async def run(self, *more: Coroutine[Any, Any, EchoArbError | None]) -> str:
        """Serve the client until it leaves or has to go; return why, in a word.

        ``more`` runs beside; if one of it returns an error, the client is sent away with it.
        """
        client = self.client
        beside = [asyncio.create_task(each) for each in more]
        slow = asyncio.create_task(client.slow.wait(), name="slow")
        tasks = [
            asyncio.create_task(self._read(), name="read"),
            asyncio.create_task(self._write(), name="write"),
            asyncio.create_task(self._beat(), name="beat"),
        ]
        try:
            done, _ = await asyncio.wait(
                [*tasks, slow, *beside], return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for task in (*tasks, slow, *beside):
                task.cancel()
            await asyncio.gather(*tasks, slow, *beside, return_exceptions=True)
        if client.slow.is_set():
            return await self._farewell("slow_client", "slow")
        for each in beside:
            if each in done and (error := each.result()) is not None:
                return await self._farewell("unavailable", "unavailable", str(error))
        for task in tasks:
            if task in done:
                task.result()  # raises what ended it
        await self._socket.close(POLICY_VIOLATION, "too many bad messages")
        return "too_many_errors"

    async def _read(self) -> None:
        """Answer requests until there were too many bad ones."""
        for _ in range(MAX_ERRORS):
            while True:
                text = await self._socket.receive_text()
                if len(text.encode(errors="replace")) > self._settings.api_ws_message_bytes:
                    await self._socket.close(TOO_BIG, "message too big")
                    raise WebSocketDisconnect(detail="message too big", code=TOO_BIG)
                try:
                    self.answer(text)
                except BadMessage as error:
                    self.client.put("error", {"code": error.code, "detail": str(error)})
                    break

    async def _write(self) -> None:
        while True:
            await self._socket.send_text(await self.client.take())

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._settings.api_ws_heartbeat_seconds)
            self.client.put("heartbeat", self.heartbeat())

    async def _farewell(self, code: str, reason: str, detail: str | None = None) -> str:
        """Tell a client why it has to go, if it takes the message in time."""
        self.dismiss()
        unsent = self.client.outgoing.abandon()
        if detail is None:
            detail = (
                f"{unsent} messages were waiting; reconnect, and resume with the last cursor that "
                "you received"
            )
        log.info("client sent away", code=code, unsent=unsent)
        last = Outgoing(self.client.outgoing.session, 1)
        last.seq = self.client.outgoing.seq
        last.put("error", {"code": code, "detail": detail})
        try:
            async with asyncio.timeout(self._settings.api_ws_farewell_seconds):
                await self._socket.send_text(last.take() or "")
                closed = POLICY_VIOLATION if code == "slow_client" else TRY_AGAIN_LATER
                await self._socket.close(closed, code.replace("_", " "))
        except TimeoutError:
            log.info("a client did not take its last message")
        return reason
