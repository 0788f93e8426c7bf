"""Whatever is sent, and whatever is lost on the way, Kalshi's parser stays honest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.amounts import ONE
from connectors.book import Book
from connectors.events import Frame
from connectors.kalshi.parse import Parser
from schemas.gap import Gap
from schemas.tick import Tick
from tests.venues.kalshi.frames import AT_US, Wire

MARKETS = ("KXA-1", "KXB-1", "KXC-1")
Ladders = dict[str, dict[int, int]]
"""Side to price in cents to size in hundredths."""


def units(ladders: Ladders) -> tuple[dict[int, int], dict[int, int]]:
    """Return bids and asks in YES terms, in units of 10^-8."""
    bids = {cents * 10**6: size * 10**6 for cents, size in ladders["yes"].items()}
    asks = {ONE - cents * 10**6: size * 10**6 for cents, size in ladders["no"].items()}
    return bids, asks


def levels(ladder: dict[int, int]) -> list[list[str]]:
    return [[f"0.{cents:02d}00", f"{size / 100:.2f}"] for cents, size in sorted(ladder.items())]


@dataclass
class Sent:
    """One frame of the venue, and the true books after it."""

    seq: int
    market: str
    snapshot: bool
    said: dict[str, Any]
    truth: dict[str, tuple[dict[int, int], dict[int, int]]]


@st.composite
def histories(draw: st.DrawFn) -> list[Sent]:
    """A subscription's life: a snapshot of each market, then changes and further snapshots.

    YES bids stay below 50 and NO bids at or below 50, so no true book is ever crossed.
    """
    books: dict[str, Ladders] = {market: {"yes": {}, "no": {}} for market in MARKETS}
    sent: list[Sent] = []

    def record(market: str, kind: str, message: dict[str, Any]) -> None:
        seq = len(sent) + 1
        said = {"type": kind, "sid": 1, "seq": seq, "msg": {"market_ticker": market, **message}}
        truth = {name: units(ladders) for name, ladders in books.items()}
        sent.append(Sent(seq, market, kind == "orderbook_snapshot", said, truth))

    def snapshot(market: str) -> None:
        message = {
            f"{side}_dollars_fp": levels(books[market][side])
            for side in ("yes", "no")
            if books[market][side]
        }
        record(market, "orderbook_snapshot", message)

    for market in MARKETS:
        for side in ("yes", "no"):
            prices = st.dictionaries(st.integers(1, 49), st.integers(1, 500), max_size=4)
            books[market][side] = draw(prices)
        snapshot(market)
    for _ in range(draw(st.integers(3, 40))):
        market = draw(st.sampled_from(MARKETS))
        if draw(st.integers(0, 9)) == 0:
            snapshot(market)
            continue
        side = draw(st.sampled_from(("yes", "no")))
        ladder = books[market][side]
        cents = draw(st.integers(1, 49))
        size = draw(st.integers(-ladder.get(cents, 0), 300))
        ladder[cents] = ladder.get(cents, 0) + size
        if not ladder[cents]:
            del ladder[cents]
        change = {
            "side": side,
            "price_dollars": f"0.{cents:02d}00",
            "delta_fp": f"{size / 100:.2f}",
        }
        record(market, "orderbook_delta", change)
    return sent


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Sent], list[Sent]]:
    """A history, and what arrives of it: frames lost, doubled and put out of order."""
    sent = draw(histories())
    arriving: list[Sent] = []
    for frame in sent:
        fate = draw(st.integers(0, 19))
        if fate == 0:
            continue
        arriving.append(frame)
        if fate == 1:
            arriving.append(frame)
        elif fate == 2 and len(arriving) > 1:
            arriving[-1], arriving[-2] = arriving[-2], arriving[-1]
    return sent, arriving


def assert_sound(book: Book) -> None:
    assert all(size > 0 for size in (*book.bids.values(), *book.asks.values()))
    top = book.top()
    if book.trusted and top.bid is not None and top.ask is not None:
        assert top.bid < top.ask


@settings(max_examples=300, deadline=None)
@given(deliveries())
def test_a_book_is_right_or_untrusted_whatever_is_lost(
    delivery: tuple[list[Sent], list[Sent]],
) -> None:
    sent, arriving = delivery
    parser, wire = Parser(), Wire()
    open_gaps: set[str] = set()
    for frame in arriving:
        events = parser.receive(wire.frame(frame.said))
        assert events
        for event in events:
            if isinstance(event, Gap):
                market = str(event.market_id)
                (open_gaps.add if event.to_ts is None else open_gaps.discard)(market)
        for book in parser.books():
            assert_sound(book)
            if book.trusted:
                assert (book.bids, book.asks) == frame.truth[book.market_id]
            assert book.trusted != (book.market_id in open_gaps)
    # Fresh snapshots heal everything.
    seq = max(sent[-1].seq, arriving[-1].seq if arriving else 0)
    for market in MARKETS:
        seq += 1
        bids, asks = sent[-1].truth[market]
        yes = levels({price // 10**6: size // 10**6 for price, size in bids.items()})
        no = levels({(ONE - price) // 10**6: size // 10**6 for price, size in asks.items()})
        message = {"market_ticker": market, "yes_dollars_fp": yes, "no_dollars_fp": no}
        parser.receive(
            wire.frame(
                {"type": "orderbook_snapshot", "id": 5, "sid": 1, "seq": seq, "msg": message}
            )
        )
    books = {book.market_id: book for book in parser.books()}
    if not arriving or arriving[-1].seq == sent[-1].seq:
        for market in MARKETS:
            assert books[market].trusted
            assert (books[market].bids, books[market].asks) == sent[-1].truth[market]


@settings(max_examples=100, deadline=None)
@given(histories(), st.data())
def test_ids_survive_a_reconnect_anywhere(sent: list[Sent], data: st.DataObject) -> None:
    parser, wire = Parser(), Wire()
    whole = [tick for frame in sent for tick in ticks(parser, wire.frame(frame.said))]
    cut = data.draw(st.integers(len(MARKETS), len(sent)))
    parser, wire = Parser(), Wire()
    parts = [tick for frame in sent[:cut] for tick in ticks(parser, wire.frame(frame.said))]
    parser.disconnected("ws-0/1", wire.at_us, "disconnect", "")
    again = Wire("ws-0/2")
    again.at_us = wire.at_us
    truth = sent[cut - 1].truth
    seq = 0
    for market in MARKETS:
        seq += 1
        bids, asks = truth[market]
        yes = levels({price // 10**6: size // 10**6 for price, size in bids.items()})
        no = levels({(ONE - price) // 10**6: size // 10**6 for price, size in asks.items()})
        message = {"market_ticker": market, "yes_dollars_fp": yes, "no_dollars_fp": no}
        said = {"type": "orderbook_snapshot", "sid": 1, "seq": seq, "msg": message}
        parts += ticks(parser, again.frame(said))
    for frame in sent[cut:]:
        seq += 1
        parts += ticks(parser, again.frame(frame.said | {"seq": seq}))
    assert [tick.tick_id for tick in parts] == [tick.tick_id for tick in whole]


def ticks(parser: Parser, frame: Frame) -> list[Tick]:
    return [event for event in parser.receive(frame) if isinstance(event, Tick)]


REAL = [
    '{"type":"orderbook_snapshot","sid":1,"seq":1,"msg":{"market_ticker":"KXA-1",'
    '"yes_dollars_fp":[["0.0100","5000.00"]],"no_dollars_fp":[["0.9300","5130.00"]]}}',
    '{"type":"orderbook_delta","sid":1,"seq":2,"msg":{"market_ticker":"KXA-1",'
    '"price_dollars":"0.8000","delta_fp":"-5000.00","side":"no",'
    '"ts":"2026-04-18T05:34:55.159303Z","ts_ms":1776490495159}}',
    '{"type":"trade","sid":2,"seq":1,"msg":{"trade_id":"a","market_ticker":"KXA-1",'
    '"yes_price_dollars":"0.3600","count_fp":"1.00","taker_side":"no","ts":1669149841}}',
    '{"type":"ticker","sid":3,"msg":{"market_ticker":"KXA-1","yes_bid_dollars":"0.4500",'
    '"yes_ask_dollars":"1.0000","volume_fp":"1.00","ts":1669149841,"time":"2022-11-22T20:44:01Z"}}',
    '{"id":1,"sid":1,"seq":3,"type":"ok","msg":{"market_tickers":["KXA-1"]}}',
    '{"type":"error","sid":1,"seq":4,"msg":{"code":25,"msg":"x"}}',
    '{"type":"subscribed","id":1,"msg":{"channel":"orderbook_delta","sid":1}}',
    '{"type":"unsubscribed","id":1,"sid":1,"seq":5}',
    '{"type":"market_lifecycle_v2","sid":4,"seq":1,"msg":{"market_ticker":"KXA-1",'
    '"open_ts":1694635200,"close_ts":1694721600,"event_type":"created",'
    '"additional_metadata":{"title":"t","event_ticker":"KXA"},'
    '"price_ranges":[{"start":"0","end":"1","step":"0.0010"}]}}',
    '{"type":"market_lifecycle_v2","sid":4,"seq":2,"msg":{"market_ticker":"KXA-1",'
    '"event_type":"determined","result":"no"}}',
    '{"type":"event_fee_update","sid":4,"seq":3,"msg":{"event_ticker":"KXA",'
    '"fee_type_override":"quadratic","fee_multiplier_override":0.5}}',
    '{"markets":[{"ticker":"KXA-1","status":"active","close_time":"2026-07-13T22:40:00Z",'
    '"price_ranges":[{"start":"0","end":"1","step":"0.01"}],"volume_fp":"1.00"}],"cursor":"x"}',
    '{"trades":[{"ticker":"KXA-1","trade_id":"b","count_fp":"8.94","no_price_dollars":"0.23",'
    '"created_time":"2026-09-26T22:52:42.728645Z"}],"cursor":""}',
]
ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["-1", "0.5", "1e999", "NaN", "9" * 60, "0001-01-01T00:00:00Z", ""])
    | st.integers(-(10**40), 10**40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=6,
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A real frame with a value exchanged or removed, a part cut out, or any text instead."""
    text = draw(st.sampled_from(REAL))
    how = draw(st.integers(0, 3))
    if how == 0:
        return text
    if how == 1:
        start, stop = draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))
        return text[:start] + draw(st.text(max_size=5)) + text[stop:]
    if how == 2:
        return draw(st.text() | ANY_JSON.map(json.dumps))
    said = json.loads(text)
    where: Any = said
    while isinstance(where, dict | list) and where:
        key = draw(st.sampled_from(sorted(where)) if isinstance(where, dict) else st.just(0))
        inner = where[key]
        if not isinstance(inner, dict | list) or not inner or draw(st.booleans()):
            where[key] = draw(ANY_JSON)
            break
        where = inner
    return json.dumps(said)


@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(("ws-0/1", "ws-0/2", "ws-1/1", "rest:markets", "rest:trades", "", "/")),
            mutated(),
        ),
        max_size=25,
    )
)
def test_nothing_makes_the_parser_raise(frames: list[tuple[str, str]]) -> None:
    parser = Parser()
    for number, (connection, text) in enumerate(frames):
        assert parser.receive(Frame(AT_US + number, connection, text))
        for book in parser.books():
            assert_sound(book)
    parser.disconnected("ws-0/2", AT_US, "disconnect", "")


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters()))
def test_any_text_is_only_counted(text: str) -> None:
    for connection in ("ws-0/1", "rest:markets", "rest:trades", "rest:x"):
        assert Parser().receive(Frame(AT_US, connection, text))
