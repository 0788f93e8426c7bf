"""500 WebSocket clients of one API process, on a real broker: how late a tick reaches them.

Late is counted from ``emit_ts``, taken just before a tick is handed to the producer, so what is
printed includes the way to the broker and bounds append to receipt from above. Clients run in a
process of their own. Run it with ``python -m bench.sockets --json``.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import msgspec
import numpy as np
import typer
from confluent_kafka import Producer

from bench import sink
from echoarb.stack.ports import free_port
from schemas.clock import now_us
from schemas.codec import encode
from schemas.framing import frame
from schemas.registry import Registry
from schemas.settings import RegistrySettings
from schemas.topics import TOPICS, ticks_topic

PLATFORMS = ("kalshi", "polymarket", "manifold")
MARKETS = 500
OF_A_PLATFORM, OF_ALL = 15, 5
"""Clients of a whole platform and of everything; each other one has one market."""
STEPS = 100
"""Bursts a second that the ticks come in."""


class _Data(msgspec.Struct):
    emit_ts: datetime | None = None


class _Message(msgspec.Struct):
    type: str
    data: _Data | None = None


_DECODER = msgspec.json.Decoder(_Message)


def main(
    clients: Annotated[int, typer.Option(min=20, max=1000)] = 500,
    rate: Annotated[int, typer.Option(min=STEPS, help="Ticks a second.")] = 1000,
    seconds: Annotated[int, typer.Option(min=2)] = 60,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    listen_to: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Measure how late ticks reach WebSocket clients, and who was closed."""
    if listen_to:
        print(json.dumps(asyncio.run(_listen(listen_to, clients, seconds))))
        return
    found = measure(clients, rate, seconds)
    lines = [json.dumps(found)] if as_json else [f"{k:24}{v}" for k, v in found.items()]
    print("\n".join(lines))


def measure(clients: int, rate: int, seconds: int) -> dict[str, Any]:
    """Return deliveries, latencies (ms), closed clients and the API's share of a core."""
    with sink._services() as place:
        port = free_port()
        api = sink._process(
            place,
            ["api"],
            ECHOARB_KAFKA_BOOTSTRAP=place.kafka,
            ECHOARB_REGISTRY_URL=place.registry,
            ECHOARB_CLICKHOUSE_URL=place.clickhouse,
            ECHOARB_CLICKHOUSE_DATABASE=sink._database(place),
            ECHOARB_API_PORT=str(port),
            ECHOARB_METRICS_PORT="0",
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}/ready")
            command = [sys.executable, "-m", "bench.sockets", "--listen-to", f"127.0.0.1:{port}"]
            command += ["--clients", str(clients), "--seconds", str(seconds)]
            crowd = subprocess.Popen(  # noqa: S603 (ourselves)
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=sink.ROOT
            )
            try:
                assert crowd.stderr is not None
                crowd.stderr.readline()  # all are subscribed
                before = _cpu(api.pid)
                sent = _produce(place, rate, seconds)
                core = (_cpu(api.pid) - before) / seconds
                answer, trouble = crowd.communicate(timeout=120)
            finally:
                crowd.kill()
        finally:
            api.terminate()
            api.wait()
    if crowd.returncode:
        raise RuntimeError(trouble.decode()[-2000:])
    each = OF_ALL + OF_A_PLATFORM / len(PLATFORMS) + (clients - OF_ALL - OF_A_PLATFORM) / MARKETS
    told = {"expected": round(sent["ticks"] * each), "api_core": round(core, 2)}
    return {"clients": clients, **sent, **json.loads(answer), **told}


def _cpu(pid: int) -> float:
    """Return the seconds of processor time that a process has used (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 (ours)
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError("the API is not ready")


def _produce(place: sink.Place, rate: int, seconds: int) -> dict[str, Any]:
    registry = Registry(RegistrySettings.load(registry_url=place.registry))
    topics = [TOPICS[ticks_topic(name)] for name in PLATFORMS]
    ids = [registry.id_of(topic) for topic in topics]
    producer = Producer({"bootstrap.servers": place.kafka, "linger.ms": 5})
    begin, count = time.monotonic(), 0
    source = sink.ticks(rate * seconds)
    for step in range(seconds * STEPS):
        for tick in _some(source, rate // STEPS):
            at = count % len(PLATFORMS)
            made = dataclasses.replace(tick, platform=PLATFORMS[at], emit_ts=now_us())
            producer.produce(topics[at].name, frame(ids[at], encode(made)), tick.market_id)
            count += 1
        producer.poll(0)
        time.sleep(max(0.0, begin + (step + 1) / STEPS - time.monotonic()))
    took = time.monotonic() - begin
    producer.flush(30)
    registry.close()
    return {"ticks": count, "ticks_per_second": round(count / took)}


def _some(source: Iterator[Any], count: int) -> Iterator[Any]:
    for _ in range(count):
        yield next(source)


def _query(number: int) -> dict[str, str]:
    if number < OF_ALL:
        return {}
    if number < OF_ALL + OF_A_PLATFORM:
        return {"platform": PLATFORMS[number % len(PLATFORMS)]}
    return {"market": f"KXBENCH-26DEC31-T{number % MARKETS}"}


async def _listen(address: str, clients: int, seconds: int) -> dict[str, Any]:
    late: list[float] = []
    closed = 0
    ready = asyncio.Semaphore(0)

    async def one(http: aiohttp.ClientSession, number: int) -> None:
        nonlocal closed
        async with http.ws_connect(f"http://{address}/ws/ticks") as ws:
            await ws.send_json({"type": "subscribe", **_query(number)})
            async for message in ws:
                now = time.time()
                told = _DECODER.decode(message.data)
                if told.type == "subscribed":
                    ready.release()
                elif told.type == "tick" and told.data and told.data.emit_ts:
                    late.append(now - told.data.emit_ts.timestamp())
            closed += 1

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        tasks = [asyncio.create_task(one(http, number)) for number in range(clients)]
        for _ in tasks:
            await asyncio.wait_for(ready.acquire(), 60)
        used = time.process_time()
        print("ready", file=sys.stderr, flush=True)
        await asyncio.sleep(seconds + 3)
        failed = sum(task.done() and task.exception() is not None for task in tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    p50, p99, most = (float(x) * 1000 for x in np.quantile(late, [0.5, 0.99, 1.0]))
    return {
        "deliveries": len(late),
        "deliveries_per_second": round(len(late) / seconds),
        "p50_ms": round(p50, 1),
        "p99_ms": round(p99, 1),
        "max_ms": round(most, 1),
        "closed": closed,
        "failed": failed,
        "clients_core": round((time.process_time() - used) / seconds, 2),
    }


if __name__ == "__main__":
    typer.run(main)
