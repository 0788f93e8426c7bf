"""Whatever is sent, the parser says something, never raises, and keeps its promises."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.events import Event, Frame, Rejected
from connectors.manifold.parse import Parser
from connectors.manifold.prices import Price, Statement
from schemas.codec import encode
from schemas.gap import Gap
from schemas.market import Market
from schemas.tick import Tick
from tests.venues.manifold.recorded import (
    START_US,
    Wire,
    answers,
    bet,
    everything,
    market,
    play,
    session,
    ticks,
)

connections = st.sampled_from(
    "ws-0/1 ws-0/2 ws-1/1 ws rest:bets rest:market-probs.complete rest:markets rest:market "
    "rest:market-probs rest: rest:?.complete rest:slug".split(" ")
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner),
    max_leaves=20,
)
HOSTILE: tuple[Any, ...] = (
    *(None, True, -1, 0, 2, 1e308, 5e-324, -0.0, 10**30, 10**400, "", "x" * 100, "\x00", "NaN"),
    *([], {}, [[]], {"id": "m"}, [{"id": "a"}] * 5, {"YES": 0, "NO": 0}),
)


def check(parser: Parser, events: list[Event]) -> None:
    """What must hold of any events: records that fit their schema, books that are prices."""
    assert events
    for event in events:
        if isinstance(event, Tick):
            assert encode_tick(event)
            for amount in (event.price, event.bid, event.ask):
                assert amount is None or 0 <= amount <= 1
            assert (event.bid, event.bid_size, event.ask_size) == (event.ask, None, None)
            assert event.size is None or event.size >= 0
        elif isinstance(event, Gap | Market):
            encode(event)
        elif isinstance(event, Rejected):
            assert len(event.reason) < 40
    for book in parser.books():
        assert not (book.trusted and book.top().bid is None)
        assert not book.crossed


def encode_tick(tick: Tick) -> bytes:
    return encode(Tick(**{name: getattr(tick, name) for name in Tick.__slots__} | {"emit_ts": 0}))


@given(st.lists(st.tuples(connections, st.text(max_size=200)), max_size=10))
def test_any_text_means_something(texts: list[tuple[str, str]]) -> None:
    parser = Parser()
    for number, (connection, text) in enumerate(texts):
        check(parser, parser.receive(Frame(START_US + number, connection, text)))


@given(connections, st.text(max_size=40), json_values)
def test_any_json_means_something(connection: str, topic: str, value: Any) -> None:
    parser = Parser()
    text = json.dumps(value)
    check(parser, parser.receive(Frame(START_US, connection, text)))
    told = json.dumps({"type": "broadcast", "topic": topic, "data": value})
    check(parser, parser.receive(Frame(START_US + 1, connection, told)))


def spoil(value: Any, chance: random.Random) -> Any:
    """Return ``value`` with something in it dropped, doubled, swapped or replaced."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        key = chance.choice(list(value))
        return value | {key: spoil(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.85:
        index = chance.randrange(len(value))
        changed = [*value]
        changed[index] = spoil(value[index], chance)
        return changed
    what = chance.random()
    if isinstance(value, dict) and value and what < 0.3:
        gone = chance.choice(list(value))
        return {key: each for key, each in value.items() if key != gone}
    if isinstance(value, list) and what < 0.3:
        return value + value[:1]
    if isinstance(value, int | float) and abs(value) < 10**15 and what < 0.3:
        return value * chance.choice([-1, 0.5, 1000])
    return chance.choice(HOSTILE)


@pytest.fixture(scope="module")
def real(venues: Path) -> list[Frame]:
    """Recorded frames, long answers cut to a few rows."""
    short = []
    for frame in everything(venues):
        value = json.loads(frame.text)
        if isinstance(value, list):
            value = value[:6]
        short.append(Frame(frame.received_us, frame.connection, json.dumps(value)))
    chance = random.Random(1)
    return short if len(short) < 120 else chance.sample(short, 120)


@settings(max_examples=300)
@given(st.integers(0, 2**32))
def test_spoilt_real_frames_mean_something(real: list[Frame], seed: int) -> None:
    chance = random.Random(seed)
    parser = Parser()
    for _ in range(chance.randint(1, 12)):
        frame = chance.choice(real)
        value = json.loads(frame.text)
        for _ in range(chance.randint(0, 3)):
            value = spoil(value, chance)
        text = json.dumps(value)
        if chance.random() < 0.1:
            text = text[: chance.randrange(len(text) + 1)]
        check(parser, parser.receive(Frame(frame.received_us, frame.connection, text)))


bets_of_one_market = st.lists(st.integers(1, 99), min_size=1, max_size=12).map(
    lambda steps: [
        bet(f"b{number}", before / 100, after / 100, at_ms=number)
        for number, (before, after) in enumerate(zip([50, *steps], steps, strict=False))
    ]
)


@given(bets_of_one_market, st.randoms(use_true_random=False))
def test_lost_doubled_and_swapped_bets_leave_the_price_right_or_marked(
    rows: list[dict[str, Any]], chance: random.Random
) -> None:
    """Right: the newest of those told. What is not told shows in the next, or in the reading."""
    wire, parser = Wire(), Parser()
    play(parser, [wire.ack(), wire.rest("markets", [market()])])
    play(parser, [wire.rest("market-probs.complete", {"m": {"prob": 0.5}})])
    told = [row for row in rows if chance.random() > 0.3]
    told += [row for row in told if chance.random() < 0.3]
    chance.shuffle(told)
    events = play(parser, [wire.bets(row) for row in told])
    (book,) = parser.books()
    newest = max(told, key=lambda row: int(row["createdTime"]), default=None)
    expected = 50_000_000 if newest is None else round(newest["probAfter"] * 10**8)
    assert book.trusted
    assert book.top().bid == expected
    # Afterwards everything is read again: every trade is known, under the id it had anyway.
    events += play(parser, [wire.rest("bets", rows)])
    last = {"m": {"prob": rows[-1]["probAfter"]}}
    wire.at_us += 10_000_000
    events += play(parser, [wire.rest("market-probs.settled", last)])
    assert book.top().bid == round(rows[-1]["probAfter"] * 10**8)
    trades = {tick.tick_id for tick in ticks(events) if tick.kind == "trade"}
    straight = play(Parser(), [Wire().bets(*rows)])
    assert trades == {tick.tick_id for tick in ticks(straight) if tick.kind == "trade"}
    opened = {event.gap_id for event in events if isinstance(event, Gap)}
    closed = {event.gap_id for event in events if isinstance(event, Gap) and event.to_ts}
    assert opened == closed


@given(st.permutations(range(6)), st.sampled_from(["live", "backfill"]))
def test_dated_statements_end_at_the_newest_in_any_order(order: list[int], origin: Any) -> None:
    price = Price("m", "m", None)
    for number in order:
        price.take(Statement(number, origin, START_US + number, START_US + number, ()))
    assert price.book.price == 5


@pytest.mark.parametrize("name", ["session-binary.handmade.jsonl"])
def test_figures_come_from_the_digits_as_sent(venues: Path, name: str) -> None:
    """No float on the way: the price is the rounding of the text, not of a binary fraction."""
    for frame in session(venues, name):
        message = json.loads(frame.text, parse_float=Decimal)
        rows = message.get("data", {}).get("bets", [])
        told = [tick for tick in ticks(Parser().receive(frame)) if tick.kind == "quote"]
        exact = {row["probAfter"].quantize(Decimal("1E-8")) for row in rows}
        assert {tick.bid for tick in told if tick.bid is not None} <= exact or not rows


def test_a_page_of_a_thousand_markets_is_read_quickly_enough(venues: Path) -> None:
    """A bound on work, not a benchmark: a page must not stall the socket beside it."""
    import time

    frames = answers(venues, "contracts-internal-shape.captured-2024-12.jsonl")
    started = time.process_time()
    play(Parser(), frames)
    assert time.process_time() - started < 5


NUMBERS = (
    *("1e9999999", "-1e9999999", "1e-9999999", "0e9999999", "0e-9999999", "1e99999999999999999999"),
    *("1e-99999999999999999999", "1e400", "9" * 30, "9" * 4000, "9" * 5000),
)
PLACES = (
    ("global/new-bet", '{"bets": [ROW]}', ("amount", "shares", "probAfter", "createdTime")),
    ("contract/m/orders", '{"bets": [{"amount": X}]}', ()),
    ("contract/m", '{"contract": {"id": "m", "volume": X, "prob": 0.4}}', ()),
    ("contract/m", '{"contract": {"id": "m", "closeTime": X, "lastBetTime": X, "prob": 0.4}}', ()),
    ("contract/m", '{"contract": {"id": "m", "pool": {"YES": X, "NO": 1}, "p": 0.5}}', ()),
    ("contract/m/updated-answers", '{"answers": [{"id": "a0", "prob": 0.4, "volume": X}]}', ()),
)


@pytest.mark.parametrize("text", NUMBERS)
def test_numbers_that_no_double_can_be_do_not_raise(text: str) -> None:
    """JSON sets no bound to an exponent; Python's decimals overflow, or can't be made."""
    frames = []
    for topic, data, fields in PLACES:
        row = json.dumps(bet("b", 0.5, 0.6))
        spoilt = [f'{row[:-1]}, "{field}": {text}}}' for field in fields]
        fills = f'[{{"timestamp": 1, "amount": {text}, "shares": {text}}}]'
        spoilt.append(f'{row[:-1]}, "limitProb": 0.5, "fills": {fills}}}')
        for row in spoilt if "ROW" in data else [""]:
            filled = data.replace("ROW", row).replace("X", text)
            frames.append(f'{{"type": "broadcast", "topic": "{topic}", "data": {filled}}}')
    wire, parser = Wire(), Parser()
    play(parser, [wire.ack(), wire.rest("markets", [market()])])
    for frame in frames:
        check(parser, parser.receive(wire.text(frame)))
    for endpoint, body in (("market-probs", '{"m": {"prob": X}}'), ("bets", "[X]")):
        check(parser, parser.receive(wire.text(body.replace("X", text), f"rest:{endpoint}")))


def test_a_contradiction_of_a_market_with_too_many_answers_does_not_raise() -> None:
    wire, parser = Wire(), Parser()
    many = [{"id": f"x{number}", "prob": 0.1} for number in range(2000)]
    play(parser, [wire.told("contract/z/updated-answers", {"answers": many})])
    patch = wire.patch(id="z", pool={"YES": 1, "NO": 1}, p=0.5, prob=0.1)
    check(parser, parser.receive(patch))
