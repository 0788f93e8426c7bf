"""``python -m agents sink`` and ``python -m agents analytics``."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from agents import analytics as analytics_worker
from agents import sink_worker
from agents.settings import AnalyticsSettings, SinkSettings
from schemas.logs import configure
from schemas.process import clean_exit

app = typer.Typer(
    help="Workers that read EchoArb's Kafka topics.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def workers() -> None:
    """Workers that read EchoArb's Kafka topics."""


@app.command()
def sink(
    kafka: Annotated[str | None, typer.Option(help="Brokers, host:port,...")] = None,
    registry: Annotated[str | None, typer.Option(help="Schema registry URL")] = None,
    clickhouse: Annotated[str | None, typer.Option(help="ClickHouse HTTP URL")] = None,
    database: Annotated[str | None, typer.Option(help="ClickHouse database")] = None,
    group: Annotated[
        str | None, typer.Option(help="Consumer group; sinks of one group share the partitions")
    ] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Prometheus port; 0 = none")] = None,
) -> None:
    """Store ticks, gaps, markets and dead letters in ClickHouse, until Ctrl-C.

    Start as many as there are partitions at most; they share the work. Something unreachable is
    waited for; records that can't be used go to the topic deadletters; what can't be mended ends
    the process with an error. Apply the tables first: echoarb migrate.

    Everything else is set by ECHOARB_* variables or .env: see .env.example.

    Examples:

      python -m agents sink

      python -m agents sink --kafka broker:9092 --clickhouse http://clickhouse:8123
    """
    with clean_exit():
        settings = SinkSettings.load(
            kafka_bootstrap=kafka,
            registry_url=registry,
            clickhouse_url=clickhouse,
            clickhouse_database=database,
            sink_group=group,
            metrics_port=metrics_port,
        )
        configure(settings)
        asyncio.run(sink_worker.serve(settings))


@app.command()
def analytics(
    kafka: Annotated[str | None, typer.Option(help="Brokers, host:port,...")] = None,
    registry: Annotated[str | None, typer.Option(help="Schema registry URL")] = None,
    clickhouse: Annotated[str | None, typer.Option(help="ClickHouse HTTP URL")] = None,
    database: Annotated[str | None, typer.Option(help="ClickHouse database")] = None,
    pairs: Annotated[
        str | None, typer.Option(help="Pair file; see `echoarb pairs check --help`")
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Consumer group; workers of one group share the partitions")
    ] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Prometheus port; 0 = none")] = None,
) -> None:
    """Compute spreads and alerts, and publish them, until Ctrl-C.

    Start as many as there are partitions at most; they share the work, and one of them decides on
    alerts. Results go to the topics spreads and alerts, which the sink stores.

    Everything else is set by ECHOARB_* variables or .env: see .env.example.

    Examples:

      python -m agents analytics

      python -m agents analytics --kafka broker:9092 --pairs config/market_pairs.json
    """
    with clean_exit():
        settings = AnalyticsSettings.load(
            kafka_bootstrap=kafka,
            registry_url=registry,
            clickhouse_url=clickhouse,
            clickhouse_database=database,
            market_pairs=pairs,
            analytics_group=group,
            metrics_port=metrics_port,
        )
        configure(settings)
        asyncio.run(analytics_worker.serve(settings))


if __name__ == "__main__":
    app()
