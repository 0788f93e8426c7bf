"""``echoarb pairs``: the pair file against the markets that were seen, and suggestions for it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from echoarb.pairing import check as checks
from echoarb.pairing import markets as seen
from echoarb.pairing import suggest as suggestions
from echoarb.stack.clickhouse_client import connect
from schemas.errors import ConfigurationError
from schemas.pair import json_schema
from schemas.pairs import PairSettings, read_pairs
from schemas.settings import ClickHouseSettings

app = typer.Typer(no_args_is_help=True, help="Check and suggest pairs of markets.")
ClickHouse = Annotated[str | None, typer.Option(help="ClickHouse HTTP URL.")]
Database = Annotated[str | None, typer.Option(help="Database of the tables.")]


@app.command()
def check(
    file: Annotated[
        Path | None, typer.Argument(help="Pair file; without it, what ECHOARB_MARKET_PAIRS says.")
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Check the file alone, without ClickHouse.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a finding.")] = False,
    clickhouse: ClickHouse = None,
    database: Database = None,
) -> None:
    """Check a pair file: its form, then its markets against those that were seen.

    Errors are mistakes of form, markets and outcomes that were never seen, and markets that are
    over; warnings are pairs that nobody has verified, unknown fees, and markets that close far
    apart. Exit code 0 without errors, 1 with.

    Examples:

      echoarb pairs check

      echoarb pairs check config/market_pairs.json --offline
    """
    path = file or Path(PairSettings.load().market_pairs)
    try:
        pairs = read_pairs(path)
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    found = checks.unverified(pairs)
    if not offline and pairs:
        settings = ClickHouseSettings.load(clickhouse_url=clickhouse, clickhouse_database=database)
        places = {
            (leg.platform, each.market_id): None
            for pair in pairs
            for leg in pair.legs
            for each in leg.outcomes
        }
        client = connect(settings)
        try:
            markets = seen.of_pairs(client, settings.clickhouse_database, list(places))
        finally:
            client.close()
        found += checks.against(pairs, markets)
    for each in found:
        plain = f"{each.level}: pair {each.pair}: {each.where}: {each.text}"
        print(json.dumps(each.plain()) if as_json else plain)
    errors = sum(each.level == "error" for each in found)
    print(f"{len(pairs)} pairs, {errors} errors, {len(found) - errors} warnings", file=sys.stderr)
    raise typer.Exit(1 if errors else 0)


@app.command()
def suggest(
    least: Annotated[
        float, typer.Option(min=0, max=1, help="Least likeness of two titles, 0 to 1.")
    ] = 0.7,
    most: Annotated[int, typer.Option(min=1, max=2000, help="Most pairs.")] = 50,
    clickhouse: ClickHouse = None,
    database: Database = None,
) -> None:
    """Print a pair file of open markets whose titles are alike, for a person to review.

    Titles that are alike may settle differently: nothing is taken for verified. Read the rules of
    both venues, correct the legs, say so in resolution and verified, then run the check.

    Examples:

      echoarb pairs suggest > config/suggested.json

      echoarb pairs suggest --least 0.85 --most 10
    """
    settings = ClickHouseSettings.load(clickhouse_url=clickhouse, clickhouse_database=database)
    client = connect(settings)
    try:
        markets = seen.open_markets(client, settings.clickhouse_database)
    finally:
        client.close()
    pairs = suggestions.suggest(markets, least, most)
    print(json.dumps({"pairs": pairs}, indent=2))
    print(f"{len(markets)} open markets compared, {len(pairs)} suggestions", file=sys.stderr)


@app.command()
def schema() -> None:
    """Print the JSON Schema of pair files.

    Example: echoarb pairs schema > schemas/pairs.schema.json
    """
    print(json_schema(), end="")
