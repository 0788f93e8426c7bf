"""Kafka over TLS with client certificates, through each client library that we use.

The broker is a real one, behind a TLS front that asks for certificates. What a broker says of
itself leads around the front, so this goes as far as the answer to the first request.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from schemas.errors import ConfigurationError
from schemas.settings import KafkaSettings

PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8


class Authority:
    """Makes certificates, in files."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}.pem"
        own = self._builder(self._name, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.file.write_bytes(own.sign(self._key, hashes.SHA256()).public_bytes(PEM))

    def issue(self, name: str) -> tuple[str, str]:
        """Return the files of a certificate for 127.0.0.1 and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key
        ).add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        certificate, secret = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        certificate.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(PEM))
        secret.write_bytes(key.private_bytes(PEM, PKCS8, serialization.NoEncryption()))
        return str(certificate), str(secret)

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=1))
        )


@contextlib.asynccontextmanager
async def front(broker: str, authority: Authority) -> AsyncIterator[tuple[int, asyncio.Event]]:
    """Serve a broker over TLS to who has a certificate: give the port, and what is set once an
    answer of the broker went out."""
    answered = asyncio.Event()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.file))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(*authority.issue("broker"))
    host, _, port = broker.rpartition(":")

    async def pipe(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passed: asyncio.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
                passed.set()
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, here = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pipe(reader, here, asyncio.Event()), pipe(there, writer, answered))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1], answered
    finally:
        server.close()


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
    async with front(tansu, ours) as (port, answered):
        known = settings_of(port, ours, ours.issue("client"))
        await ask_aiokafka(known)
        answered.clear()
        while not answered.is_set():  # until the test's own limit
            await asyncio.to_thread(ask_librdkafka, known)
    async with front(tansu, ours) as (port, answered):
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
