"""Who gets in: keys and scopes, hosts and origins, rates. An ASGI application around Litestar's.

What a path needs is said in one place, ``needed``; whatever is not named there needs scope read.
Without a key file the API is open, and then it answers only to names of this machine: a web page
that makes its own name point here (DNS rebinding) is refused, and so is another page's POST.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from litestar.types import ASGIApp, Message, Receive, Send

from api import errors
from api.key_watch import until_ended
from api.keys import Key, Keyring, Scope
from api.limits import Limits, network_of
from api.metrics import REFUSED
from api.models import Problem
from api.settings import ApiSettings
from schemas.errors import ConfigurationError

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
SUBPROTOCOL = "echoarb"
"""What a browser's WebSocket names beside its key, which it has no header for."""
_PUBLIC = re.compile(r"/|/health|/ready|/docs|/schema(/.*)?")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_UNLIMITED = "/health"  # asks nothing of anything, and must answer while all else is refused


def needed(method: str, path: str) -> Scope | None:
    """Return the scope that a request needs, None for what anybody may see.

    ``method`` is GET for a WebSocket. Whatever changes something needs more than read, whether or
    not its path was thought of here. Paths count as Litestar takes them: slashes at the end and
    double ones change nothing.
    """
    path = re.sub("/{2,}", "/", path).rstrip("/") or "/"
    if path == "/api/v1/debug" or path.startswith("/api/v1/debug/"):
        return "debug"
    if method not in _SAFE:
        return "ack"
    return None if _PUBLIC.fullmatch(path) else "read"


def check(settings: ApiSettings) -> None:
    """Raise ConfigurationError if an API without keys would listen beyond this machine."""
    host = settings.api_host
    local = host in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", host)
    if local or settings.api_keys_file or settings.api_open:
        return
    raise ConfigurationError(
        f"ECHOARB_API_HOST={host} would let anybody in who reaches it: set ECHOARB_API_KEYS_FILE "
        "(`echoarb keys add` makes one), or ECHOARB_API_OPEN=true if something before it decides "
        "who gets in"
    )


def keyring_of(settings: ApiSettings) -> Keyring | None:
    """Return the keys of the key file, None without one.

    Raises ConfigurationError if the file can't be read, or if an API without keys would listen
    beyond this machine.
    """
    check(settings)
    path = settings.api_keys_file
    return Keyring(Path(path)) if path else None


Refusal = tuple[Problem, dict[str, str]]


class Gate:
    """Wraps an ASGI application."""

    def __init__(self, app: ASGIApp, settings: ApiSettings, keyring: Keyring | None) -> None:
        self._app = app
        self._settings = settings
        self.keyring = keyring
        self._rate = Limits(settings.api_rate_per_minute)
        self._failures = Limits(settings.api_failures_per_minute)
        self._hosts = LOOPBACK_NAMES | {settings.api_host} | set(settings.hosts())

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one connection, or say why not."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = _headers(scope)
        token = _token(headers)
        key = self.keyring.find(token) if self.keyring is not None and token is not None else None
        key_id = None if key is None else key.id
        scope.setdefault("state", {})["key_id"] = key_id
        with structlog.contextvars.bound_contextvars(**({"key": key_id} if key_id else {})):
            refusal = await self._refusal(scope, headers, token, key)
            if refusal is not None:
                problem, fields = refusal
                REFUSED.labels(str(problem.status)).inc()
                fields |= self._cors(headers)
                await _refuse(scope, receive, send, problem, fields)
                return
            if scope["type"] == "websocket":
                if SUBPROTOCOL in _subprotocols(headers):
                    send = _choosing_subprotocol(send)
                if key is not None and self.keyring is not None:
                    receive, send = until_ended(self.keyring, key.id, receive, send)
            await self._app(scope, receive, send)

    async def _refusal(
        self, scope: Any, headers: Mapping[str, str], token: str | None, key: Key | None
    ) -> Refusal | None:
        """Return why the connection is refused, and headers to tell it with; None if it isn't."""
        method = scope["method"] if scope["type"] == "http" else "GET"
        address = network_of((scope.get("client") or ("",))[0])
        if self.keyring is None:
            if (foreign := self._foreign(scope, headers)) is not None:
                return foreign, {}
        elif token is not None and key is None:
            # Those with a valid key behind the same address are let through all the same.
            wait = await self._failures.take(address)
            if wait is not None:
                return _too_many("keys that aren't valid", self._failures.most, wait)
            return _unauthorized("the key is not valid: unknown, expired or revoked")
        if scope["path"] != _UNLIMITED:
            wait = await self._rate.take(address if key is None else f"key {key.id}")
            if wait is not None:
                return _too_many("requests", self._rate.most, wait)
        lacking = needed(method, scope["path"])
        if self.keyring is None or method == "OPTIONS" or lacking is None:
            return None
        if key is None:
            return _unauthorized("a key is needed: Authorization: Bearer ea_...")
        if lacking not in key.scopes:
            return errors.simple(403, f"this key lacks the scope {lacking}"), {}
        return None

    def _cors(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return what lets a page that may read answers read refusals too."""
        origin = headers.get("origin")
        if origin is None or origin not in self._settings.cors_origins():
            return {}
        return {"access-control-allow-origin": origin, "vary": "Origin"}

    def _foreign(self, scope: Any, headers: Mapping[str, str]) -> Problem | None:
        """Return why an open API refuses a host or an origin; None if it doesn't."""
        if self._settings.api_open:
            return None
        host = _name(headers.get("host", ""))
        if host not in self._hosts:
            detail = "this host name is not served without keys; ECHOARB_API_HOSTS lists others"
            return errors.simple(403, detail)
        origin = headers.get("origin")
        asking = scope["type"] == "http" and scope["method"] not in _SAFE
        if not asking or origin is None or origin in self._settings.cors_origins():
            return None
        if urlsplit(origin).netloc == headers.get("host"):
            return None
        return errors.simple(403, "this origin is not allowed")


def _headers(scope: Any) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _name(host: str) -> str:
    """Return a Host header without its port."""
    return re.sub(r":\d*$", "", host).lower()


def _subprotocols(headers: Mapping[str, str]) -> list[str]:
    given = headers.get("sec-websocket-protocol", "")
    return [item.strip() for item in given.split(",") if item.strip()]


def _token(headers: Mapping[str, str]) -> str | None:
    """Return the token that a client shows, however it does; None if it shows none."""
    kind, _, token = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return token.strip()
    if "x-api-key" in headers:
        return headers["x-api-key"].strip()
    return next((item for item in _subprotocols(headers) if item.startswith("ea_")), None)


def _unauthorized(detail: str) -> Refusal:
    return errors.simple(401, detail), {"www-authenticate": 'Bearer realm="echoarb"'}


def _too_many(what: str, most: int, wait: int) -> Refusal:
    return errors.simple(429, f"at most {most} {what} a minute"), {
        "retry-after": str(wait),
        "ratelimit-policy": f'"minute";q={most};w=60',
        "ratelimit": f'"minute";r=0;t={wait}',
    }


async def _refuse(
    scope: Any, receive: Receive, send: Send, problem: Problem, fields: Mapping[str, str]
) -> None:
    problem.request_id = scope.get("state", {}).get("request_id")
    content = errors.body(problem)
    headers = [
        (b"content-type", errors.MEDIA_TYPE.encode()),
        (b"content-length", str(len(content)).encode()),
        *((name.encode(), value.encode()) for name, value in fields.items()),
    ]
    kind = "http" if scope["type"] == "http" else "websocket.http"
    if kind == "websocket.http" and "websocket.http.response" not in scope.get("extensions", {}):
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return
    start: Any = {"type": f"{kind}.response.start", "status": problem.status, "headers": headers}
    await send(start)
    end: Any = {"type": f"{kind}.response.body", "body": content, "more_body": False}
    await send(end)


def _choosing_subprotocol(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "websocket.accept":
            message["subprotocol"] = SUBPROTOCOL
        await send(message)

    return sending
