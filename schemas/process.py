"""What every process of ours does alike: stops when told, ends with one clear line, serves its
metrics."""

from __future__ import annotations

import asyncio
import atexit
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from types import FrameType

import prometheus_client

from schemas.errors import ConfigurationError, EchoArbError
from schemas.liveness import with_live

CONFIGURATION_EXIT = 2
"""Exit code for wrong settings and options: starting again doesn't help."""
FAILURE_EXIT = 1
"""Exit code of a process that could not go on."""

BUILD = prometheus_client.Gauge(
    "echoarb_build_info",
    "Always 1: which part of EchoArb answers here (connector, sink, analytics, api), which version",
    ["component", "version"],
)


def package_version() -> str:
    """Return the installed distribution's version."""
    try:
        return version("echoarb")
    except PackageNotFoundError:
        return "0"


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


def on_stop_signal(stop: Callable[[], object]) -> None:
    """Call ``stop`` in the running loop at each SIGINT and SIGTERM, until the process has ended.

    A loop's own handlers end with the loop. A second signal, from an impatient hand or a
    supervisor, would then kill a process that is already ending cleanly, and give it a bad exit
    code; these stay.
    """
    loop = asyncio.get_running_loop()

    def received(_number: int, _frame: FrameType | None) -> None:
        with suppress(RuntimeError):  # the loop is closed: we are ending
            loop.call_soon_threadsafe(stop)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, received)
        # Python puts back the deadly default while it shuts down, unless the signal is ignored.
        atexit.register(signal.signal, number, signal.SIG_IGN)


def serve_metrics(component: str, host: str, port: int) -> Callable[[], None]:
    """Serve /metrics of a component from a thread, unless ``port`` is 0; return what stops it.

    Within an event loop /live says whether that loop turns. Raises ConfigurationError if the
    address can't be had.
    """
    BUILD.labels(component, package_version()).set(1)
    if port == 0:
        return lambda: None
    try:
        server, thread = prometheus_client.start_http_server(port, addr=host)
    except OSError as error:
        raise ConfigurationError(
            f"can't serve metrics on {host}:{port}: {error.strerror or error}; choose another port "
            "with --metrics-port or ECHOARB_METRICS_PORT, 0 for none"
        ) from error
    with suppress(RuntimeError):  # no loop: a script
        server.set_app(with_live(prometheus_client.make_wsgi_app(), asyncio.get_running_loop()))

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
