"""Keep web pages away from servers that listen on loopback.

A page opened in a browser on this machine can send requests to 127.0.0.1, and, by DNS rebinding,
read the answers. Such requests carry a foreign Origin or Host header: they are refused.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware


def guard(*allowed: str) -> Middleware:
    """Return a middleware that answers 403 unless Host (and Origin, if sent) name this machine.

    ``allowed`` are further host names, such as the address that the server is bound to.
    """
    names = {"127.0.0.1", "localhost", "::1", "host.docker.internal", *allowed}

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = urlsplit(f"//{request.headers.get('Host', '')}").hostname
        origin = request.headers.get("Origin")
        if host not in names or (origin and urlsplit(origin).hostname not in names):
            raise web.HTTPForbidden(text="this server answers requests from this machine only\n")
        return await handler(request)

    return check
