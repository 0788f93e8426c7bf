"""The sequence rules of one Kalshi subscription (PROTOCOL 3.4). Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Verdict = Literal["next", "duplicate", "jump", "restart"]

BOOKS = "orderbook_delta"
TRADES = "trade"
CHANNEL_OF_TYPE = {
    "orderbook_snapshot": BOOKS,
    "orderbook_delta": BOOKS,
    "trade": TRADES,
    "ticker": "ticker",
    "market_lifecycle_v2": "market_lifecycle_v2",
    "event_lifecycle": "market_lifecycle_v2",
    "event_fee_update": "market_lifecycle_v2",
}


@dataclass(slots=True)
class Stream:
    """One subscription (sid) of one connection; sid 0 stands for none.

    Numbers start at 1, are shared by all markets of the subscription, and acknowledgements and
    subscription errors use them up as well. ``last`` is 0 before the first.
    """

    sid: int
    channel: str = ""
    last: int = 0
    last_us: int | None = None
    """When the last number was received: until then nothing was missing."""
    markets: set[str] = field(default_factory=set)
    _last_frame: int = 0

    def check(self, seq: int, frame: str, *, extract: bool) -> Verdict:
        """Return what the number of a frame means, and go on counting from it.

        A repeated number with another content is a restarted stream: counting began anew and
        happened to arrive at the same number. ``extract``: the recording holds only some markets
        of its subscriptions, so a jump forward is no loss.
        """
        content = hash(frame)
        if seq == self.last and content == self._last_frame:
            return "duplicate"
        expected = self.last + 1
        verdict: Verdict = "next"
        if seq > expected and not extract:
            verdict = "jump"
        elif seq < expected:
            verdict = "restart"
        self.last = seq
        self._last_frame = content
        return verdict


@dataclass(slots=True)
class Session:
    """The subscriptions of one connection."""

    connection: str
    last_us: int
    streams: dict[int, Stream] = field(default_factory=dict)

    @property
    def slot(self) -> str:
        """The slot whose connection this is."""
        return slot_of(self.connection)

    def stream_of(self, channel: str) -> Stream | None:
        """Return the newest subscription of a channel."""
        found = [stream for stream in self.streams.values() if stream.channel == channel]
        return found[-1] if found else None

    def markets(self) -> list[str]:
        """Return every market that any subscription of this connection follows, in order."""
        return sorted({market for stream in self.streams.values() for market in stream.markets})


def slot_of(connection: str) -> str:
    """Return the slot part of ``slot/epoch``."""
    return connection.partition("/")[0]
