"""``echoarb replay``: a recording to Kafka, through the path that live frames take."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from connectors.capture import read_frames
from connectors.pipeline import Pipeline
from connectors.playback import Epochs
from connectors.publish import Publisher, publishing, topics_of
from connectors.settings import ConnectorSettings
from connectors.venues import venue
from schemas.errors import ConfigurationError, Poison
from schemas.logs import configure
from schemas.registry import Registry
from schemas.topics import TOPICS


def replay(
    platform: Annotated[str, typer.Argument(help="kalshi, polymarket or manifold")],
    files: Annotated[list[Path], typer.Argument(help="Recordings, in order of time")],
    speed: Annotated[
        float, typer.Option(min=0, help="1 = as it was, 10 = ten times as fast, 0 = at once")
    ] = 0,
    kafka: Annotated[str | None, typer.Option(help="Brokers, host:port,...")] = None,
    registry: Annotated[str | None, typer.Option(help="Schema registry URL")] = None,
) -> None:
    """Publish a recording to Kafka, through the parser and producer that live frames pass.

    Ticks keep the ingest time and the id that they had; emit time is now.

    Example:

      echoarb replay kalshi data/capture/kalshi-*.jsonl.zst --speed 10
    """
    settings = ConnectorSettings.load(kafka_bootstrap=kafka, registry_url=registry, metrics_port=0)
    configure(settings)
    frames = asyncio.run(_replay(platform, files, speed, settings))
    print(f"{frames} frames published", file=sys.stderr)


async def _replay(
    platform: str, files: list[Path], speed: float, settings: ConnectorSettings
) -> int:
    client = Registry(settings)
    schema_ids = {name: client.id_of(TOPICS[name]) for name in topics_of(platform)}
    client.close()
    publisher = Publisher(platform, settings, schema_ids)
    pipeline = Pipeline(venue(platform).new_parser(), publisher.publish)
    frames = 0
    epochs = Epochs()
    first_us: int | None = None
    started = time.monotonic()
    async with publishing(publisher) as producer:
        for path in files:
            for frame in read_frames(path):
                if isinstance(frame, Poison):
                    raise ConfigurationError(frame.detail)
                first_us = frame.received_us if first_us is None else first_us
                await _keep_pace(publisher, frame.received_us - first_us, started, speed)
                lost = epochs.lost_before(frame)
                if lost is not None:
                    detail = f"{frame.connection} followed"
                    pipeline.disconnected(lost.connection, lost.received_us, "disconnect", detail)
                pipeline.receive(frame)
                frames += 1
                if frames % 10_000 == 0:
                    print(f"{frames} frames", file=sys.stderr)
                if producer.done():
                    producer.result()
    return frames


async def _keep_pace(publisher: Publisher, offset_us: int, started: float, speed: float) -> None:
    """Wait until the frame is due, and while the queue to Kafka is more than half full."""
    if speed > 0:
        due = started + offset_us / 1_000_000 / speed
        await asyncio.sleep(max(due - time.monotonic(), 0))
    await publisher.room()
