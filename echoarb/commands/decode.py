"""``echoarb decode``: what a recording means, as JSON lines."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import fields
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress

from connectors.amounts import decimal
from connectors.book import Book, BookSide
from connectors.capture import read_frames
from connectors.contract import Parser
from connectors.events import Applied, Event, Frame, Ignored, Record, Rejected
from connectors.playback import play
from connectors.venues import venue
from schemas.errors import Poison
from schemas.gap import Gap
from schemas.market import Market
from schemas.tick import Tick


class What(StrEnum):
    """What is printed."""

    ticks = "ticks"
    books = "books"
    gaps = "gaps"
    markets = "markets"


class Summary:
    """Counts of everything that the frames became."""

    def __init__(self) -> None:
        self.frames = 0
        self.ticks: Counter[str] = Counter()
        self.gaps: Counter[str] = Counter()
        self.markets = 0
        self.applied: Counter[str] = Counter()
        self.ignored: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()

    def count(self, event: Event) -> None:
        """Count one event. A gap counts once, when it opens or if it is a moment only."""
        match event:
            case Tick():
                self.ticks[event.kind] += 1
            case Gap():
                if event.to_ts is None or event.from_ts == event.to_ts:
                    self.gaps[event.reason] += 1
            case Market():
                self.markets += 1
            case Applied():
                self.applied[event.kind] += 1
            case Ignored():
                self.ignored[event.kind] += 1
            case Rejected():
                self.rejected[event.reason] += 1
            case _:
                pass  # requests to the edge: a recording can't be asked again

    def plain(self) -> dict[str, Any]:
        """Return the counts as JSON types."""
        return {
            "frames": self.frames,
            "ticks": dict(sorted(self.ticks.items())),
            "gaps": dict(sorted(self.gaps.items())),
            "markets": self.markets,
            "applied": dict(sorted(self.applied.items())),
            "ignored": dict(sorted(self.ignored.items())),
            "rejected": dict(sorted(self.rejected.items())),
        }


def plain_record(record: Record) -> dict[str, Any]:
    """Return a record as JSON types: decimals and ids as text, times as UTC microseconds."""
    return {field.name: _plain(getattr(record, field.name)) for field in fields(record)}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, tuple):
        return [{"outcome_id": item.outcome_id, "outcome": item.outcome} for item in value]
    return value


def plain_book(book: Book) -> dict[str, Any]:
    """Return a book as JSON types, best level first, prices and sizes as decimal text."""
    return {
        "market_id": book.market_id,
        "outcome_id": book.outcome_id,
        "bids": _levels(book, "bid"),
        "asks": _levels(book, "ask"),
        "trusted": book.trusted,
    }


def _levels(book: Book, side: BookSide) -> list[list[str | None]]:
    # An automated market maker has a price without a size: null, not zero.
    return [
        [_plain(decimal(price)), None if size is None else _plain(decimal(size))]
        for price, size in book.best_first(side)
    ]


def decode(
    platform: Annotated[str, typer.Argument(help="kalshi, polymarket or manifold")],
    files: Annotated[list[Path], typer.Argument(help="Recordings, in order of time")],
    what: Annotated[What, typer.Option(help="What to print, one JSON object a line")] = What.ticks,
    extract: Annotated[
        bool,
        typer.Option(
            "--extract",
            help="Kalshi: the recording holds only some markets of its subscriptions, "
            "so jumps of the sequence number are no losses",
        ),
    ] = False,
) -> None:
    """Print what a recording means, through the parser that live frames pass.

    A recording has one JSON object a line, {"received_us", "connection", "frame"}; its ending
    tells whether it is zstd (.zst), gzip (.gz) or plain. Data goes to stdout, a summary object to
    stderr. Nothing is sent anywhere.

    Examples:

      echoarb decode kalshi data/capture/kalshi-*.jsonl.zst

      echoarb decode polymarket FILE --what books | head
    """
    parser = venue(platform).new_parser(**({"extract": True} if extract else {}))
    summary = Summary()
    encode = msgspec.json.Encoder().encode
    for event in _events(parser, files, summary):
        if (what is What.ticks and isinstance(event, Tick)) or (
            (what is What.gaps and isinstance(event, Gap))
            or (what is What.markets and isinstance(event, Market))
        ):
            sys.stdout.buffer.write(encode(plain_record(event)) + b"\n")
    if what is What.books:
        for book in parser.books():
            sys.stdout.buffer.write(encode(plain_book(book)) + b"\n")
    sys.stdout.flush()
    sys.stderr.write(encode(summary.plain()).decode() + "\n")


def _events(parser: Parser, files: Iterable[Path], summary: Summary) -> Iterator[Event]:
    with Progress(
        transient=True, disable=not sys.stderr.isatty(), console=Console(stderr=True)
    ) as progress:

        def frames() -> Iterator[Frame | Poison]:
            for path in files:
                task = progress.add_task(path.name, total=None)
                for frame in read_frames(path):
                    summary.frames += 1
                    if summary.frames % 1000 == 0:
                        progress.update(task, advance=1000)
                    yield frame

        for event in play(parser, frames()):
            summary.count(event)
            yield event
