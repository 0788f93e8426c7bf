"""Faults on demand: what a simulated venue does wrong, and for how long."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal, get_args

FaultKind = Literal[
    "drop", "stall", "gap", "garbage", "duplicate", "http_429", "http_500", "bad_key", "slow_reader"
]
FAULT_KINDS: tuple[FaultKind, ...] = get_args(FaultKind)


@dataclass(slots=True)
class Faults:
    """Pending faults of one simulator.

    drop: every socket is cut without a close frame, once. stall: open sockets stay open and are
    sent nothing more for ``seconds`` (what would have been sent is lost). gap: the next ``count``
    data frames are swallowed. garbage: the next ``count`` data frames are preceded by a text that
    is not JSON. duplicate: the next ``count`` data frames are sent twice. http_429 and http_500:
    the next ``count`` requests (handshakes included) are refused. bad_key: handshakes are refused
    as unauthorised for ``seconds``. slow_reader: the venue treats the client as too slow, once.
    """

    gap: int = 0
    garbage: int = 0
    duplicate: int = 0
    http_429: int = 0
    http_500: int = 0
    slow_reader: int = 0
    _until: dict[str, float] = field(default_factory=dict)

    def begin(self, kind: FaultKind, count: int = 1, seconds: float = 10.0) -> None:
        """Arm a fault; ``drop`` is the server's business."""
        if kind in ("stall", "bad_key"):
            self._until[kind] = time.monotonic() + seconds
        elif kind != "drop":
            setattr(self, kind, getattr(self, kind) + count)

    def lasting(self, kind: Literal["stall", "bad_key"]) -> bool:
        """Whether a fault that lasts for a time is still on."""
        return time.monotonic() < self._until.get(kind, 0.0)

    def take(
        self,
        kind: Literal["gap", "garbage", "duplicate", "http_429", "http_500", "slow_reader"],
    ) -> bool:
        """Use up one of a counted fault; False if none is pending."""
        left: int = getattr(self, kind)
        if left > 0:
            setattr(self, kind, left - 1)
            return True
        return False
