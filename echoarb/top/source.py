"""Where the board's rows come from, as the screen needs it."""

from __future__ import annotations

from typing import Protocol

from echoarb.top.board import Board


class Source(Protocol):
    """Fills a board until it is cancelled."""

    url: str

    @property
    def state(self) -> str:
        """``live``, or in words why what is shown may be old."""

    async def run(self, board: Board) -> str:
        """Fill the board for ever; return only to say what can't be waited out."""

    async def acknowledge(self, alert_id: str) -> str | None:
        """Acknowledge an alert; return what was wrong, None if nothing was."""
