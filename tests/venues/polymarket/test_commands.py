"""What is said on a socket, and how Gamma's listings are paged through."""

from __future__ import annotations

import json

import pytest

from connectors.polymarket.commands import Commands
from connectors.polymarket.discovery import (
    is_wanted,
    listing_query,
    named_queries,
    read_page,
    token_ids,
)
from connectors.polymarket.metadata import entries, read_listed
from connectors.polymarket.settings import PolymarketSettings
from schemas.errors import Poison
from tests.venues.polymarket.recordings import gamma_page
from tests.venues.polymarket.streams import Stream

MARKET = "0x" + "ab" * 32


def test_a_socket_is_opened_with_one_subscription_and_additions() -> None:
    keys = [str(number) for number in range(5)]
    first, second, third = map(json.loads, Commands(5, 2, 10).opened("ws-0/1", keys))
    assert first == {
        "assets_ids": ["0", "1"],
        "type": "market",
        "custom_feature_enabled": True,
        "initial_dump": True,
    }
    assert second == {
        "operation": "subscribe",
        "assets_ids": ["2", "3"],
        "custom_feature_enabled": True,
    }
    assert third["assets_ids"] == ["4"]


def test_tokens_are_added_and_taken_away() -> None:
    gone, added = map(json.loads, Commands(5, 9, 10).changed("ws-0/1", ["7"], ["8", "9"]))
    assert gone == {"operation": "unsubscribe", "assets_ids": ["8", "9"]}
    assert (added["operation"], added["assets_ids"]) == ("subscribe", ["7"])
    assert Commands(5, 9, 10).keepalive("ws-0/1") == "PING"
    assert Commands(5, 9, 10).opened("ws-0/1", []) == []


def test_a_page_of_each_form() -> None:
    page = read_page(
        json.dumps({"markets": json.loads(gamma_page(MARKET, ["1"])), "next_cursor": "x"})
    )
    assert (page.rows, page.next_cursor) == (1, "x")
    assert token_ids(page.markets) == {"1", "2"}
    older = read_page(gamma_page(MARKET, ["1"]))
    assert (older.rows, older.next_cursor) == (1, None)
    event = {"id": "5", "markets": json.loads(gamma_page(MARKET, ["1"]))}
    (listed,) = read_page(json.dumps({"events": [event]})).markets
    assert listed.market.event_id == "5"
    with pytest.raises(Poison):
        read_page("<html>")


def test_one_unreadable_row_spoils_no_page() -> None:
    page = read_page(json.dumps([{"conditionId": 7}, *json.loads(gamma_page(MARKET, ["1"]))]))
    assert (page.rows, len(page.markets)) == (2, 1)


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({}, True),
        ({"acceptingOrders": False}, False),
        ({"closed": True}, False),
        ({"active": False}, False),
        ({"enableOrderBook": False}, False),
        ({"volume": "99.5"}, False),
        ({"slug": "other"}, False),
    ],
)
def test_which_markets_are_followed(more: dict[str, object], wanted: bool) -> None:
    settings = PolymarketSettings.load(
        polymarket_minimum_volume=100, polymarket_slug_contains="down"
    )
    row = {"volume": "100.00000000000001"} | more
    (entry,) = entries(json.loads(gamma_page(MARKET, ["1"], **row)))  # type: ignore[arg-type]
    assert is_wanted(read_listed(entry, 0), settings) == wanted


def test_a_market_of_the_second_protocol_has_positions() -> None:
    row = {"version": "v2", "positionIds": '["7", "8"]'}
    (entry,) = entries(json.loads(gamma_page(MARKET, ["1"], **row)))  # type: ignore[arg-type]
    assert token_ids([read_listed(entry, 0)]) == {"7", "8"}


@pytest.mark.parametrize(
    ("prices", "uma", "result"),
    [
        (["1", "0"], "resolved", ("resolved", "Up")),
        (["0", "1"], None, ("resolved", "Down")),
        (["0.5", "0.5"], "resolved", ("resolved", "0.5/0.5")),
        (["0.97", "0.03"], None, ("closed", None)),
        (["0.97", "0.03"], "proposed", ("closed", None)),
    ],
)
def test_results(prices: list[str], uma: str | None, result: tuple[str, str | None]) -> None:
    row = {"closed": True, "outcomePrices": json.dumps(prices), "umaResolutionStatus": uma}
    (entry,) = entries(json.loads(gamma_page(MARKET, ["1"], **row)))  # type: ignore[arg-type]
    market = read_listed(entry, 0).market
    assert (market.status, market.resolution) == result


def test_numbers_and_times_of_a_listing_are_exact() -> None:
    (entry,) = entries(json.loads(Stream().listing().text))
    more = {"closedTime": "2026-07-24 00:00:16+00", "startDate": "2026-04-09T21:25:35.627784Z"}
    listed = read_listed({**entry, **more}, 7)
    assert listed.market.close_ts == 1_784_851_216_000_000
    assert listed.market.open_ts == 1_775_769_935_627_784
    assert (listed.inputs.min_order_size, listed.inputs.neg_risk) == ("5", False)


def test_queries() -> None:
    settings = PolymarketSettings.load(polymarket_tag_id="21", polymarket_minimum_volume=2500)
    assert dict(listing_query(settings)) == {
        "limit": "100",
        "active": "true",
        "closed": "false",
        "tag_id": "21",
        "volume_num_min": "2500",
    }
    queries = list(named_queries([MARKET, "a-slug", *["0x1"] * 20], closed=True))
    assert [len(query) - 2 for query in queries] == [20, 1, 1]
    assert queries[2][-1] == ("slug", "a-slug")
