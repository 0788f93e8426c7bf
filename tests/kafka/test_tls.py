"""Kafka over TLS with client certificates, through each client library that we use.

The broker is a real one, behind a TLS front that asks for certificates. What a broker says of
itself leads around the front, so this goes as far as the answer to the first request.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from schemas.errors import ConfigurationError
from schemas.settings import KafkaSettings
from tests.tls import Authority, front


def settings_of(port: int, authority: Authority, files: tuple[str, str]) -> KafkaSettings:
    return KafkaSettings(
        _env_file=None,
        kafka_bootstrap=f"127.0.0.1:{port}",
        kafka_security="SSL",
        kafka_ca_file=str(authority.file),
        kafka_cert_file=files[0],
        kafka_key_file=files[1],
    )


async def ask_aiokafka(settings: KafkaSettings) -> None:
    """Get an answer through the library of agents and API. Raises KafkaConnectionError."""
    client = AIOKafkaClient(
        bootstrap_servers=settings.kafka_bootstrap,
        security_protocol=settings.kafka_security,
        ssl_context=settings.ssl_context(),
    )
    try:
        await client.bootstrap()
    finally:
        await client.close()


def ask_librdkafka(settings: KafkaSettings) -> None:
    """Ask through the library of the connectors, which may follow the answer to the broker's own
    address, and fail there: what passed the front tells more than what becomes of it."""
    quiet: dict[str, Any] = {"log_level": 0, "error_cb": lambda _: None}
    with contextlib.suppress(KafkaException):
        AdminClient(settings.librdkafka() | quiet).list_topics(timeout=1)


async def test_a_broker_knows_us_by_our_certificate(tansu: str, tmp_path: Path) -> None:
    ours, others = Authority(tmp_path, "ours"), Authority(tmp_path, "others")
    async with front(tansu, ours, asks_who=True) as (port, answered):
        known = settings_of(port, ours, ours.issue("client"))
        await ask_aiokafka(known)
        answered.clear()
        while not answered.is_set():  # until the test's own limit
            await asyncio.to_thread(ask_librdkafka, known)
    async with front(tansu, ours, asks_who=True) as (port, answered):
        for stranger in (
            settings_of(port, ours, ("", "")),  # we show nothing
            settings_of(port, ours, others.issue("stranger")),  # somebody else's certificate
            settings_of(port, others, ours.issue("again")),  # we don't trust the broker
        ):
            with pytest.raises(KafkaConnectionError):
                await ask_aiokafka(stranger)
            await asyncio.to_thread(ask_librdkafka, stranger)
            assert not answered.is_set()


def test_wrong_files_are_named(tmp_path: Path) -> None:
    ours = Authority(tmp_path, "ours")
    certificate, secret = ours.issue("client")
    other = ours.issue("other")[1]
    for files in (
        (str(tmp_path / "absent"), secret),
        (certificate, other),
        (secret, secret),
        (certificate, ""),
    ):
        with pytest.raises(ConfigurationError, match="ECHOARB_KAFKA_CA_FILE"):
            settings_of(1, ours, files).ssl_context()
    assert KafkaSettings(_env_file=None).ssl_context() is None
