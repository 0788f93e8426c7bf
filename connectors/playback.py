"""Captures through the same parser as live frames, with the epochs that a live run had."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from connectors.contract import Parser
from connectors.events import Event, Frame, Rejected
from schemas.errors import Poison


class Epochs:
    """Finds the reconnects of a recording: ``ws-0/2`` after ``ws-0/1`` means that the first was
    lost in between. A connection named otherwise has no epochs."""

    def __init__(self) -> None:
        self._last: dict[str, Frame] = {}

    def lost_before(self, frame: Frame) -> Frame | None:
        """Return the last frame of the connection that this frame's one replaced, if it did."""
        slot, _, epoch = frame.connection.partition("/")
        if not epoch:
            return None
        before = self._last.get(slot)
        self._last[slot] = frame
        replaced = before is not None and before.connection != frame.connection
        return before if replaced else None


def play(parser: Parser, frames: Iterable[Frame | Poison]) -> Iterator[Event]:
    """Yield everything that the parser makes of the frames, reconnects included."""
    epochs = Epochs()
    for frame in frames:
        if isinstance(frame, Poison):
            yield Rejected(frame.reason, frame.detail)
            continue
        lost = epochs.lost_before(frame)
        if lost is not None:
            detail = f"{frame.connection} followed"
            yield from parser.disconnected(lost.connection, lost.received_us, "disconnect", detail)
        yield from parser.receive(frame)
