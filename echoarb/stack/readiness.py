"""Is a service there? One short, cheap question each."""

from __future__ import annotations

import contextlib
import logging
import socket

import httpx
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

SILENT = logging.getLogger("echoarb.librdkafka")
"""Takes librdkafka's own lines (one per refused connection): our errors say what matters."""
SILENT.propagate = False
SILENT.addHandler(logging.NullHandler())


def http_answers(url: str, timeout_seconds: float = 1) -> bool:
    """Return whether ``url`` answers 200. Proxy settings of the environment are not used."""
    try:
        with httpx.Client(trust_env=False, timeout=timeout_seconds) as client:
            return client.get(url).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def kafka_answers(bootstrap: str, timeout_seconds: float = 2) -> bool:
    """Return whether a Kafka client gets the cluster's metadata from ``host:port,...``."""
    host, _, port = bootstrap.split(",")[0].rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout_seconds).close()
    except (OSError, ValueError):
        return False
    admin = AdminClient({"bootstrap.servers": bootstrap}, logger=SILENT)
    with contextlib.suppress(KafkaException):
        return bool(admin.list_topics(timeout=timeout_seconds).brokers)
    return False
