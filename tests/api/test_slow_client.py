"""A WebSocket client that stops reading: told, closed, and no harm to the others."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import struct

from api.settings import ApiSettings
from tests.api.support import Broker, following, make_tick, read, running

SECONDS = 60


def _stalled(port: int, query: str) -> socket.socket:
    """Return a WebSocket client that reads its handshake and then nothing more."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    key = base64.b64encode(os.urandom(16)).decode()
    client.sendall(
        f"GET /ws/ticks{query} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    return client


def _messages(client: socket.socket) -> list[tuple[int, bytes]]:
    """Return the frames that a socket still gives, until it ends."""
    client.settimeout(SECONDS)
    data = b""
    while chunk := client.recv(1 << 20):
        data += chunk
    data = data.split(b"\r\n\r\n", 1)[1]
    frames, at = [], 0
    while at < len(data):
        length, head = data[at + 1] & 127, 2
        if length == 126:
            length, head = struct.unpack_from(">H", data, at + 2)[0], 4
        frames.append((data[at] & 15, data[at + head : at + head + length]))
        at += head + length
    return frames


async def test_a_slow_client_is_told_and_closed_and_the_others_lose_nothing(
    live_settings: ApiSettings, own_broker: Broker
) -> None:
    small = live_settings.model_copy(update={"api_ws_queue": 200, "api_ws_farewell_seconds": 4})
    async with running(small) as api:
        await following(api)
        port = int(api.url.rsplit(":", 1)[1])
        stalled = await asyncio.to_thread(_stalled, port, "?platform=kalshi&market=A")
        dead = await asyncio.to_thread(_stalled, port, "?platform=kalshi&market=A")
        try:
            async with api.socket("?platform=kalshi&market=A") as quick:
                await read(quick, "welcome")
                await read(quick, "subscribed")
                sent = 0
                while (await api.get("/api/v1/subscriptions"))["live"]["subscriptions"] > 1:
                    batch = [
                        make_tick(sent + at, market_id="A", outcome="x" * 3000) for at in range(200)
                    ]
                    await asyncio.to_thread(own_broker.publish, *batch)
                    for at in range(200):
                        assert (await read(quick, "tick"))["data"]["sequence"] == sent + at
                    sent += 200
                    assert sent < 20_000, "the stalled clients were never closed"
                frames = await asyncio.to_thread(_messages, stalled)
                await api.live(clients=1)  # the one that never reads is given up
        finally:
            stalled.close()
            dead.close()
    opcode, payload = frames[-1]
    assert (opcode, struct.unpack_from(">H", payload)[0]) == (8, 1008)
    told = json.loads(frames[-2][1])
    assert told["type"] == "error"
    assert told["code"] == "slow_client"
    seqs = [json.loads(payload)["seq"] for _, payload in frames[:-1]]
    assert seqs[:-1] == list(range(1, len(seqs)))  # nothing is left out in between
