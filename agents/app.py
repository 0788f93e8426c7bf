"""The Faust application of a worker. Why each setting is as it is: docs/decisions."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import faust

from agents.transport import Transport
from schemas.settings import KafkaSettings

MAX_POLL_SECONDS = 7 * 24 * 3600
"""ClickHouse may be away for days before Kafka takes the partitions away; health watches us."""


@dataclass(frozen=True, slots=True)
class GroupOptions:
    """How a worker shares in its consumer group and how much it reads at once."""

    group: str
    session_seconds: float
    commit_seconds: float
    fetch_records: int
    """Records of one partition that are handed on as one batch at most."""
    fetch_kilobytes: int
    """Kilobytes that are fetched ahead per partition."""
    stall_seconds: float
    """Records waiting and none committed for this long ends the worker."""
    stop_seconds: float
    """How long a stopping worker may take to finish what is in hand."""


def faust_app(settings: KafkaSettings, options: GroupOptions, datadir: str) -> faust.App:
    """Return the Faust application, without agents. It binds no port and creates no topic."""
    session = options.session_seconds
    app = faust.App(
        options.group,
        broker=[f"kafka://{address}" for address in settings.kafka_bootstrap.split(",")],
        broker_credentials=_credentials(settings),
        datadir=datadir,
        autodiscover=False,
        web_enabled=False,
        key_serializer="raw",
        value_serializer="raw",
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        # A batch that can't be dealt with must not hold up the group: it is dropped and read again.
        stream_wait_empty=False,
        # Events that wait in front of an agent: each is a fetch of one partition.
        stream_buffer_maxsize=8,
        broker_max_poll_records=options.fetch_records,
        broker_max_poll_interval=MAX_POLL_SECONDS,
        consumer_max_fetch_size=options.fetch_kilobytes * 1024,
        broker_commit_interval=options.commit_seconds,
        broker_session_timeout=session,
        broker_request_timeout=max(session + 10, 40),
        broker_heartbeat_interval=min(3, session / 3),
        broker_rebalance_timeout=60,
        producer_request_timeout=30,
        consumer_auto_offset_reset="earliest",
        worker_redirect_stdouts=False,
    )
    app.transport = Transport(app.conf.broker_consumer, app)
    return app


def _credentials(settings: KafkaSettings) -> Any:
    if settings.kafka_security == "PLAINTEXT":
        return None
    context = settings.ssl_context()
    if settings.kafka_security == "SSL":
        return faust.SSLCredentials(context)
    return faust.SASLCredentials(
        username=settings.kafka_username,
        password=settings.kafka_password.get_secret_value(),
        ssl_context=context,
        mechanism=settings.kafka_sasl_mechanism,
    )


def quiet_logs() -> None:
    """Let Faust and its libraries speak of what matters only.

    Its consumer reports "has not sent fetch request" as an error on idle partitions, and a commit
    that is slow because ClickHouse is away; both are ours to judge (agents/health.py).
    """
    for name in ("faust", "mode", "aiokafka", "agents.transport", "clickhouse_connect", "httpx2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("faust.transport.drivers.aiokafka").setLevel(logging.CRITICAL)
    logging.getLogger("echoarb.librdkafka").setLevel(logging.ERROR)
