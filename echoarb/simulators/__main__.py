"""``python -m echoarb.simulators kalshi --port 9500``: one simulated venue in the foreground."""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path
from typing import Annotated

import typer

from echoarb.simulators.base import SimulatedVenue
from schemas.process import on_stop_signal
from schemas.topics import PLATFORMS


def run(
    platform: Annotated[str, typer.Argument(help="kalshi, polymarket or manifold")],
    port: Annotated[int, typer.Option(help="Port to listen on; 0 = any free one")] = 0,
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
    rate: Annotated[float, typer.Option(help="Market events per second")] = 50.0,
    seed: Annotated[int, typer.Option(help="Seed of the synthetic market")] = 1,
    public_key: Annotated[
        Path | None, typer.Option(help="Kalshi: PEM file of the public key that may connect")
    ] = None,
    key_id: Annotated[str, typer.Option(help="Kalshi: id of that key")] = "",
) -> None:
    """Serve one simulated venue until Ctrl-C.

    Faults on demand: curl -X POST localhost:PORT/_faults -d '{"kind": "drop"}'
    """
    if platform not in PLATFORMS:
        raise typer.BadParameter(f"platform must be one of {', '.join(PLATFORMS)}")
    module = importlib.import_module(f"echoarb.simulators.{platform}")
    options: dict[str, object] = {"rate": rate, "seed": seed}
    if platform == "kalshi":
        options |= {"public_key": public_key, "key_id": key_id}
    asyncio.run(_serve(module.Simulator(**options), host, port))


async def _serve(venue: SimulatedVenue, host: str, port: int) -> None:
    stop = asyncio.Event()
    on_stop_signal(stop.set)
    taken = await venue.start(host, port)
    print(f"{venue.platform} simulated on http://{host}:{taken}", flush=True)
    try:
        await stop.wait()
    finally:
        await venue.stop()


if __name__ == "__main__":
    typer.run(run)
