"""Which markets there are, and which are followed."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from typing import Any

import pytest

from connectors.events import Applied, Frame, Rejected
from connectors.kalshi.commands import Commands
from connectors.kalshi.discovery import (
    CLOSE_GRACE_US,
    UNSETTLED_US,
    Filter,
    by_ticker,
    choose,
    listing_of,
    names,
    unended,
)
from connectors.kalshi.lifecycle import Markets
from connectors.kalshi.parse import Parser
from schemas.errors import Poison
from schemas.market import Market
from tests.venues.kalshi.frames import AT_US, TICKER, Wire


def found(**changes: Any) -> Market:
    """Return the market that one REST object becomes."""
    item = {
        "ticker": TICKER,
        "event_ticker": "KXTEST-26DEC31",
        "title": "Will it?",
        "status": "active",
        "open_time": "2026-01-01T00:00:00Z",
        "close_time": "2027-01-01T00:00:00Z",
        "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
        "volume_fp": "12.50",
    }
    text = json.dumps({"markets": [item | changes], "cursor": ""})
    (market,) = Parser().receive(Frame(AT_US, "rest:markets", text))
    assert isinstance(market, Market)
    return market


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("initialized", "upcoming"), ("active", "open"), ("inactive", "paused"),
        ("closed", "closed"), ("disputed", "closed"), ("determined", "resolved"),
        ("amended", "resolved"), ("finalized", "resolved"), ("a new word", "unknown"),
    ],
)  # fmt: skip
def test_status_words(said: str, meant: str) -> None:
    assert found(status=said).status == meant


def test_a_step_that_varies_is_none() -> None:
    deci = {"start": "0.0000", "end": "0.1000", "step": "0.0010"}
    assert found().tick_size == Decimal("0.01")
    assert found(price_ranges=[deci, deci | {"step": "0.0100"}]).tick_size is None
    assert found(price_ranges=[], tick_size=1).tick_size == Decimal("0.01")
    assert found(price_ranges=None).tick_size is None


def test_unset_is_missing() -> None:
    market = found(
        close_time="0001-01-01T00:00:00Z", result="", event_ticker="", volume_fp=None, volume=7
    )
    assert (market.close_ts, market.resolution, market.event_id) == (None, None, None)
    assert market.volume == 7
    assert market.min_size is None
    assert market.fee_type is None


def test_one_bad_market_does_not_spoil_a_page() -> None:
    items: list[Any] = [{"ticker": "A"}, {"ticker": 5}, {"ticker": ""}, "x", {"ticker": "B"}]
    items.append({"ticker": "C", "close_time": "soon"})
    events = Parser().receive(Frame(1, "rest:markets", json.dumps({"markets": items})))
    assert [event.market_id for event in events if isinstance(event, Market)] == ["A", "B"]
    assert len([event for event in events if isinstance(event, Rejected)]) == 4


def test_a_market_by_itself_is_read() -> None:
    for body in ('{"market":{"ticker":"A","status":"active"}}', '{"market": {"ticker": "A"}}'):
        (market,) = Parser().receive(Frame(AT_US, "rest:market", body))
        assert isinstance(market, Market)
        assert market.market_id == "A"
    for body in ('{"market":null}', '{"market":5}', "{}"):
        (event,) = Parser().receive(Frame(AT_US, "rest:market", body))
        assert isinstance(event, Rejected)


def test_an_event_ticker_is_bounded() -> None:
    """A record beyond Kafka's message limit would end the connector."""
    long = "E" * 2_000_000
    (event,) = Parser().receive(
        Frame(
            AT_US, "rest:markets", json.dumps({"markets": [{"ticker": "A", "event_ticker": long}]})
        )
    )
    assert isinstance(event, Rejected)
    created = {"market_ticker": "A", "event_type": "created"}
    details = {"additional_metadata": {"event_ticker": long}}
    said = {"type": "market_lifecycle_v2", "sid": 4, "seq": 1, "msg": created | details}
    assert isinstance(Parser().receive(Wire().frame(said))[0], Rejected)


def test_only_news_are_records() -> None:
    catalogue = Markets()
    market = found()
    assert catalogue.describe(market) == [market]
    later = dataclasses.replace(market, seen_ts=2, volume=Decimal(99))
    assert catalogue.describe(later) == []
    assert catalogue.by_id[TICKER].volume == 99
    paused = dataclasses.replace(later, status="paused")
    assert catalogue.describe(paused) == [paused]


def lifecycle(wire: Wire, event_type: str, **fields: Any) -> Frame:
    message = {"market_ticker": TICKER, "event_type": event_type, **fields}
    return wire.frame({"type": "market_lifecycle_v2", "sid": 4, "msg": message})


def test_a_markets_life_by_the_lifecycle_channel() -> None:
    parser, wire = Parser(), Wire()
    soon, late = AT_US // 10**6 + 60, AT_US // 10**6 + 3600
    details = {"title": "Will it?", "event_ticker": "KXTEST-26DEC31"}
    steps = [
        ("created", {"open_ts": soon, "close_ts": late, "additional_metadata": details}),
        ("activated", {}),
        ("deactivated", {"is_deactivated": True}),
        ("activated", {}),
        ("close_date_updated", {"close_ts": late - 60}),
        ("price_level_structure_updated", {"price_ranges": [{"step": "0.0010"}]}),
        ("determined", {"result": "scalar", "settlement_value": "0.3700"}),
        ("settled", {"settled_ts": late}),
    ]
    seen: list[tuple[str, str]] = []
    for number, (event_type, fields) in enumerate(steps):
        if number == 3:
            wire.at_us = (soon + 1) * 10**6
        for event in parser.receive(lifecycle(wire, event_type, **fields)):
            if isinstance(event, Market):
                seen.append((event_type, event.status))
    assert seen == [
        ("created", "upcoming"),
        ("deactivated", "paused"),
        ("activated", "open"),
        ("close_date_updated", "open"),
        ("price_level_structure_updated", "open"),
        ("determined", "resolved"),
    ]
    market = parser.markets[TICKER]
    assert (market.resolution, market.close_ts) == ("scalar", (late - 60) * 10**6)
    assert market.tick_size == Decimal("0.001")


@pytest.mark.parametrize("event_type", ["activated", "deactivated"])
def test_a_pause_of_an_ended_market_does_not_revive_it(event_type: str) -> None:
    parser, wire = Parser(), Wire()
    item = {"ticker": TICKER, "status": "finalized", "result": "yes"}
    parser.receive(Frame(AT_US, "rest:markets", json.dumps({"markets": [item]})))
    assert parser.receive(lifecycle(wire, event_type)) == [Applied(f"lifecycle_{event_type}")]
    assert parser.markets[TICKER].status == "resolved"


def test_news_of_an_unknown_market_are_not_enough_to_describe_it() -> None:
    parser, wire = Parser(), Wire()
    events = parser.receive(lifecycle(wire, "determined", result="no"))
    assert not any(isinstance(event, Market) for event in events)
    assert parser.markets == {}


def test_an_events_fees_reach_its_markets_and_stay() -> None:
    parser, wire = Parser(), Wire()
    item = {"ticker": TICKER, "event_ticker": "KXTEST-26DEC31", "status": "active"}
    page = Frame(1, "rest:markets", json.dumps({"markets": [item]}))
    parser.receive(page)
    fees = {"fee_type_override": "quadratic", "fee_multiplier_override": 0.5}
    update = {"event_ticker": "KXTEST-26DEC31", **fees}
    (market,) = parser.receive(wire.frame({"type": "event_fee_update", "sid": 5, "msg": update}))
    assert isinstance(market, Market)
    assert (market.fee_type, market.fee_rate) == ("quadratic", Decimal("0.5"))
    parser.receive(page)
    assert parser.markets[TICKER].fee_type == "quadratic"
    gone = update | {"fee_type_override": None, "fee_multiplier_override": None}
    (market,) = parser.receive(wire.frame({"type": "event_fee_update", "sid": 5, "msg": gone}))
    assert isinstance(market, Market)
    assert (market.fee_type, market.fee_rate) == (None, None)


def test_markets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.kalshi.lifecycle.MAX_MARKETS", 3)
    catalogue = Markets()
    for number, status in enumerate(("open", "resolved", "open", "open", "open")):
        market = dataclasses.replace(found(), market_id=f"M{number}", status=status)
        catalogue.put(market)
    assert sorted(catalogue.by_id) == ["M2", "M3", "M4"]
    assert [market.market_id for market in catalogue.of_event("KXTEST-26DEC31")] == [
        "M2", "M3", "M4",
    ]  # fmt: skip


def test_listings_end_with_an_empty_or_absent_cursor() -> None:
    for cursor, meant in (("abc", "abc"), ("", None), (None, None)):
        text = json.dumps({"markets": [{"ticker": "A"}, {"ticker": "B"}], "cursor": cursor})
        assert listing_of(text) == ({"A", "B"}, meant)
    assert listing_of('{"markets": []}') == (set(), None)
    assert listing_of('{"markets": [{}, null, {"ticker": 5}, {"ticker": "A"}], "cursor": "c"}') == (
        {"A"},
        "c",
    )
    for text in ("", "[]", '{"markets": {}}', '{"error": "too many requests"}'):
        with pytest.raises(Poison):
            listing_of(text)


def test_who_is_wanted() -> None:
    now = found().open_ts
    assert now is not None
    everything = Filter()
    assert everything.wants(found(), now)
    assert everything.wants(found(status="inactive"), now)
    assert everything.wants(found(status="initialized"), now)
    assert not everything.wants(found(status="initialized"), now - 1)
    for status in ("closed", "finalized", "a new word"):
        assert not everything.wants(found(status=status), now)
    closes = found().close_ts
    assert closes is not None
    assert everything.wants(found(), closes + CLOSE_GRACE_US)
    assert not everything.wants(found(), closes + CLOSE_GRACE_US + 1)
    assert Filter(series=names("KXOTHER, KXTEST")).wants(found(), now)
    assert not Filter(series=names("KXTES")).wants(found(), now)
    dashed = found(event_ticker="KXMLBWINS-BOS-26")
    assert Filter(series=names("KXMLBWINS-BOS")).wants(dashed, now)
    assert not Filter(series=names("KXMLBWINS-NYY, KXMLBWINS-B")).wants(dashed, now)
    assert Filter(events=names("KXTEST-26DEC31")).wants(found(), now)
    assert not Filter(tickers=frozenset({"X"}), series=names("KXTEST")).wants(found(), now)
    assert not Filter(minimum_volume=Decimal("12.51")).wants(found(), now)
    assert Filter(minimum_volume=Decimal("12.50")).wants(found(), now)


def test_who_is_asked_for_by_name() -> None:
    """by_ticker puts them in order again: which ones have their turn is what counts."""
    closes = found().close_ts
    assert closes is not None
    markets = [
        dataclasses.replace(found(), market_id=name, status=status, seen_ts=seen)
        for name, status, seen in (
            ("A", "open", 3), ("B", "closed", 2), ("C", "resolved", 1), ("D", "paused", 1),
        )
    ]  # fmt: skip
    assert unended(markets, Filter(), closes, (), ()) == []
    assert unended(markets, Filter(), closes, {"A", "B"}, {"B"}) == ["A"]
    assert unended(markets, Filter(), closes + 1, (), ()) == ["D", "B", "A"]
    assert unended(markets, Filter(), closes + 1, (), {"D"}) == ["B", "A"]
    assert unended(markets, Filter(series=names("KXOTHER")), closes + 1, (), ()) == []
    assert unended(markets, Filter(), closes + UNSETTLED_US, (), ()) == []


def test_queries_narrow_what_is_listed() -> None:
    common = {"status": "open", "limit": "1000"}
    assert Filter().queries(combos=True) == [common]
    assert Filter().queries(combos=False) == [common | {"mve_filter": "exclude"}]
    assert Filter(series=names("A,B"), events=names("C")).queries(combos=True) == [
        common | {"series_ticker": "A"},
        common | {"series_ticker": "B"},
        common | {"event_ticker": "C"},
    ]
    many = frozenset(f"T{number:03d}" for number in range(150))
    asked = Filter(tickers=many).queries(combos=False)
    assert [len(query["tickers"].split(",")) for query in asked] == [100, 50]
    assert by_ticker([]) == []


def test_places_go_by_volume_but_are_kept() -> None:
    markets = [
        dataclasses.replace(found(), market_id=name, volume=Decimal(volume))
        for name, volume in (("A", 1), ("B", 5), ("C", 3), ("D", 9))
    ]
    now = found().open_ts
    assert now is not None
    assert choose(markets, Filter(), now, (), 2) == (["D", "B"], 2)
    assert choose(markets, Filter(), now, {"A"}, 2) == (["A", "D"], 2)
    assert choose(markets, Filter(), now, {"A"}, 9)[1] == 0


def test_commands_always_say_which_prices_they_want() -> None:
    sids = {"orderbook_delta": 1, "trade": 2, "ticker": 3}
    commands = Commands(500, lambda connection, channel: sids.get(channel))
    said = [json.loads(text) for text in commands.opened("ws-0/1", ["A", "B"])]
    assert [command["params"]["channels"] for command in said] == [
        ["trade"], ["orderbook_delta"], ["ticker"], ["market_lifecycle_v2"],
    ]  # fmt: skip
    assert said[1]["params"]["use_yes_price"] is False
    assert said[1]["params"]["market_tickers"] == ["A", "B"]
    assert said[2]["params"]["send_initial_snapshot"] is True
    assert "market_tickers" not in said[3]["params"]
    # The lifecycle channel can't be filtered: one socket follows it.
    assert len(commands.opened("ws-1/1", ["A"])) == 3
    changes = [json.loads(text) for text in commands.changed("ws-0/1", ["C"], ["A"])]
    assert [change["cmd"] for change in changes] == ["subscribe"] * 3 + ["update_subscription"] * 3
    assert [change["params"].get("sids") for change in changes[3:]] == [[2], [1], [3]]
    assert changes[3]["params"]["action"] == "delete_markets"
    (asked,) = [json.loads(text) for text in commands.get_snapshot("ws-0/1", ["A"])]
    assert asked["params"] == {"sids": [1], "market_tickers": ["A"], "action": "get_snapshot"}
    numbers = [command["id"] for command in (*said, *changes, asked)]
    assert len(set(numbers)) == len(numbers)
    assert min(numbers) == 1
    sids.clear()
    assert commands.get_snapshot("ws-0/1", ["A"]) == []
    assert commands.keepalive_seconds is None


def test_a_socket_without_markets_does_not_ask_for_the_whole_exchange() -> None:
    commands = Commands(500, lambda connection, channel: None)
    assert commands.opened("ws-1/1", []) == []
    (lifecycle,) = [json.loads(text) for text in commands.opened("ws-0/1", [])]
    assert lifecycle["params"] == {"channels": ["market_lifecycle_v2"]}
