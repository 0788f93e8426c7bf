"""Run an aiohttp application until SIGINT or SIGTERM, then let running requests end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web

from echoarb.stack.ports import require_free, taken
from schemas.logs import configure, get_logger
from schemas.process import on_stop_signal
from schemas.settings import LogSettings

SHUTDOWN_SECONDS = 10


def serve(build: Callable[[], web.Application], host: str, port: int) -> None:
    """Serve the application that ``build`` makes.

    Raises ConfigurationError if the port is taken; nothing is opened before that is known.
    """
    configure(LogSettings.load())
    require_free(port, "--port", host)
    asyncio.run(_serve(build(), host, port))


async def _serve(app: web.Application, host: str, port: int) -> None:
    stop = asyncio.Event()
    on_stop_signal(stop.set)
    # Bodies stay as sent: their unpacking is bounded by the application.
    runner = web.AppRunner(
        app, access_log=None, auto_decompress=False, shutdown_timeout=SHUTDOWN_SECONDS
    )
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise taken(port, "--port", error, host) from error
        get_logger("echoarb.stack").info("listening", host=host, port=port)
        await stop.wait()
    finally:
        await runner.cleanup()
