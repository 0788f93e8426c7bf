"""What every process of ours does alike: ends with one clear line, serves its metrics."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import prometheus_client

from schemas.errors import ConfigurationError, EchoArbError

CONFIGURATION_EXIT = 2
"""Exit code for wrong settings and options: starting again doesn't help."""
FAILURE_EXIT = 1
"""Exit code of a process that could not go on."""


@contextmanager
def clean_exit() -> Iterator[None]:
    """End the process with one line an error, and no traceback, if the block raises ours.

    Exit code 2 if any is a ConfigurationError, else 1. What was not raised on purpose passes: its
    traceback is needed.
    """
    try:
        yield
    except (EchoArbError, BaseExceptionGroup) as error:
        leaves = _leaves(error)
        if not all(isinstance(leaf, EchoArbError) for leaf in leaves):
            raise
        for leaf in leaves:
            print(f"error: {leaf}", file=sys.stderr)
        wrong = any(isinstance(leaf, ConfigurationError) for leaf in leaves)
        sys.exit(CONFIGURATION_EXIT if wrong else FAILURE_EXIT)


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


def serve_metrics(host: str, port: int) -> Callable[[], None]:
    """Serve /metrics from a thread, unless ``port`` is 0; return what stops it.

    Raises ConfigurationError if the address can't be had.
    """
    if port == 0:
        return lambda: None
    try:
        server, thread = prometheus_client.start_http_server(port, addr=host)
    except OSError as error:
        raise ConfigurationError(
            f"can't serve metrics on {host}:{port}: {error.strerror or error}; choose another port "
            "with --metrics-port or ECHOARB_METRICS_PORT, 0 for none"
        ) from error

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
