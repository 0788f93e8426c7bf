"""One venue to Kafka: discover, connect, receive, stamp, parse, publish, until told to stop.

The path of a frame: ``socket.py`` stamps it, ``pipeline.py`` captures and parses it, the venue's
``parse.py`` says what it means, ``publish.py`` hands the records to Kafka.
"""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type
from tenacity.wait import wait_random_exponential

from connectors import metrics
from connectors.capture import Capture
from connectors.gaps import make_gap
from connectors.pipeline import Pipeline
from connectors.publish import Publisher, topics_of
from connectors.settings import ConnectorSettings
from connectors.venues import venue
from schemas.clock import now_us
from schemas.errors import Transient
from schemas.logs import get_logger
from schemas.process import on_stop_signal, serve_metrics
from schemas.registry import Registry
from schemas.topics import TOPICS

log = get_logger(__name__)


async def run(platform: str, settings: ConnectorSettings) -> None:
    """Follow one venue until SIGINT or SIGTERM, then flush.

    Raises ConfigurationError for a wrong setting, Fatal if the process can't go on; both may
    come in an ExceptionGroup.
    """
    following = asyncio.create_task(_follow(platform, settings), name=platform)
    on_stop_signal(following.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await following
    log.info("stopped", platform=platform)


async def _follow(platform: str, settings: ConnectorSettings) -> None:
    parts = venue(platform)
    venue_settings = parts.settings.load()
    serve_metrics("connector", settings.metrics_host, settings.metrics_port)
    metrics.show(platform, settings.queue_records, now_us() / 1e6)
    publisher = Publisher(platform, settings, await _schema_ids(platform, settings))
    capture = _capture(platform, settings)
    pipeline = Pipeline(parts.new_parser(), publisher.publish, capture)
    # What happened before this process began is not known: say so before the first tick.
    started = now_us()
    connection = f"start/{started // 1000}"
    pipeline.publish(make_gap(platform, None, connection, "startup", None, to_us=started))
    try:
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
            feed = parts.new_feed(settings, venue_settings, pipeline, session)
            tasks.create_task(publisher.run(), name="producer")
            tasks.create_task(feed.run(), name="feed")
            log.info("following", platform=platform, kafka=settings.kafka_bootstrap)
    finally:
        # The feed has said its last words (the gaps that its end opens): hand them over too.
        if capture is not None:
            capture.close()
        await asyncio.to_thread(publisher.flush)


async def _schema_ids(platform: str, settings: ConnectorSettings) -> dict[str, int]:
    """Return topic name to schema id, waiting for the registry as long as it takes."""
    registry = Registry(settings)
    ids: dict[str, int] = {}
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(Transient),
        wait=wait_random_exponential(multiplier=0.5, max=15),
        before_sleep=_say_waiting,
    ):
        with attempt:
            for name in topics_of(platform):
                ids[name] = await asyncio.to_thread(registry.id_of, TOPICS[name])
    registry.close()
    return ids


def _say_waiting(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("registry not reachable, trying again", error=str(error))


def _capture(platform: str, settings: ConnectorSettings) -> Capture | None:
    if settings.capture_dir is None:
        return None
    return Capture(settings.capture_dir, platform, settings.capture_file_megabytes * 2**20)
