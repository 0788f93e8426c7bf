"""``python -m connectors kalshi|polymarket|manifold``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from connectors.runner import run
from connectors.settings import ConnectorSettings
from schemas.logs import configure
from schemas.process import clean_exit


def connect(
    platform: Annotated[str, typer.Argument(help="kalshi, polymarket or manifold")],
    capture: Annotated[
        Path | None,
        typer.Option(help="Also write every frame received to compressed files in this folder"),
    ] = None,
    kafka: Annotated[str | None, typer.Option(help="Brokers, host:port,...")] = None,
    registry: Annotated[str | None, typer.Option(help="Schema registry URL")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Prometheus port; 0 = none")] = None,
) -> None:
    """Follow one venue and write its ticks, gaps and markets to Kafka, until Ctrl-C.

    Everything else is set by ECHOARB_* variables or .env: see .env.example.

    Examples:

      python -m connectors manifold

      python -m connectors kalshi --capture data/capture
    """
    with clean_exit():
        settings = ConnectorSettings.load(
            capture_dir=capture,
            kafka_bootstrap=kafka,
            registry_url=registry,
            metrics_port=metrics_port,
        )
        configure(settings)
        asyncio.run(run(platform, settings))


if __name__ == "__main__":
    typer.run(connect)
