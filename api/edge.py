"""What surrounds every request: its id, the body limit, security headers, metrics and one log line.

An ASGI application around Litestar's, so that unknown paths and refused methods pass it too. No
route reads a body: what is declared too large is refused, and the rest is never taken in.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from typing import Any

import structlog
from litestar.types import ASGIApp, Message, Receive, Send

from api import errors
from api.metrics import REQUEST_SECONDS, REQUESTS
from schemas.logs import get_logger

log = get_logger("echoarb.api.access")

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_METHODS = {"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"}
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
        b"frame-ancestors 'none'",
    ),
)


class Edge:
    """Wraps an ASGI application."""

    def __init__(self, app: ASGIApp, max_body_bytes: int, seconds: float) -> None:
        self._app = app
        self._seconds = seconds
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given.decode() if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            if scope["type"] == "http":
                await self._http(scope, headers, receive, send, request_id)
            else:
                await self._app(scope, receive, send)

    async def _http(
        self, scope: Any, headers: dict[bytes, bytes], receive: Receive, send: Send, request_id: str
    ) -> None:
        started = time.perf_counter()
        status = 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                added = [(b"x-request-id", request_id.encode()), *SECURITY_HEADERS]
                message["headers"] = [*message.get("headers", []), *added]
            await send(message)

        try:
            if _declared_length(headers) > self._max_body_bytes:
                detail = f"the body is larger than {self._max_body_bytes} bytes"
                await self._refuse(answer, request_id, 413, detail)
            else:
                await self._served(scope, receive, answer, request_id)
        finally:
            seconds = time.perf_counter() - started
            route = str(scope.get("path_template") or "unknown")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            REQUESTS.labels(route, method, str(status)).inc()
            REQUEST_SECONDS.labels(route).observe(seconds)
            log.info(
                "request",
                method=method,
                path=scope["path"][:200],
                status=status,
                key=scope["state"].get("key_id"),
                milliseconds=round(seconds * 1000, 1),
            )

    async def _served(self, scope: Any, receive: Receive, send: Send, request_id: str) -> None:
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            async with asyncio.timeout(self._seconds) as limit:
                await self._app(scope, receive, sending)
        except TimeoutError:
            if begun or not limit.expired():
                raise
            detail = f"the request took longer than {self._seconds:g} seconds"
            await self._refuse(send, request_id, 504, detail)

    async def _refuse(self, send: Send, request_id: str, status: int, detail: str) -> None:
        problem = errors.simple(status, detail)
        problem.request_id = request_id
        content = errors.body(problem)
        fields = [
            (b"content-type", errors.MEDIA_TYPE.encode()),
            (b"content-length", str(len(content)).encode()),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": content, "more_body": False})


def _declared_length(headers: dict[bytes, bytes]) -> int:
    text = headers.get(b"content-length", b"0")
    return int(text) if text.isdigit() else 0
