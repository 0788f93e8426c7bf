"""What travels over /ws/ticks: requests of clients, checked, and messages to them.

From a client:

- ``{"type": "subscribe", "platform": "kalshi", "market": ["A", "B"], "outcome": "...",
  "kind": "trade"}``: every field but ``type`` may be left out, which means any. ``market`` may be
  one text or a list. Answered by ``subscribed`` with the subscription's number.
- ``{"type": "unsubscribe", "subscription": 1}``; without a number, all of them.
- ``{"type": "ping"}``, answered by ``pong``.

To a client, each with ``type`` and ``seq`` (1, 2, 3, ... within the connection): ``welcome``,
``subscribed``, ``unsubscribed``, ``tick``, ``gap``, ``heartbeat``, ``pong``, ``error``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from schemas.errors import EchoArbError
from schemas.tick import Kind
from schemas.topics import PLATFORMS

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class BadMessage(EchoArbError):
    """A client's message is wrong; the text says how."""


class Subscribe(msgspec.Struct, frozen=True, tag="subscribe", forbid_unknown_fields=True):
    """Ask for ticks and gap notices."""

    platform: str | None = None
    market: Name | list[Name] | None = None
    outcome: Name | None = None
    kind: Kind | None = None

    def markets(self) -> frozenset[str]:
        """Return the markets asked for; empty means any."""
        if self.market is None:
            return frozenset()
        return frozenset([self.market] if isinstance(self.market, str) else self.market)


class Unsubscribe(msgspec.Struct, frozen=True, tag="unsubscribe", forbid_unknown_fields=True):
    """End one subscription, or all."""

    subscription: int | None = None


class Ping(msgspec.Struct, frozen=True, tag="ping", forbid_unknown_fields=True):
    """Ask for a sign of life."""


Request = Subscribe | Unsubscribe | Ping
_DECODER = msgspec.json.Decoder(Request)
_ENCODER = msgspec.json.Encoder()
_QUERY_NAMES = ("platform", "market", "outcome", "kind")


def parse(text: str) -> Request:
    """Return the request in a client's text message. Raises BadMessage."""
    try:
        request = _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise BadMessage(str(error)) from error
    return _checked(request)


def from_query(query: Mapping[str, list[str]]) -> Subscribe | None:
    """Return the subscription that the connection's URL asks for, None if it asks for none.

    ``market`` may be repeated. Raises BadMessage.
    """
    if not query:
        return None
    if unknown := sorted(set(query) - set(_QUERY_NAMES)):
        raise BadMessage(f"unknown parameter {unknown[0]!r}; known: {', '.join(_QUERY_NAMES)}")
    values: dict[str, Any] = {"type": "subscribe"}
    for name, given in query.items():
        if name != "market" and len(given) > 1:
            raise BadMessage(f"{name} is given more than once")
        values[name] = given if name == "market" else given[0]
    try:
        request = msgspec.convert(values, Subscribe)
    except msgspec.ValidationError as error:
        raise BadMessage(str(error)) from error
    _checked(request)
    return request


def _checked(request: Request) -> Request:
    if isinstance(request, Subscribe):
        if request.platform is not None and request.platform not in PLATFORMS:
            raise BadMessage(f"platform has to be one of {', '.join(PLATFORMS)} - at `$.platform`")
        if isinstance(request.market, list) and not request.market:
            raise BadMessage("market has to name at least one market - at `$.market`")
    return request


def json_text(value: Any) -> str:
    """Return a JSON value as text, to be sent as ``data`` to any number of clients."""
    return _ENCODER.encode(value).decode()


def message(kind: str, seq: int, fields: Mapping[str, Any]) -> str:
    """Return a message other than a tick or gap."""
    return json_text({"type": kind, "seq": seq, **fields})


def data_message(kind: str, seq: int, data: str) -> str:
    """Return a message around ``data``, which is JSON text already."""
    return f'{{"type":"{kind}","seq":{seq},"data":{data}}}'
