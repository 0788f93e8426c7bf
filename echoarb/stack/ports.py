"""TCP ports on loopback: find a free one, or say who moves a taken one."""

from __future__ import annotations

import errno
import random
import socket

from schemas.errors import ConfigurationError

LOOPBACK = "127.0.0.1"


_QUIET_PORTS = range(20_000, 32_000)
"""Below the ports that Linux and others give to outgoing connections."""


def free_port(host: str = LOOPBACK) -> int:
    """Return a TCP port that nothing listens on at the moment.

    Not one that the system may give to an outgoing connection: a server that is started again could
    find its port taken by a client that was looking for it.
    """
    for port in random.sample(_QUIET_PORTS, 100):
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def require_free(port: int, option: str, host: str = LOOPBACK) -> int:
    """Return ``port`` if it can be listened on.

    ``option`` is the command line option that moves it. Raises ConfigurationError naming it.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise taken(port, option, error, host) from error
        except OverflowError as error:
            raise ConfigurationError(f"{option}: {port} is no TCP port (0-65535)") from error
    return port


def taken(port: int, option: str, error: OSError, host: str = LOOPBACK) -> ConfigurationError:
    """Return the error that says why ``host:port`` can't be listened on and what to do."""
    if error.errno == errno.EADDRINUSE:
        return ConfigurationError(
            f"port {port} on {host} is taken by another process; "
            f"stop it or choose another port with {option}"
        )
    return ConfigurationError(
        f"can't listen on {host}:{port} ({error.strerror}); choose another port with {option}"
    )
