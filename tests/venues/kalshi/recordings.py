"""The recorded Kalshi traffic as frames, and the figures that a parser makes of them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from connectors.events import Event, Frame
from connectors.kalshi.parse import Parser
from echoarb.commands.decode import Summary

CONNECTION = "ws-0/1"
AT_US = 1_790_000_000_000_000

TAPES = (
    "tape_KXGOLD15M-26AUG101900-00.ndjson.gz",
    "tape_KXGOLD15M-26AUG102030-30_reconnect.ndjson.gz",
)


def session(folder: Path) -> Iterator[Frame]:
    """The production session of 18 April 2026."""
    for line in (folder / "ws_session_prod_2026-04-18.jsonl").read_text().splitlines():
        entry = json.loads(line)
        yield Frame(entry["recv_ts_ns"] // 1000, CONNECTION, entry["raw"])


def tape(folder: Path, name: str) -> Iterator[Frame]:
    """One market's part of a socket's traffic."""
    with gzip.open(folder / name, "rt") as lines:
        for line in lines:
            entry = json.loads(line)
            text = json.dumps(entry["event"], separators=(",", ":"))
            yield Frame(entry["recv_ms"] * 1000, CONNECTION, text)


def by_era(folder: Path) -> list[Frame]:
    """Single frames of 2025-10 to 2026-08, each on a connection of its own."""
    lines = (folder / "ws_frames_by_era.jsonl").read_text().splitlines()
    return [
        Frame(AT_US + number, f"era-{number}/1", json.loads(line)["raw"])
        for number, line in enumerate(lines)
    ]


def official(folder: Path) -> list[Frame]:
    """The venue's own examples of what its server sends, each on a connection of its own."""
    lines = (folder / "ws_examples_official.jsonl").read_text().splitlines()
    examples = [json.loads(line) for line in lines]
    return [
        Frame(AT_US + number, f"example-{number}/1", json.dumps(example["frame"]))
        for number, example in enumerate(examples)
        if example["dir"] == "s2c"
    ]


def pages(folder: Path) -> list[Frame]:
    """Every REST body with markets."""
    frames = [
        Frame(AT_US, "rest:markets", (folder / name).read_text())
        for name in (
            "rest_markets_transition_2026-03.json",
            "rest_markets_page_2026-07-10.json",
        )
    ]
    polls = (folder / "rest_market_polls_KXWCGAME-26JUL10ESPBEL.jsonl").read_text()
    frames += [Frame(AT_US, "rest:markets", line) for line in polls.splitlines()]
    for name in ("KXGOLD15M-26AUG101900", "KXGOLD15M-26AUG102030"):
        wrapped: Any = json.loads((folder / f"rest_event_{name}.json").read_text())
        frames.append(Frame(AT_US, "rest:event", json.dumps(wrapped["response"])))
    return frames


def rest_bodies(folder: Path) -> list[tuple[int, Frame]]:
    """HTTP status and body of the recorded single answers."""
    result = []
    for line in (folder / "rest_responses_captured.jsonl").read_text().splitlines():
        entry = json.loads(line)
        path = entry["request"]
        kinds = ("historical", "candlesticks", "trades", "orderbook")
        endpoint = next((kind for kind in kinds if kind in path), "markets")
        result.append((entry["status"], Frame(AT_US, f"rest:{endpoint}", entry["body"])))
    return result


def play(parser: Parser, frames: Iterable[Frame]) -> tuple[list[Event], dict[str, Any]]:
    """Return every event, and their counts as ``echoarb decode`` prints them."""
    events: list[Event] = []
    summary = Summary()
    for frame in frames:
        summary.frames += 1
        meaning = parser.receive(frame)
        assert meaning, "a frame without a meaning"
        events += meaning
        for event in meaning:
            summary.count(event)
    return events, summary.plain()
