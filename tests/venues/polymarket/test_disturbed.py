"""Hostile and disturbed input: nothing raises, and a book is either right or not trusted."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.events import Event, Frame
from connectors.polymarket.parse import MOST_UNKNOWN_KINDS, Parser
from schemas.codec import encode
from schemas.gap import Gap
from schemas.market import Market
from schemas.tick import Tick
from tests.venues.polymarket.streams import SOCKET, Stream, following

ENDPOINTS = ("rest:books", "rest:book", "rest:markets", "rest:events", "rest:trades", "rest:x")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["event_type", "market", "asset_id", "price_changes", "changes", "bids", "asks",
             "price", "size", "side", "timestamp", "hash", "conditionId", "outcomes", "markets"]
        ) | st.text(max_size=5),
        inner,
        max_size=6,
    ),
    max_leaves=20,
)  # fmt: skip


def check(parser: Parser, frame: Frame) -> list[Event]:
    events = parser.receive(frame)
    assert events
    for event in events:
        if isinstance(event, Tick):
            encode(dataclasses.replace(event, emit_ts=0))
        if isinstance(event, Gap | Market):
            encode(event)
    for book in parser.books():
        assert all(size > 0 for size in [*book.bids.values(), *book.asks.values()])
        assert not (book.trusted and book.crossed)
    return events


@given(st.text(max_size=200), st.sampled_from([SOCKET, *ENDPOINTS]))
def test_any_text(text: str, connection: str) -> None:
    check(Parser(), Frame(1, connection, text))


@given(st.lists(json_values, max_size=3), st.sampled_from([SOCKET, *ENDPOINTS]))
@settings(max_examples=150)
def test_any_json(values: list[Any], connection: str) -> None:
    parser = Parser()
    for value in values:
        check(parser, Frame(1, connection, json.dumps(value)))


def genuine() -> list[Any]:
    """Return one value of each kind of frame."""
    stream = Stream()
    market = stream.market
    fill_frames = [json.loads(frame.text) for _ in range(40) for frame in stream.step()]
    kinds = {value["event_type"]: value for value in fill_frames}
    return [
        json.loads(stream.snapshot().text),
        *kinds.values(),
        *market.tick_size_changes("0.001", stream.now_ms)[:1],
        market.best_bid_ask(stream.first),
        json.loads(stream.listing().text),
        json.loads(stream.rest().text),
    ]


GENUINE = genuine()


@given(st.data())
@settings(max_examples=250)
def test_mutations_of_genuine_frames(data: st.DataObject) -> None:
    """One value somewhere in a genuine frame is replaced by anything, or its text is cut."""
    stream, parser = following()
    for _ in range(data.draw(st.integers(1, 3))):
        value = json.loads(json.dumps(data.draw(st.sampled_from(GENUINE))))
        path = value
        while True:
            keys = list(path) if isinstance(path, dict) else list(range(len(path)))
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            if isinstance(path[key], dict | list) and data.draw(st.booleans()):
                path = path[key]
                continue
            path[key] = data.draw(json_values)
            break
        text = json.dumps(value)
        if data.draw(st.integers(0, 9)) == 0:
            text = text[: data.draw(st.integers(0, len(text)))]
        connection = data.draw(st.sampled_from([SOCKET, "rest:books", "rest:markets"]))
        check(parser, stream.frame(text, connection))


operations = st.lists(
    st.sampled_from(
        ["ok", "ok", "ok", "lose", "twice", "swap", "late", "garbage", "rest", "old_rest",
         "reconnect", "silent_reconnect"]
    ),
    min_size=1,
    max_size=25,
)  # fmt: skip


@given(st.integers(0, 10_000), operations)
@settings(max_examples=150)
def test_after_any_disturbance_a_book_is_right_or_not_trusted(seed: int, todo: list[str]) -> None:
    """Loss is noticed with the next change at the latest; a fresh REST answer heals everything."""
    stream, parser = Stream(seed), Parser()
    check(parser, stream.listing())
    check(parser, stream.snapshot())
    answers = [stream.rest()]
    kept: list[Frame] = []
    gaps: list[Gap] = []
    for number, operation in enumerate(todo):
        frames = stream.step()
        answers.append(stream.rest())
        if operation == "lose":
            frames = frames[1:]
        elif operation == "twice":
            frames = [frame for frame in frames for _ in range(2)]
        elif operation == "swap":
            frames.reverse()
        elif operation == "late":
            kept += frames[:1]
            frames = frames[1:] + kept[:-1]
        elif operation == "garbage":
            frames.insert(0, stream.frame('{"event_type": "price_ch'))
        elif operation == "rest":
            frames.append(stream.rest())
        elif operation == "old_rest":
            frames.insert(0, answers[-2 - number % len(answers[1:])])
        elif operation in ("reconnect", "silent_reconnect"):
            before, stream.connection = stream.connection, f"ws-0/{number + 2}"
            if operation == "reconnect":
                at_us = stream.now_ms * 1000
                gaps += [
                    event
                    for event in parser.disconnected(before, at_us, "disconnect", "test")
                    if isinstance(event, Gap)
                ]
                assert not any(book.trusted for book in parser.books())
            frames = [stream.snapshot()]
        for frame in frames:
            gaps += [event for event in check(parser, frame) if isinstance(event, Gap)]
    # One more message of each book, as nothing else can tell of the loss of the last one.
    for frame in stream.step():
        gaps += [event for event in check(parser, frame) if isinstance(event, Gap)]
    for book in parser.books():
        assert not book.trusted or stream.agrees(book)
    stream.now_ms += 5_000
    gaps += [event for event in check(parser, stream.rest()) if isinstance(event, Gap)]
    for book in parser.books():
        assert book.trusted
        assert stream.agrees(book)
    state = {gap.gap_id: gap.to_ts for gap in gaps}
    assert None not in state.values()


@given(st.permutations(range(6)))
def test_entries_of_a_permuted_snapshot_give_the_same_book(order: list[int]) -> None:
    stream = Stream()
    book = stream.market.first_book(stream.first)
    book["bids"] = [book["bids"][index] for index in order]
    parser = Parser()
    check(parser, stream.frame([book]))
    (ours,) = parser.books()
    assert stream.agrees(ours)


def test_kinds_and_slots_are_bounded() -> None:
    parser = Parser()
    kinds = set()
    for number in range(2_000):
        text = json.dumps({"event_type": f"kind {number} " + "x" * 100})
        for event in parser.receive(Frame(1, f"ws-{number}/1", text)):
            kinds.add(getattr(event, "kind", ""))
    assert len(kinds) <= MOST_UNKNOWN_KINDS + 1
    assert all(len(kind) <= 60 for kind in kinds)


def test_tokens_and_markets_are_bounded() -> None:
    parser = Parser(most_markets=3, most_tokens=4)
    for seed in range(10):
        stream = Stream(seed)
        check(parser, stream.listing())
        check(parser, stream.snapshot())
    assert len(parser.markets) == 3
    assert len([*parser.books()]) == 4
