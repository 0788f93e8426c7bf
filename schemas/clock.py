"""The wall clock, as integer UTC microseconds, and the conversions that venues need."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], int]
"""Returns UTC microseconds since 1970; injected so that tests and replays own the time."""


def now_us() -> int:
    """Return UTC microseconds since 1970."""
    return time.time_ns() // 1000


def parse_rfc3339(text: str) -> int:
    """Return UTC microseconds of an RFC 3339 instant such as ``2026-08-10T22:45:00.1234Z``.

    Takes 0 to 9 fraction digits (further than micro is cut), ``Z`` or an offset, ``T`` or a
    space. A text without an offset is taken as UTC. Raises ValueError.
    """
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    whole = moment.replace(microsecond=0)
    return int(whole.timestamp()) * 1_000_000 + moment.microsecond


def isoformat(us: int) -> str:
    """Return UTC microseconds as ``2026-08-10T22:45:00.123400Z``."""
    seconds, micros = divmod(us, 1_000_000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
