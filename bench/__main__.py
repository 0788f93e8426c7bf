"""``python -m bench``."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from bench import sink


def main(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    ticks: Annotated[int, typer.Option(help="Ticks to store.", min=200_000)] = 1_000_000,
) -> None:
    """Measure the sink (topic to ClickHouse rows, in ticks/s) and what it is to be compared with.

    In one run on this machine: the sink, a stock Faust agent that does the same job with batches of
    the same size, confluent-kafka only counting, and ClickHouse alone inserting the same blocks.
    Only the ratios mean something elsewhere.
    """
    found = sink.measure(ticks, lambda line: print(line, file=sys.stderr, flush=True))
    rounded = {name: round(rate) for name, rate in found.items()}
    if as_json:
        print(json.dumps({"sink": rounded}))
        return
    for name, rate in rounded.items():
        print(f"{name:18}{rate:>12,} ticks/s")
    print(f"{found['echoarb'] / found['faust']:.1f} times stock Faust")
    print(f"{found['echoarb'] / found['clickhouse_limit']:.0%} of ClickHouse alone")


if __name__ == "__main__":
    typer.run(main)
