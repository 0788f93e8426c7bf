"""``python -m api``: serve REST and WebSockets, with metrics on a port of their own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Annotated

import typer

from api.server import build, listen
from api.settings import ApiSettings
from schemas.errors import Fatal
from schemas.logs import configure, get_logger
from schemas.process import clean_exit, on_stop_signal, serve_metrics

log = get_logger("echoarb.api")


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 = any free one")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Port of /metrics; 0 = none")] = None,
    kafka: Annotated[str | None, typer.Option(help="Brokers, host:port,...")] = None,
    clickhouse: Annotated[str | None, typer.Option(help="ClickHouse HTTP URL")] = None,
    registry: Annotated[str | None, typer.Option(help="Schema registry URL")] = None,
) -> None:
    """Serve the REST and WebSocket API until Ctrl-C.

    Everything else is set by ECHOARB_* variables or .env: see .env.example.

    Examples:

      python -m api

      curl 'http://127.0.0.1:8000/api/v1/ticks?platform=kalshi&limit=5'

      python -m api --port 8080 --clickhouse http://127.0.0.1:8123
    """
    with clean_exit():
        settings = ApiSettings.load(
            api_host=host,
            api_port=port,
            metrics_port=metrics_port,
            kafka_bootstrap=kafka,
            clickhouse_url=clickhouse,
            registry_url=registry,
        )
        configure(settings)
        for noisy in ("aiokafka", "uvicorn.error", "uvicorn.access"):
            logging.getLogger(noisy).setLevel(logging.CRITICAL)  # we report what they would
        asyncio.run(_serve(settings))


async def _serve(settings: ApiSettings) -> None:
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(contextlib.closing(listen(settings)))
        stack.callback(serve_metrics("api", settings.metrics_host, settings.metrics_port))
        server = build(settings)
        on_stop_signal(lambda: setattr(server, "should_exit", True))
        address, port = listener.getsockname()[:2]
        log.info("serving", url=f"http://{address}:{port}", metrics_port=settings.metrics_port)
        await server.serve(sockets=[listener])
        if not server.started:
            raise Fatal("the API did not start; its log says why")
        log.info("stopped")


if __name__ == "__main__":
    typer.run(serve)
