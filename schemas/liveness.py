"""GET /live beside /metrics: whether the event loop turns, for whoever ends a process that hangs.

Metrics are served from a thread, so that they come from a process that hangs too. /live asks the
loop to run a callback and says whether it did. It asks no Kafka, no ClickHouse and no venue: ending
the process would not bring them back.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

WAIT_SECONDS = 5.0
"""How long the loop may take to come to the callback; a probe has to wait longer."""


def with_live(
    app: WSGIApplication, loop: asyncio.AbstractEventLoop, wait: float = WAIT_SECONDS
) -> WSGIApplication:
    """Return ``app`` with /live in front of it: 200 if ``loop`` turns, else 503."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/live":
            return app(environ, start_response)
        alive = turns(loop, wait)
        text = b"alive\n" if alive else f"the event loop does not answer in {wait:g} s\n".encode()
        fields = [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))]
        start_response("200 OK" if alive else "503 Service Unavailable", fields)
        return [text]

    return answer


def turns(loop: asyncio.AbstractEventLoop, wait: float) -> bool:
    """Return whether a loop runs a callback in time, asked from another thread."""
    turned = threading.Event()
    try:
        loop.call_soon_threadsafe(turned.set)
    except RuntimeError:  # closed
        return False
    return turned.wait(wait)
