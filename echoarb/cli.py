"""The ``echoarb`` command. Each command is a file in echoarb/commands and one line here."""

from __future__ import annotations

import typer

from echoarb.commands import keys, migrate, pairs, parts, schemas, settings, shell, topics, up
from echoarb.commands import top as terminal
from echoarb.commands.decode import decode
from echoarb.commands.replay import replay
from echoarb.commands.seed import seed
from echoarb.simulators.__main__ import run as simulate

app = typer.Typer(
    name="echoarb",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="""Record prediction markets: Kalshi, Polymarket and Manifold, on Kafka and ClickHouse.

    Examples:

      echoarb up                                  everything on this machine, simulated venues

      echoarb up --for 60 --summary json          a minute of it, then a summary

      echoarb up --live --venues manifold         the real venue

      echoarb decode kalshi FILE --what books     what a recording means
    """,
)
app.command("up")(up.up)
app.command("top")(terminal.top)
app.command("decode")(decode)
app.command("replay")(replay)
app.command("simulate")(simulate)
app.command("seed")(seed)
app.command("migrate")(migrate.run_migrations)
app.add_typer(topics.app, name="topics")
app.add_typer(schemas.app, name="schemas")
app.add_typer(pairs.app, name="pairs")
app.add_typer(keys.app, name="keys")
app.command("settings")(settings.show)
app.command("broker")(parts.broker)
app.command("clickhouse")(parts.clickhouse)
app.command("registry")(parts.registry)


def main() -> None:
    """Run the command line: exit code 2 for wrong settings, 1 for other failures of ours."""
    shell.run(app)


if __name__ == "__main__":
    main()
