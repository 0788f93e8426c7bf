"""What travels over /ws/ticks: requests of clients, checked, and messages to them.

From a client:

- ``{"type": "subscribe", "platform": "kalshi", "market": ["A", "B"], "outcome": "...",
  "kind": "trade"}``: every field but ``type`` may be left out, which means any. ``market`` may be
  one text or a list. Answered by ``subscribed`` with the subscription's number.
- The first subscription of a connection may ask for what was before: ``"resume": "<cursor>"`` for
  all since that message, ``"snapshot": true`` for how things stand, ``"from": "<RFC 3339>"`` with
  ``"speed": 10`` or ``"max"`` for history. ``live`` says when the live feed is reached; until then
  further subscriptions are refused.
- ``"mode": "conflate"`` in a subscription: of quotes that wait for a slow client the latest wins.
- ``{"type": "unsubscribe", "subscription": 1}``; without a number, all of them.
- ``{"type": "ping"}``, answered by ``pong``.

To a client, each with ``type``, ``session`` and ``seq`` (1, 2, 3, ... within the connection):
``welcome``, ``subscribed``, ``unsubscribed``, ``tick``, ``gap``, ``snapshot``, ``snapshot_end``,
``resume_gap``, ``live``, ``heartbeat``, ``pong``, ``error``. Ticks and gaps carry a ``cursor``.

A client that connects without a query and asks for nothing within a second gets every tick, in the
older system's form: ``{"type": "tick", "timestamp": ..., "tick": {...}}``. More: docs/websocket.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from api import position
from api.cursor import InvalidCursor
from api.errors import InvalidParameter
from api.events import Event
from api.outgoing import Mode
from api.parameters import instant
from api.position import MAX_LENGTH
from schemas.clock import parse_rfc3339
from schemas.errors import EchoArbError
from schemas.tick import Kind
from schemas.topics import PLATFORMS

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class BadMessage(EchoArbError):
    """A client's message is wrong; the text says how."""

    code = "bad_message"


class Refused(BadMessage):
    """A client's message is right, but what it asks for can't be."""

    code = "refused"


class Subscribe(
    msgspec.Struct,
    frozen=True,
    tag="subscribe",
    forbid_unknown_fields=True,
    rename={"since": "from"},
):
    """Ask for ticks and gap notices."""

    platform: str | None = None
    market: Name | list[Name] | None = None
    outcome: Name | None = None
    kind: Kind | None = None
    mode: Mode | None = None
    resume: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_LENGTH)] | None = None
    snapshot: bool = False
    since: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    speed: Annotated[float, msgspec.Meta(gt=0, le=1e6)] | Literal["max"] | None = None

    def markets(self) -> frozenset[str]:
        """Return the markets asked for; empty means any."""
        if self.market is None:
            return frozenset()
        return frozenset([self.market] if isinstance(self.market, str) else self.market)

    def from_us(self) -> int | None:
        """Return the instant that history is wanted from, UTC microseconds; it was checked."""
        return None if self.since is None else parse_rfc3339(self.since)

    def past(self) -> bool:
        """Return whether it asks for what was before."""
        return self.snapshot or self.resume is not None or self.since is not None

    def takes(self, event: Event) -> bool:
        """Return whether it asks for this tick or gap."""
        if self.platform not in (None, event.platform):
            return False
        if event.market is not None and self.market is not None:
            named = self.market
            if event.market != named if isinstance(named, str) else event.market not in named:
                return False
        return self.takes_kind(event)

    def takes_kind(self, event: Event) -> bool:
        """Return whether it asks for such a tick or gap, wherever it is from."""
        return event.type == "gap" or (
            self.outcome in (None, event.outcome) and self.kind in (None, event.kind)
        )


class Unsubscribe(msgspec.Struct, frozen=True, tag="unsubscribe", forbid_unknown_fields=True):
    """End one subscription, or all."""

    subscription: int | None = None


class Ping(msgspec.Struct, frozen=True, tag="ping", forbid_unknown_fields=True):
    """Ask for a sign of life."""


Request = Subscribe | Unsubscribe | Ping
_DECODER = msgspec.json.Decoder(Request)
_QUERY_NAMES = (
    *("platform", "market", "outcome", "kind", "mode", "resume", "snapshot", "from", "speed"),
)


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
        request = msgspec.convert(values, Subscribe, strict=False)
    except msgspec.ValidationError as error:
        raise BadMessage(str(error)) from error
    _checked(request)
    return request


def _checked(request: Request) -> Request:
    if not isinstance(request, Subscribe):
        return request
    if request.platform is not None and request.platform not in PLATFORMS:
        raise BadMessage(f"platform has to be one of {', '.join(PLATFORMS)} - at `$.platform`")
    if isinstance(request.market, list) and not request.market:
        raise BadMessage("market has to name at least one market - at `$.market`")
    if (request.resume is not None) + request.snapshot + (request.since is not None) > 1:
        raise BadMessage("at most one of resume, snapshot and from can be asked for")
    if request.speed is not None and request.since is None and request.resume is None:
        raise BadMessage("speed needs from - at `$.speed`")
    try:
        instant("from", request.since)
        if request.resume is not None:
            position.decode(request.resume)
    except (InvalidParameter, InvalidCursor) as error:
        detail = error.detail if isinstance(error, InvalidParameter) else str(error)
        raise BadMessage(f"{detail} - at `$.{'from' if request.since else 'resume'}`") from error
    return request
