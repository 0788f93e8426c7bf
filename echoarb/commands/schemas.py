"""``echoarb schemas``: the Avro schemas of schemas/ in a registry."""

from __future__ import annotations

from typing import Annotated

import typer

from schemas.codec import schema_text
from schemas.registry import Registry
from schemas.settings import RegistrySettings
from schemas.topics import TOPICS

app = typer.Typer(no_args_is_help=True, help="Register or list the Avro schemas.")


@app.command()
def register(
    registry: Annotated[str | None, typer.Option(help="Schema registry URL.")] = None,
) -> None:
    """Register every topic's schema and print subject and id; safe to run again.

    Example: echoarb schemas register --registry http://registry:8081
    """
    settings = RegistrySettings.load(registry_url=registry, registry_register=True)
    client = Registry(settings)
    try:
        for topic in TOPICS.values():
            print(f"{topic.subject}: {client.id_of(topic)}")
    finally:
        client.close()


@app.command("list")
def list_schemas(
    full: Annotated[bool, typer.Option(help="Print the schemas too.")] = False,
) -> None:
    """List the subjects with the schema of each.

    Examples:

      echoarb schemas list

      echoarb schemas list --full
    """
    for topic in TOPICS.values():
        text = f"\n{schema_text(topic.schema)}" if full else ""
        print(f"{topic.subject}: schemas/{topic.schema}.avsc{text}")
