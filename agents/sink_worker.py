"""Running the sink: a step for each table, on one Faust application."""

from __future__ import annotations

import asyncio
import gc
import tempfile

from agents import metrics
from agents.app import faust_app, quiet_logs
from agents.deadletters import DeadLetters, producer
from agents.settings import SinkSettings
from agents.sink import Sink
from agents.tables import TABLES
from agents.topic_ids import TopicIds
from agents.worker import Worker, first, topics_exist
from agents.writer import Writer
from schemas.process import on_stop_signal, serve_metrics
from schemas.registry import Registry

ALL_TOPICS = tuple(topic for table in TABLES for topic in table.topics)


OBJECTS_BETWEEN_COLLECTIONS = 500_000


def _collect_seldom() -> None:
    """Let the garbage collector look seldom, and never at what lives as long as the process.

    Each fetched record is an object or two, and the default is to go through the young ones after
    every 700, and through all that wait now and again. They form no cycles: reference counts free
    them. docs/benchmarks.md has what it brought.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, 20, 100)


async def serve(settings: SinkSettings) -> None:
    """Store every topic until SIGTERM or SIGINT; then store what is in hand, commit and return.

    Raises Fatal when it can't go on.
    """
    quiet_logs()
    _collect_seldom()
    stopping = asyncio.Event()
    on_stop_signal(stopping.set)
    serve_metrics("sink", settings.metrics_host, settings.metrics_port)
    topic_ids = TopicIds(settings)
    waiting = asyncio.create_task(topics_exist(topic_ids, ALL_TOPICS))
    if await first(stopping, waiting):
        return
    writer = Writer(settings, timeout_seconds=settings.sink_insert_timeout_seconds)
    registry, publisher = Registry(settings), producer(settings)
    sinks = [
        Sink(
            table,
            settings,
            writer,
            topic_ids,
            registry,
            DeadLetters(publisher, registry, settings.sink_poison_limit),
        )
        for table in TABLES
    ]
    options = settings.group_options()
    with tempfile.TemporaryDirectory(prefix="echoarb-sink-") as folder:
        app = faust_app(settings, options, folder)
        try:
            await Worker(app, options, sinks, topic_ids, stopping, metrics.LAG).run()
        finally:
            await writer.close()
