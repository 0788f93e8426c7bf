"""The running stack under a real Prometheus, used so that everything that can be measured is:
simulated venues, a webhook receiver, a WebSocket client, requests that succeed and fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web
from websockets.asyncio.client import connect

from echoarb.stack.ports import LOOPBACK, free_port
from tests.deploy.prometheus import Prometheus, scraping
from tests.deploy.tools import require
from tests.flow.stack import Stack, running

ROUTES = ("/api/v1/ticks?limit=5", "/health", "/nowhere")
SECONDS = 30


@dataclass(frozen=True)
class Watched:
    """The stack and who watches it."""

    stack: Stack
    prometheus: Prometheus

    @property
    def ports(self) -> dict[str, int]:
        """The services' metrics ports by name."""
        parts = self.stack.supervisor.parts.values()
        return {part.name: part.metrics_port for part in parts if part.metrics_port}


@asynccontextmanager
async def _receiver(port: int) -> AsyncIterator[None]:
    """Take alerts and say nothing."""

    async def take(request: web.Request) -> web.Response:
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, port).start()
    yield
    await runner.cleanup()


async def _use(stack: Stack) -> None:
    """Be a client, of REST and of a WebSocket that asks for a venue, until cancelled."""
    address = f"{LOOPBACK}:{stack.options.api_port}"

    async def ask() -> None:
        while True:
            for route in ROUTES:
                await stack.http.get(f"http://{address}{route}")
            await asyncio.sleep(0.2)

    url = f"ws://{address}/ws/ticks?platform=kalshi"
    async with connect(url, proxy=None, close_timeout=1) as socket, asyncio.TaskGroup() as group:
        group.create_task(ask())
        async for _ in socket:
            pass


@asynccontextmanager
async def watching(folder: Path) -> AsyncIterator[Watched]:
    """Run it all until the block ends; it begins when there are rates."""
    require("prometheus")
    hook = free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ECHOARB_ALERT_WEBHOOKS", f"http://{LOOPBACK}:{hook}/")
        patch.setenv("ECHOARB_ALERT_WEBHOOK_SECRET", "whsec_" + "A" * 43 + "=")
        async with _receiver(hook), running(folder / "stack") as stack:
            ports = {part.name: part.metrics_port for part in stack.supervisor.parts.values()}
            async with scraping(folder, ports) as prometheus:
                client = asyncio.create_task(_use(stack))
                async with asyncio.timeout(SECONDS):  # two scrapes make a rate
                    while not await prometheus.query("rate(echoarb_frames_total[1m])"):  # noqa: ASYNC110
                        await asyncio.sleep(0.2)
                yield Watched(stack, prometheus)
                client.cancel()
                await asyncio.gather(client, return_exceptions=True)
