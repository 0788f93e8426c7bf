"""Every PromQL expression of rules and boards on a real Prometheus that scrapes the running stack.

One stack for all: simulated venues, a webhook receiver, a WebSocket client, requests that succeed
and fail, so that everything that can be measured is.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import promql_parser
import pytest
import pytest_asyncio
from aiohttp import web
from websockets.asyncio.client import connect

from echoarb.stack.ports import LOOPBACK, free_port
from tests.deploy import promql
from tests.deploy.prometheus import Prometheus, scraping
from tests.deploy.tools import require
from tests.flow.stack import Stack, running

pytestmark = [
    pytest.mark.flow,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("promql"),
]
ROUTES = ("/api/v1/ticks?limit=5", "/health", "/nowhere")
SECONDS = 30
ONLY_IN_TROUBLE = {"pipeline: Alerts firing A": "ALERTS has series of what fires, and no other"}
"""Expressions without a series while all is well, and why."""


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
async def receiver(port: int) -> AsyncIterator[None]:
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


async def use(stack: Stack) -> None:
    """Be a client, of REST and of a WebSocket that asks for everything, until cancelled."""
    address = f"{LOOPBACK}:{stack.options.api_port}"
    async with connect(
        f"ws://{address}/ws/ticks?platform=kalshi", proxy=None, close_timeout=1
    ) as socket:
        while True:
            for route in ROUTES:
                await stack.http.get(f"http://{address}{route}")
            await socket.recv()
            await asyncio.sleep(0.2)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    require("prometheus")
    hook = free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ECHOARB_ALERT_WEBHOOKS", f"http://{LOOPBACK}:{hook}/")
        patch.setenv("ECHOARB_ALERT_WEBHOOK_SECRET", "whsec_" + "A" * 43 + "=")
        folder = tmp_path_factory.mktemp("promql")
        async with receiver(hook), running(folder / "stack") as stack:
            ports = {p.name: p.metrics_port for p in stack.supervisor.parts.values()}
            async with scraping(folder, ports) as prometheus:
                client = asyncio.create_task(use(stack))
                async with asyncio.timeout(SECONDS):  # two scrapes make a rate
                    while not await prometheus.query("rate(echoarb_frames_total[1m])"):  # noqa: ASYNC110
                        await asyncio.sleep(0.2)
                yield Watched(stack, prometheus)
                client.cancel()
                await asyncio.gather(client, return_exceptions=True)


def measurable() -> set[str]:
    """Return what has a value whether or not there is trouble, of all that is asked."""
    asked = {place: expr for place, expr in promql.asked().items() if place not in ONLY_IN_TROUBLE}
    assert len(promql.asked()) - len(asked) == len(ONLY_IN_TROUBLE)
    parsed = map(promql_parser.parse, asked.values())
    return {part for expr in parsed for part in promql.measured(expr)}


async def test_every_expression_has_a_series(watched: Watched) -> None:
    left = sorted(measurable())
    assert len(left) > 100
    async with asyncio.timeout(SECONDS + 10):
        for _ in range(SECONDS):
            left = await watched.prometheus.without_answer(left)
            if not left:
                break
            await asyncio.sleep(1)
    assert left == []


async def test_every_selection_by_itself_has_a_series(watched: Watched) -> None:
    """What stands behind `or` has to exist too, but for labels that only trouble brings."""
    parsed = [promql_parser.parse(expr) for expr in promql.asked().values()]
    names = {each.name or "" for expr in parsed for each in promql.selectors(expr)} - {"ALERTS"}
    assert await watched.prometheus.without_answer(sorted(names)) == []


async def test_a_misspelt_metric_has_none(watched: Watched) -> None:
    misspelt = ["sum(rate(echoarb_frame_total[1m]))", "sum(rate(echoarb_frames_total[1m]))"]
    assert await watched.prometheus.without_answer(misspelt) == misspelt[:1]


async def test_no_rule_finds_trouble_where_there_is_none(watched: Watched) -> None:
    async with asyncio.timeout(SECONDS):  # until a rule has seen every service
        while found := await watched.prometheus.alerts():
            assert "firing" not in found.values()
            await asyncio.sleep(0.5)


async def test_promtool_accepts_what_each_service_says(watched: Watched) -> None:
    assert set(watched.ports) == {
        *(f"connector-{platform}" for platform in watched.stack.options.venues),
        *("sink", "analytics", "api"),
    }
    for name, port in watched.ports.items():
        text = (await watched.stack.http.get(f"http://{LOOPBACK}:{port}/metrics")).content
        done = await asyncio.to_thread(
            subprocess.run,
            [require("promtool"), "check", "metrics"],
            input=text,
            capture_output=True,
        )
        assert done.returncode == 0, f"{name}: {done.stderr.decode()}"
