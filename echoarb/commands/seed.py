"""``echoarb seed``: sample data, so that boards and API show something at once."""

from __future__ import annotations

import json
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import track

from echoarb.seeding.insert import insert, other_ticks
from echoarb.seeding.sample import HOUR_US, Sample, described, pairs
from echoarb.simulators.market import QUESTIONS
from echoarb.stack.clickhouse_client import connect
from schemas.clock import now_us, parse_rfc3339
from schemas.errors import ConfigurationError, Fatal
from schemas.settings import ClickHouseSettings


def seed(
    days: Annotated[
        float,
        typer.Option(help="How many days; a part of one is rounded to hours.", min=0.05, max=30),
    ] = 2,
    markets: Annotated[
        int, typer.Option(help="Markets of each venue.", min=1, max=len(QUESTIONS))
    ] = 4,
    number: Annotated[
        int, typer.Option("--seed", help="The same seed gives the same data.", min=0)
    ] = 1,
    until: Annotated[
        str | None,
        typer.Option(help="Where the days end, RFC 3339; without it, with the last full hour."),
    ] = None,
    pair_file: Annotated[
        Path, typer.Option(help="Where the pairs of the samples are written.")
    ] = Path("data/sample_pairs.json"),
    force: Annotated[
        bool,
        typer.Option("--force", help="Even among real ticks, or samples of another seed."),
    ] = False,
    clickhouse: Annotated[str | None, typer.Option(help="ClickHouse HTTP URL.")] = None,
    database: Annotated[str | None, typer.Option(help="Database of the tables.")] = None,
) -> None:
    """Fill ClickHouse with sample data: markets, ticks, gaps, latencies, spreads, alerts.

    Every sample's market is called SAMPLE-..., its title SAMPLE: ...; candles and latest states
    come of the ticks. Doing it again changes nothing, and goes on where it was interrupted.

    Examples:

      echoarb seed

      echoarb seed --days 7 --markets 8 --clickhouse http://clickhouse:8123

      ECHOARB_MARKET_PAIRS=data/sample_pairs.json python -m api
    """
    end = _end(until)
    settings = ClickHouseSettings.load(clickhouse_url=clickhouse, clickhouse_database=database)
    name = settings.clickhouse_database
    client = connect(settings)
    written: Counter[str] = Counter()
    try:
        _refuse_others(name, number, *((0, 0) if force else other_ticks(client, name, number)))
        sample = Sample(number, markets)
        hours = max(1, round(days * 24))
        begins = range(end - hours * HOUR_US, end, HOUR_US)
        written += insert(client, name, described(number, markets, begins[0]))
        console = Console(stderr=True)
        for begin in track(
            begins, description="hours", console=console, disable=not console.is_terminal
        ):
            written += insert(client, name, sample.hour(begin, last=begin == begins[-1]))
    finally:
        client.close()
    pair_file.parent.mkdir(parents=True, exist_ok=True)
    plain = msgspec.to_builtins({"pairs": pairs(markets)}, builtin_types=())
    pair_file.write_text(json.dumps(_without_none(plain), indent=2, default=str) + "\n")
    counts = ", ".join(f"{count} {table}" for table, count in sorted(written.items()))
    day = datetime.fromtimestamp(end / 1e6, UTC)
    print(f"{hours} hours until {day:%Y-%m-%d %H:%M} UTC: {counts}", file=sys.stderr)
    print(f"to see spreads: ECHOARB_MARKET_PAIRS={pair_file} at the API", file=sys.stderr)


def _refuse_others(database: str, seed: int, real: int, others: int) -> None:
    """Raise Fatal if there are ticks with which the samples must not be mixed."""
    if real:
        raise Fatal(
            f"database {database} holds {real} real ticks; choose another with --database, or "
            "--force if samples may lie among them"
        )
    if others:
        raise Fatal(
            f"database {database} holds {others} sample ticks of another seed than {seed}, for the "
            "same markets; use that seed, another --database, or --force"
        )


def _end(until: str | None) -> int:
    """Return where the days end, UTC microseconds, at a full hour."""
    try:
        at = now_us() if until is None else parse_rfc3339(until)
    except ValueError as error:
        raise ConfigurationError("--until has to be like 2026-11-25T12:00:00Z") from error
    return at // HOUR_US * HOUR_US


def _without_none(value: object) -> object:
    if isinstance(value, dict):
        return {name: _without_none(each) for name, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [_without_none(each) for each in value]
    return value
