"""Uvicorn around the application: its sockets, its limits, and a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from api.app import create_app
from api.feed import Feed
from api.hub import Hub
from api.settings import ApiSettings
from api.store import Store
from schemas.errors import ConfigurationError

SHUTDOWN_SECONDS = 5
MAX_HEADER_BYTES = 65_536
MAX_CONNECTIONS = 2000
HEAD_SECONDS = 10.0
"""How long a client may take to send a request's head, from the connection or its first byte."""
DEAD_PEER_MS = 60_000
"""How long sent data may stay unacknowledged before the kernel ends a connection: the bound on
clients that stop reading without going away."""


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Uvicorn's, which says nothing, and waits for good, after a request line or header of more
    than 8 KB. The refusal is there, only unsent."""

    def data_received(self, data: bytes) -> None:
        """Take what a client sent."""
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.handshake_complete = self.close_sent = True
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()


class HttpProtocol(H11Protocol):
    """Uvicorn's, which waits for good for the rest of a request's head (slow loris)."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Take what a client sent: a whole head ends the waiting, a part of one doesn't."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE or self.transport.is_closing():
            self._head_is_there()
        elif self._head_timer is None:
            self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._head_is_there()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _head_is_there(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class Server(uvicorn.Server):
    """Uvicorn without its signal handling, which raises the signal again after a clean end."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepting = asyncio.Event()
        """Set once connections are accepted."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell."""
        await super().startup(sockets)
        self.accepting.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever runs the server."""
        yield


def build(settings: ApiSettings) -> Server:
    """Return the server of one process, with a store and a feed of its own."""
    app = create_app(settings, Store(settings), Feed(settings, Hub(settings)))
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="on",
        http=HttpProtocol,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        limit_concurrency=MAX_CONNECTIONS + settings.api_ws_clients,
        ws=WebSocketProtocol,
        ws_max_size=settings.api_ws_message_bytes,
        ws_per_message_deflate=False,
        server_header=False,
        proxy_headers=bool(settings.api_trusted_proxies),
        forwarded_allow_ips=settings.api_trusted_proxies or None,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    return Server(config)


def listen(settings: ApiSettings) -> socket.socket:
    """Return a bound socket. Raises ConfigurationError if the address can't be had."""
    family = socket.AF_INET6 if ":" in settings.api_host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; accepted connections inherit it
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_PEER_MS)
    try:
        listener.bind((settings.api_host, settings.api_port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"can't listen on {settings.api_host}:{settings.api_port}: {error.strerror or error}; "
            "choose another address with --host and --port, ECHOARB_API_HOST and ECHOARB_API_PORT"
        ) from error
    return listener
