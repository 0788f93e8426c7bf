"""A WebSocket ends when its key does: a revoked key must not go on reading for days."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar.types import Message, Receive, Send

from api.keys import Keyring

WATCH_SECONDS = 2.0
POLICY_VIOLATION = 1008


def until_ended(
    keyring: Keyring, key_id: str, receive: Receive, send: Send
) -> tuple[Receive, Send]:
    """Return a connection's channels that close once the key is not valid any more.

    Looked at every WATCH_SECONDS, for as long as somebody reads from the connection.
    """
    ended = False
    pending: asyncio.Task[Any] | None = None

    async def receiving() -> Any:
        nonlocal ended, pending
        # A read that was cancelled half-way would lose a message, so one is kept at hand.
        pending = pending or asyncio.ensure_future(receive())
        while not pending.done():
            await asyncio.wait({pending}, timeout=WATCH_SECONDS)
            if not pending.done() and not keyring.valid(key_id):
                ended = True
                pending.cancel()
                close: Any = {"type": "websocket.close", "code": POLICY_VIOLATION}
                await send(close | {"reason": "the key has ended"})
                return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}
        message, pending = pending.result(), None
        return message

    async def sending(message: Message) -> None:
        if ended:
            raise ConnectionError("the key has ended")
        await send(message)

    return receiving, sending
