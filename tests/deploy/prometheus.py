"""A real Prometheus over the running stack, with our own configuration and rules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from echoarb.stack.ports import LOOPBACK, free_port
from tests.deploy.promql import RULES
from tests.deploy.tools import require


def configuration(ports: Mapping[str, int]) -> dict[str, Any]:
    """Return deploy/prometheus/prometheus.yml with each service, by its name, at a port of this
    machine, and scraped every second."""
    config: dict[str, Any] = yaml.safe_load((RULES.parent / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(RULES)]
    for job in config["scrape_configs"]:
        for group in job["static_configs"]:
            names = [target.partition(":")[0] for target in group["targets"]]
            group["targets"] = [f"{LOOPBACK}:{ports[name]}" for name in names]
    return config


class Prometheus:
    """Questions to it."""

    def __init__(self, url: str, http: httpx.AsyncClient) -> None:
        self._url = url
        self._http = http

    async def ready(self) -> bool:
        """Return whether it answers."""
        try:
            return (await self._http.get(f"{self._url}/-/ready")).status_code == 200
        except httpx.TransportError:
            return False

    async def query(self, expr: str) -> list[Any]:
        """Return the series of an expression, now."""
        return await self._result("query", query=expr)

    async def course(self, expr: str, start: float, end: float, step: float) -> list[Any]:
        """Return the series of an expression from start to end (Unix seconds), every step."""
        return await self._result("query_range", query=expr, start=start, end=end, step=step)

    async def _result(self, path: str, **params: Any) -> list[Any]:
        answer = await self._http.get(f"{self._url}/api/v1/{path}", params=params)
        body = answer.json()
        assert body["status"] == "success", f"{params}: {body}"
        found: list[Any] = body["data"]["result"]
        return found

    async def without_answer(self, exprs: Iterable[str]) -> list[str]:
        """Return the expressions that have no series."""
        return [expr for expr in exprs if not await self.query(expr)]

    async def alerts(self) -> dict[str, str]:
        """Return the state of every alert that is not silent: its name, pending or firing."""
        body = (await self._http.get(f"{self._url}/api/v1/alerts")).json()
        return {each["labels"]["alertname"]: each["state"] for each in body["data"]["alerts"]}


@asynccontextmanager
async def scraping(folder: Path, ports: Mapping[str, int]) -> AsyncIterator[Prometheus]:
    """Run Prometheus over the services' metrics ports until the block ends."""
    file, port = folder / "prometheus.yml", free_port()
    file.write_text(yaml.safe_dump(configuration(ports)), encoding="utf-8")
    command = [
        require("prometheus"),
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address={LOOPBACK}:{port}",
    ]
    log = folder / "prometheus.log"
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(*command, stdout=out, stderr=out)
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
            prometheus = Prometheus(f"http://{LOOPBACK}:{port}", http)
            async with asyncio.timeout(30):
                while not await prometheus.ready():
                    assert process.returncode is None, log.read_text()
                    await asyncio.sleep(0.1)
            yield prometheus
    finally:
        process.terminate()
        await process.wait()
