"""What to say on a market socket (PROTOCOL section 5). A key is a token id. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

_encode = msgspec.json.Encoder().encode


class Commands:
    """The Dialect of the market channel."""

    def __init__(self, capacity: int, per_frame: int, keepalive_seconds: float) -> None:
        """``capacity`` tokens per socket, ``per_frame`` ids per frame: a frame with thousands
        makes the venue close the connection."""
        self.capacity = capacity
        self.keepalive_seconds: float | None = keepalive_seconds
        self._per_frame = per_frame

    def opened(self, connection: str, keys: Sequence[str]) -> list[str]:
        """Return the first subscription, and the others as additions to it."""
        frames: list[str] = []
        for token_ids in in_batches(keys, self._per_frame):
            if frames:
                frames.append(_operation("subscribe", token_ids))
            else:
                frames.append(
                    _text(
                        {
                            "assets_ids": token_ids,
                            "type": "market",
                            # Without it resolutions never come, with no notice.
                            "custom_feature_enabled": True,
                            # The default, but snapshots went missing unless it was said.
                            "initial_dump": True,
                        }
                    )
                )
        return frames

    def changed(self, connection: str, added: Sequence[str], removed: Sequence[str]) -> list[str]:
        """Return the frames that add and take away tokens on an open socket."""
        return [
            *(_operation("unsubscribe", part) for part in in_batches(removed, self._per_frame)),
            *(_operation("subscribe", part) for part in in_batches(added, self._per_frame)),
        ]

    def keepalive(self, connection: str) -> str:
        """Return the text that the venue answers with PONG; it is not JSON."""
        return "PING"


def in_batches(items: Sequence[str], size: int) -> Iterator[list[str]]:
    """Yield the items, ``size`` at a time."""
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def _operation(name: str, token_ids: list[str]) -> str:
    message: dict[str, object] = {"operation": name, "assets_ids": token_ids}
    if name == "subscribe":
        message["custom_feature_enabled"] = True
    return _text(message)


def _text(message: dict[str, object]) -> str:
    return _encode(message).decode()
