"""``echoarb topics``: the topics of schemas/topics.py on a broker."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from echoarb.stack import topics
from schemas.settings import KafkaSettings
from schemas.topics import TOPICS

app = typer.Typer(no_args_is_help=True, help="Create or list the Kafka topics.")
Kafka = Annotated[str | None, typer.Option(help="Brokers, host:port,...")]


@app.command()
def create(
    kafka: Kafka = None,
    replication: Annotated[
        int, typer.Option(help="Copies of each partition; -1 leaves it to the broker.")
    ] = topics.BROKER_DEFAULT,
) -> None:
    """Create the topics that are missing; those that are there stay as they are.

    Example: echoarb topics create --kafka broker:9092 --replication 3
    """
    created = topics.create(
        KafkaSettings.load(kafka_bootstrap=kafka), replication_factor=replication
    )
    for name in TOPICS:
        print(f"{name}: {'created' if name in created else 'already there'}")


@app.command("list")
def list_topics(
    kafka: Annotated[
        str | None, typer.Option(help="Also ask these brokers what they have.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List the topics: name, key, partitions, configuration and schema.

    Examples:

      echoarb topics list

      echoarb topics list --kafka 127.0.0.1:9092 --json
    """
    there = topics.describe(KafkaSettings.load(kafka_bootstrap=kafka)) if kafka else {}
    for topic in TOPICS.values():
        row = {
            "name": topic.name,
            "key": topic.key,
            "partitions": topic.partitions,
            "config": topic.config(),
            "schema": topic.schema,
        }
        if kafka:
            state = there.get(topic.name)
            row["topic_id"] = str(state.topic_id) if state else None
        if as_json:
            print(json.dumps(row))
        else:
            config = " ".join(f"{key}={value}" for key, value in topic.config().items())
            known = f"  {row['topic_id'] or 'missing'}" if kafka else ""
            print(f"{topic.name:18} {topic.partitions:2} partitions  {config}{known}")
