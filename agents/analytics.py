"""Running the analytics: stages on one Faust application, time passing, and the alerts beside."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence

from faust.types import TP

from agents.alert_worker import AlertWorker
from agents.analytics_metrics import LAG
from agents.app import faust_app, quiet_logs
from agents.outbox import Outbox
from agents.settings import AnalyticsSettings
from agents.stage import Stage
from agents.steps import stages
from agents.stored_latency import StoredLatency
from agents.topic_ids import TopicIds
from agents.transport import BatchingConsumer
from agents.worker import Worker, first, topics_exist
from schemas.logs import get_logger
from schemas.process import on_stop_signal, serve_metrics
from schemas.registry import Registry
from schemas.topics import TICKS, TOPICS

log = get_logger("echoarb.analytics")


async def serve(settings: AnalyticsSettings) -> None:
    """Compute spreads and alerts until SIGTERM or SIGINT, then commit and return.

    Raises Fatal when it can't go on, ConfigurationError if the pair file or webhooks are wrong.
    """
    quiet_logs()
    stopping = asyncio.Event()
    on_stop_signal(stopping.set)
    registry = Registry(settings)
    topic_ids = TopicIds(settings)
    outbox = Outbox(settings, registry)
    steps = stages(settings, registry, outbox, topic_ids)
    alerts = AlertWorker(settings)
    serve_metrics("analytics", settings.metrics_host, settings.metrics_port)
    waiting = asyncio.create_task(topics_exist(topic_ids, tuple(TOPICS)))
    if await first(stopping, waiting):
        return
    options = settings.group_options()
    with tempfile.TemporaryDirectory(prefix="echoarb-analytics-") as folder:
        app = faust_app(settings, options, folder)
        worker = Worker(app, options, steps, topic_ids, stopping, LAG)
        consumer = worker.consumer
        consumer.from_start = frozenset(
            topic for step in steps if step.rebuilt for topic in step.topics
        )
        consumer.after_revoke = lambda tps: _revoked(steps, tps)
        stored = StoredLatency(settings, outbox.publish, lambda: _speaks(consumer))
        companions = [
            asyncio.create_task(_pass_time(steps), name="time"),
            asyncio.create_task(alerts.run(), name="alerts"),
            asyncio.create_task(stored.run(), name="stored-latency"),
        ]
        try:
            await worker.run(companions)
        finally:
            for task in companions:
                task.cancel()
            await asyncio.gather(*companions, return_exceptions=True)
            registry.close()


async def _pass_time(steps: Sequence[Stage]) -> None:
    while True:
        await asyncio.sleep(1)
        for step in steps:
            await step.pass_time()


def _speaks(consumer: BatchingConsumer) -> bool:
    """Return whether this worker is the one that asks ClickHouse what all could ask."""
    started = consumer._thread._consumer is not None
    return started and TP(TICKS[0].name, 0) in consumer.standings()


def _revoked(steps: Sequence[Stage], tps: set[TP]) -> None:
    for step in steps:
        step.revoked({(tp.topic, tp.partition) for tp in tps})
