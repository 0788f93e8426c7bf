"""Small hand-made events, and what to look for in what they lead to."""

from __future__ import annotations

import json
from typing import Any

from connectors.events import Event, Frame
from connectors.polymarket.parse import Parser
from schemas.gap import Gap
from tests.venues.polymarket.streams import SOCKET

MARKET = "0x" + "ab" * 32
YES, NO = "1" * 77, "2" * 77


def book(bids: list[tuple[str, str]], asks: list[tuple[str, str]], **more: Any) -> dict[str, Any]:
    return {
        "event_type": "book",
        "market": MARKET,
        "asset_id": YES,
        "timestamp": "1700000000000",
        "bids": [{"price": price, "size": size} for price, size in bids],
        "asks": [{"price": price, "size": size} for price, size in asks],
    } | more


def said(parser: Parser, value: object, at_us: int = 1, connection: str = SOCKET) -> list[Event]:
    text = value if isinstance(value, str) else json.dumps(value)
    return parser.receive(Frame(at_us, connection, text))


def kinds(events: list[Event]) -> list[str]:
    return [
        type(event).__name__ + ":" + str(getattr(event, "kind", getattr(event, "reason", "")))
        for event in events
    ]


def gaps(events: list[Event]) -> list[tuple[str, bool]]:
    """Return reason and whether it is over, of each gap."""
    return [(gap.reason, gap.to_ts is not None) for gap in events if isinstance(gap, Gap)]


def trusted(parser: Parser) -> list[bool]:
    return [book.trusted for book in parser.books()]
