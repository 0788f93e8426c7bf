"""``echoarb top``: what the API knows, live on a terminal."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from echoarb.top.sheets import SHEETS
from schemas.errors import ConfigurationError, Fatal
from schemas.topics import PLATFORMS

TABS = tuple(sheet.name for sheet in SHEETS)


def top(
    url: Annotated[str, typer.Option(help="The API.")] = "http://127.0.0.1:8000",
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="ECHOARB_API_KEY",
            show_envvar=True,
            help="Key with scope read (and ack, to acknowledge). Better in the variable: other "
            "users of the machine can read options.",
        ),
    ] = None,
    platform: Annotated[
        str | None, typer.Option(help=f"Only ticks of one venue: {', '.join(PLATFORMS)}.")
    ] = None,
    market: Annotated[str | None, typer.Option(help="Only ticks of one market, by its id.")] = None,
    words: Annotated[
        str, typer.Option("--filter", help="Words that a row has to hold, in any case.")
    ] = "",
    tab: Annotated[str, typer.Option(help=f"What to show first: {', '.join(TABS)}.")] = "ticks",
) -> None:
    """Show live ticks, spreads, latency, alerts and gaps.

    Keys: 1 to 5 choose a tab, / filters by words, s and S choose the column that orders, r turns
    the order around, p holds the tables still, a acknowledges the alert under the cursor, q ends.

    Examples:

      echoarb top

      echoarb top --platform kalshi --filter "rate cut"

      echoarb top --tab alerts --url https://echoarb.example
    """
    from echoarb.top.api_source import ApiSource  # what draws is loaded for this command only
    from echoarb.top.board import Board
    from echoarb.top.screen import Top

    if platform is not None and platform not in PLATFORMS:
        raise ConfigurationError(f"--platform has to be one of {', '.join(PLATFORMS)}")
    if tab not in TABS:
        raise ConfigurationError(f"--tab has to be one of {', '.join(TABS)}")
    if not url.startswith(("http://", "https://")):
        raise ConfigurationError("--url has to begin with http:// or https://")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigurationError(
            "echoarb top needs a terminal; elsewhere read the API: /api/v1/latest, /ws/ticks"
        )
    filters = {"platform": platform, "market": market}
    source = ApiSource(url, {k: v for k, v in filters.items() if v is not None}, api_key)
    problem = Top(source, Board(), words, tab).run()
    if problem:
        raise Fatal(problem)
