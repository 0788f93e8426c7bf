"""What to say on Kalshi's sockets (PROTOCOL 3.2): texts only."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from connectors.kalshi.sequence import BOOKS, TRADES, slot_of

LIFECYCLE_SLOT = "ws-0"
"""The lifecycle channel can't be filtered, so one socket follows it for all."""
_FILTERED = (TRADES, BOOKS, "ticker")
"""Trades first: a market's gap ends with its snapshot, and no trade may fall between the two."""
_FLAGS: dict[str, dict[str, bool]] = {
    # Its default will flip (PROTOCOL 3.5): without it a NO price can't be told from a YES price.
    BOOKS: {"use_yes_price": False},
    # Without it quiet markets stay unknown until their next change.
    "ticker": {"send_initial_snapshot": True},
}


class Commands:
    """Kalshi's side of ``connectors.contract.Dialect``; a key is a market ticker."""

    keepalive_seconds: float | None = None

    def __init__(self, capacity: int, sid: Callable[[str, str], int | None]) -> None:
        """``sid(connection, channel)``: the subscription's number, None while it is unknown."""
        self.capacity = capacity
        self._sid = sid
        self._ids = itertools.count(1)

    def opened(self, connection: str, keys: Sequence[str]) -> list[str]:
        """Return the subscriptions of a fresh socket.

        Harmless on a socket that has them: a repeated subscribe extends the one that is there,
        and brings one to life again that the venue ended.
        """
        texts = self._subscribe(keys)
        if slot_of(connection) == LIFECYCLE_SLOT:
            texts.append(self._command("subscribe", {"channels": ["market_lifecycle_v2"]}))
        return texts

    def changed(self, connection: str, added: Sequence[str], removed: Sequence[str]) -> list[str]:
        """Return the commands for a change of keys. Subscriptions that were not acknowledged yet
        can't be left; ``Feed`` looks after those."""
        texts = self._subscribe(added)
        if removed:
            texts += self._update(connection, _FILTERED, "delete_markets", removed)
        return texts

    def keepalive(self, connection: str) -> str:
        """Return nothing of use: the venue's protocol pings are enough."""
        return ""

    def get_snapshot(self, connection: str, keys: Sequence[str]) -> list[str]:
        """Return the request for these books; nothing while the subscription is unknown."""
        return self._update(connection, (BOOKS,), "get_snapshot", keys)

    def _subscribe(self, keys: Sequence[str]) -> list[str]:
        if not keys:
            # An empty list counts as none, and none means the whole exchange (PROTOCOL 3.2).
            return []
        return [
            self._command(
                "subscribe",
                {"channels": [channel], "market_tickers": [*keys]} | _FLAGS.get(channel, {}),
            )
            for channel in _FILTERED
        ]

    def _update(
        self, connection: str, channels: Sequence[str], action: str, keys: Sequence[str]
    ) -> list[str]:
        return [
            self._command(
                "update_subscription",
                {"sids": [sid], "market_tickers": [*keys], "action": action},
            )
            for channel in channels
            if (sid := self._sid(connection, channel)) is not None
        ]

    def _command(self, name: str, params: dict[str, Any]) -> str:
        command = {"id": next(self._ids), "cmd": name, "params": params}
        return msgspec.json.encode(command).decode()
