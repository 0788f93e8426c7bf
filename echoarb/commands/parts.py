"""``echoarb broker|clickhouse|registry``: one part of the local stack in the foreground."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from echoarb.stack.ports import LOOPBACK, require_free

Kind = Literal["tansu", "apache"]


def broker(
    kind: Annotated[Kind, typer.Argument(help="tansu (memory only) or apache.")] = "tansu",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 9092,
    data_dir: Annotated[
        Path, typer.Option(help="Folder of Apache Kafka's data; Tansu keeps none.")
    ] = Path("data/kafka"),
) -> None:
    """Run a Kafka broker in the foreground.

    Examples:

      echoarb broker

      echoarb broker apache --port 9093
    """
    require_free(port, "--port")
    if kind == "tansu":
        from echoarb.stack import tansu

        command = tansu.command(port)
    else:
        from echoarb.stack import apache

        command = apache.child(port, data_dir, data_dir / "kafka.log").command
    print(f"Kafka broker ({kind}) on {LOOPBACK}:{port}", file=sys.stderr, flush=True)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted


def clickhouse(
    data_dir: Annotated[
        Path, typer.Option(help="Folder of the tables; one process may use it at a time.")
    ] = Path("data/clickhouse"),
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8123,
) -> None:
    """Run ClickHouse over HTTP in the foreground, the engine in this process.

    Example: echoarb clickhouse --data-dir data/clickhouse --port 8123
    """
    from echoarb.stack import clickhouse_server

    clickhouse_server.main(data_dir, LOOPBACK, port)


def registry(port: Annotated[int, typer.Option(help="Port to listen on.")] = 8081) -> None:
    """Run the schema registry in the foreground: Confluent's paths, read only, nothing kept.

    Example: echoarb registry --port 8081
    """
    from echoarb.stack import registry_server

    registry_server.main(LOOPBACK, port)
