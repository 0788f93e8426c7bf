"""The recorded traffic of Manifold as frames, and shorthand for frames made by tests."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from connectors.events import Applied, Event, Frame, Ignored, Rejected
from connectors.manifold.parse import Parser
from schemas.gap import Gap
from schemas.market import Market
from schemas.tick import Tick

START_US = 1_790_000_000_000_000
"""2026-09: later than every recording."""

ENDPOINTS = {
    "bets-global-latest.captured-2022-10-10.json": "bets",
    "bets-limit-and-market-order.official-docs.json": "bets",
    "bets-one-market.captured-2022-10-10.json": "bets",
    "bets-one-user.captured-2024-12-23.json": "bets",
    "contract-multi-dev-server.captured-2025-08-20.json": "get-contract",
    "contract-multi-sum-to-one-false.captured-2024-12.json": "get-contract",
    "contract-multi-sum-to-one-true.captured-2024-12.json": "get-contract",
    "contracts-internal-shape.captured-2024-12.jsonl": "get-contract",
    "market-full-legacy-types.captured-2022-10.json": "markets",
    "market-prob.official-docs.json": "market-probs",
    "markets-list.captured-2022-10-10.json": "markets",
    "multi-bet-response.official-docs.json": "bets",
    "search-markets.captured-2026-08.json": "search-markets",
}
"""Which request each recorded answer belongs to."""

SESSIONS = (
    "acks-and-errors.handmade.jsonl",
    "session-binary.handmade.jsonl",
    "session-multi-sum-to-one.handmade.jsonl",
    "topic-payload-shapes.handmade.jsonl",
)


def session(venues: Path, name: str, connection: str = "ws-0/1") -> list[Frame]:
    """Return what the server sent in a recorded session."""
    frames = []
    for line in (venues / "manifold" / "ws" / name).read_text().splitlines():
        entry = json.loads(line)
        if entry["dir"] == "s2c":
            text = entry["raw"] if "raw" in entry else json.dumps(entry["frame"])
            frames.append(Frame(START_US + entry["at_ms"] * 1000, connection, text))
    return frames


def answers(venues: Path, name: str) -> list[Frame]:
    """Return a recorded REST file as the answers that it holds."""
    content = (venues / "manifold" / "rest" / name).read_text()
    endpoint = ENDPOINTS[name]
    if endpoint == "market-probs":  # lines of request and response, of two endpoints
        entries = [each for each in json.loads(content) if "market-probs" in each["request"]]
        texts = [json.dumps(each["response"]) for each in entries]
    else:
        texts = content.splitlines() if name.endswith("l") else [content]
    return [Frame(START_US + at, f"rest:{endpoint}", text) for at, text in enumerate(texts)]


def everything(venues: Path) -> list[Frame]:
    """Return every recorded frame and answer."""
    frames = [frame for name in SESSIONS for frame in session(venues, name)]
    return [*frames, *(frame for name in ENDPOINTS for frame in answers(venues, name))]


def play(parser: Parser, frames: Iterable[Frame]) -> list[Event]:
    """Return all events of the frames; each frame must mean something."""
    events: list[Event] = []
    for frame in frames:
        said = parser.receive(frame)
        assert said, frame.text[:200]
        events += said
    return events


def figures(events: Iterable[Event]) -> dict[str, int]:
    """Count events by what they are."""
    return dict(sorted(Counter(_named(event) for event in events).items()))


def _named(event: Event) -> str:
    match event:
        case Tick():
            return f"tick {event.kind}"
        case Gap():
            return f"gap {event.reason} {'opened' if event.to_ts is None else 'closed'}"
        case Market():
            return "market"
        case Applied():
            return f"applied {event.kind}"
        case Ignored():
            return f"ignored {event.kind}"
        case Rejected():
            return f"rejected {event.reason}"
    return type(event).__name__


def ticks(events: Iterable[Event]) -> list[Tick]:
    """Return the ticks among events."""
    return [event for event in events if isinstance(event, Tick)]


def gaps(events: Iterable[Event]) -> list[Gap]:
    """Return the gaps among events."""
    return [event for event in events if isinstance(event, Gap)]


class Wire:
    """Frames as a test wants them, each a millisecond after the one before."""

    def __init__(self, connection: str = "ws-0/1", at_us: int = START_US) -> None:
        self.connection = connection
        self.at_us = at_us

    def text(self, text: str, connection: str | None = None) -> Frame:
        self.at_us += 1000
        return Frame(self.at_us, connection or self.connection, text)

    def ack(self, txid: int = 0) -> Frame:
        return self.text(json.dumps({"type": "ack", "txid": txid, "success": True}))

    def told(self, topic: str, data: object) -> Frame:
        return self.text(json.dumps({"type": "broadcast", "topic": topic, "data": data}))

    def bets(self, *rows: dict[str, Any]) -> Frame:
        return self.told("global/new-bet", {"bets": list(rows)})

    def patch(self, **contract: Any) -> Frame:
        return self.told("global/updated-contract", {"contract": contract})

    def rest(self, endpoint: str, value: object) -> Frame:
        return self.text(json.dumps(value), f"rest:{endpoint}")


def bet(bet_id: str, before: float, after: float, at_ms: int = 1000, **more: Any) -> dict[str, Any]:
    """Return a purchase of 10 YES shares for 5 of market m, unless ``more`` says otherwise."""
    row = {
        "id": bet_id,
        "contractId": "m",
        "outcome": "YES",
        "amount": 5,
        "shares": 10,
        "probBefore": before,
        "probAfter": after,
        "createdTime": START_US // 1000 + at_ms,
        "isRedemption": False,
    }
    return row | more


def market(market_id: str = "m", **more: Any) -> dict[str, Any]:
    """Return a LiteMarket with one answer, open, at 0.5."""
    row = {
        "id": market_id,
        "question": "Will it?",
        "slug": "will-it",
        "mechanism": "cpmm-1",
        "outcomeType": "BINARY",
        "probability": 0.5,
        "createdTime": START_US // 1000 - 1_000_000,
        "closeTime": START_US // 1000 + 1_000_000,
        "isResolved": False,
        "volume": 10,
    }
    return row | more


def several(market_id: str = "m", count: int = 3) -> dict[str, Any]:
    """Return a FullMarket with answers a0, a1, ... of equal probability."""
    answers = [
        {"id": f"a{index}", "text": f"answer {index}", "probability": 1 / count}
        for index in range(count)
    ]
    row = market(market_id, mechanism="cpmm-multi-1", answers=answers)
    return {key: value for key, value in row.items() if key != "probability"}


def prices(parser: Parser) -> Iterator[tuple[str, str, int | None, bool]]:
    """Yield market, outcome, price in units and trust of every book."""
    for book in parser.books():
        yield book.market_id, book.outcome_id, book.top().bid, book.trusted


def price_of(parser: Parser, outcome_id: str = "m") -> tuple[int | None, bool]:
    """Return the price in units, and its trust, of an outcome that is known."""
    for _, outcome, price, trusted in prices(parser):
        if outcome == outcome_id:
            return price, trusted
    raise AssertionError(outcome_id)
