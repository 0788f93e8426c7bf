"""What a client may run into."""

from __future__ import annotations

from typing import Any

import msgspec


class ApiError(Exception):
    """The API refused. ``status`` is HTTP's, or 0 for a WebSocket's error message; ``detail`` says
    what to do; ``request_id`` finds the request in the API's log."""

    def __init__(self, status: int, title: str, detail: str, request_id: str | None = None) -> None:
        super().__init__(f"{status} {title}: {detail}" if status else f"{title}: {detail}")
        self.status = status
        self.title = title
        self.detail = detail
        self.request_id = request_id


class Unreachable(Exception):
    """The API can't be reached, however often it was tried."""


def error_of(status: int, body: bytes) -> ApiError:
    """Return the error in an answer: a problem document (RFC 9457), or whatever it is."""
    try:
        found: Any = msgspec.json.decode(body)
        return ApiError(status, found["title"], found["detail"], found.get("request_id"))
    except (msgspec.DecodeError, KeyError, TypeError):
        return ApiError(status, "error", body[:200].decode(errors="replace"))
