"""GET /api/v1/markets, /api/v1/gaps and /api/v1/subscriptions against the real engine."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any
from uuid import UUID

from schemas.clock import isoformat, now_us
from schemas.market import Market, Outcome
from tests.api.support import BASE_US, TOPIC, Api, Tables, make_gap, make_tick

MARKETS, GAPS, SUBSCRIPTIONS = "/api/v1/markets", "/api/v1/gaps", "/api/v1/subscriptions"
MARKET = Market(
    seen_ts=BASE_US,
    platform="kalshi",
    market_id="KXA-26",
    event_id="KXA",
    slug=None,
    title="Will it rain in Zürich?",
    outcomes=(Outcome("KXA-26", "yes"),),
    status="open",
    resolution=None,
    open_ts=BASE_US - 1_000_000,
    close_ts=None,
    unit="USD",
    tick_size=Decimal("0.01"),
    min_size=None,
    fee_type="quadratic",
    fee_rate=Decimal("0.07"),
    volume=Decimal("10.5"),
    mechanism="order_book",
)


async def walk(api: Api, path: str, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = await api.get(path, **params, **cursor)
        found += page["data"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


async def test_a_market_is_shown_as_last_seen(api: Api, tables: Tables) -> None:
    tables.insert("markets", [dataclasses.replace(MARKET, status="closed")], TOPIC)
    later = dataclasses.replace(MARKET, seen_ts=BASE_US + 5, resolution="yes", status="resolved")
    tables.insert("markets", [later], TOPIC, first=1)
    tables.insert("markets", [MARKET], TOPIC, first=2)  # late, and says less
    assert (await api.get(MARKETS))["data"] == [
        {
            "platform": "kalshi",
            "market_id": "KXA-26",
            "event_id": "KXA",
            "slug": None,
            "title": "Will it rain in Zürich?",
            "outcomes": [{"outcome_id": "KXA-26", "outcome": "yes"}],
            "status": "resolved",
            "resolution": "yes",
            "open_ts": isoformat(BASE_US - 1_000_000),
            "close_ts": None,
            "unit": "USD",
            "tick_size": "0.01",
            "min_size": None,
            "fee_type": "quadratic",
            "fee_rate": "0.07",
            "volume": "10.5",
            "mechanism": "order_book",
            "seen_ts": isoformat(BASE_US + 5),
        }
    ]


async def test_markets_are_filtered_and_paged(api: Api, tables: Tables) -> None:
    markets = [
        MARKET,
        dataclasses.replace(MARKET, market_id="KXB-26", title="Other", status="closed"),
        dataclasses.replace(
            MARKET, platform="manifold", market_id="m1", slug="rain-in-june", title="June"
        ),
        dataclasses.replace(MARKET, platform="polymarket", market_id="0xAB", title="100%_sure?"),
    ]
    tables.insert("markets", markets, TOPIC)
    cases: list[tuple[dict[str, str], list[str]]] = [
        ({}, ["KXA-26", "KXB-26", "m1", "0xAB"]),
        ({"platform": "kalshi"}, ["KXA-26", "KXB-26"]),
        ({"status": "closed"}, ["KXB-26"]),
        ({"search": "ZÜRICH"}, ["KXA-26"]),
        ({"search": "rain"}, ["KXA-26", "m1"]),
        ({"search": "0xab"}, ["0xAB"]),
        ({"search": "%"}, ["0xAB"]),
        ({"search": "_s"}, ["0xAB"]),
        ({"search": "rain", "platform": "manifold"}, ["m1"]),
        ({"search": "june RAIN"}, ["m1"]),  # in any order, over title and slug
        ({"search": "june sure"}, []),
        ({"market": "m1"}, ["m1"]),
        ({"market": "m"}, []),
        ({"event": "KXA", "platform": "kalshi"}, ["KXA-26", "KXB-26"]),
    ]
    for params, expected in cases:
        found = (await api.get(MARKETS, **params))["data"]
        assert [row["market_id"] for row in found] == expected, params
    for limit in (1, 3, 4):
        found = await walk(api, MARKETS, limit=limit)
        assert [row["market_id"] for row in found] == ["KXA-26", "KXB-26", "m1", "0xAB"]


async def test_a_gap_is_shown_once_in_its_last_state(api: Api, tables: Tables) -> None:
    closed = make_gap(0, missed=3)
    opened = dataclasses.replace(closed, to_ts=None, missed=None)
    tables.insert("gaps", [closed], TOPIC, partition=1)  # the close was stored first
    tables.insert("gaps", [opened, opened], TOPIC, partition=0, first=7)
    assert (await api.get(GAPS))["data"] == [
        {
            "gap_id": str(closed.gap_id),
            "platform": "kalshi",
            "market_id": "KXA-26",
            "connection": "0/1",
            "reason": "disconnect",
            "from_ts": isoformat(BASE_US),
            "to_ts": isoformat(BASE_US + 1_000_000),
            "missed": 3,
            "detail": "closed by the peer",
            "append_ts": "2026-07-25T17:20:00.000000Z",
            "first_ts": "2026-07-25T17:20:00.000000Z",
        }
    ]


async def test_gaps_are_filtered(api: Api, tables: Tables) -> None:
    second = 1_000_000
    gaps = [
        make_gap(0),  # from 0 s to 1 s
        make_gap(10 * second, market_id=None, reason="silence", to_ts=None),
        make_gap(20 * second, platform="manifold", market_id="m1"),
        make_gap(30 * second, platform="manifold", market_id=None, from_ts=None, reason="startup"),
        make_gap(40 * second, market_id="KXB-26", reason="sequence"),
    ]
    tables.insert("gaps", gaps, TOPIC)
    tables.insert("markets", [MARKET], TOPIC)
    ids = [str(gap.gap_id) for gap in gaps]
    cases: list[tuple[dict[str, str], list[int]]] = [
        ({}, [4, 3, 2, 1, 0]),
        ({"platform": "manifold"}, [3, 2]),
        ({"platform": "kalshi", "market": "KXB-26"}, [4, 1]),
        ({"market": "KXA-26"}, [1, 0]),  # with those of its whole platform
        ({"market": "m1"}, [2]),  # its platform isn't known from any market record
        ({"reason": "silence"}, [1]),
        ({"open": "true"}, [1]),
        ({"open": "false"}, [4, 3, 2, 0]),
        ({"since": isoformat(BASE_US + 21 * second)}, [4, 3, 1]),
        ({"until": isoformat(BASE_US + 10 * second)}, [3, 0]),
        ({"since": isoformat(BASE_US + 500_000), "until": isoformat(BASE_US + 600_000)}, [3, 0]),
    ]
    for params, expected in cases:
        found = (await api.get(GAPS, **params))["data"]
        assert [ids.index(row["gap_id"]) for row in found] == expected, params


async def test_a_gap_that_nobody_closed_ends_with_the_next_start(api: Api, tables: Tables) -> None:
    """A connector that stopped, or was killed, left it open; the next one knows nothing of it."""
    second = 1_000_000
    left_open = make_gap(0, to_ts=None)
    still_open = make_gap(60 * second, to_ts=None)
    other = make_gap(0, platform="manifold", market_id="m1", to_ts=None)
    unknown = make_gap(1, from_ts=None, to_ts=None)  # published after both starts
    starts = [
        make_gap(
            at * second, market_id=None, connection=f"start/{at}", reason="startup",
            from_ts=None, to_ts=BASE_US + at * second,
        )
        for at in (50, 30)
    ]  # fmt: skip
    tables.insert("gaps", [left_open, still_open, other, *starts], TOPIC)
    tables.insert("gaps", [unknown], TOPIC, first=90 * second)
    found = {row["gap_id"]: row["to_ts"] for row in (await api.get(GAPS))["data"]}
    assert found[str(left_open.gap_id)] == isoformat(BASE_US + 30 * second)
    assert found[str(still_open.gap_id)] is None
    assert found[str(other.gap_id)] is None
    assert found[str(unknown.gap_id)] is None
    still = (await api.get(GAPS, open="true"))["data"]
    assert {row["gap_id"] for row in still} == {
        str(gap.gap_id) for gap in (still_open, other, unknown)
    }


async def test_a_walk_over_gaps_sees_each_once(api: Api, tables: Tables) -> None:
    gaps = [make_gap(at) for at in range(12)]
    for partition in range(3):  # four at each instant
        tables.insert("gaps", gaps[partition::3], TOPIC, partition)
    wanted = {str(gap.gap_id) for gap in gaps}
    for limit in (1, 5, 12):
        found = await walk(api, GAPS, limit=limit)
        assert [row["first_ts"] for row in found] == sorted(
            (row["first_ts"] for row in found), reverse=True
        )
        assert len(found) == 12
        assert {row["gap_id"] for row in found} == wanted


async def test_subscriptions_say_what_is_recorded(api: Api, tables: Tables) -> None:
    recent = now_us() - 2_000_000 - BASE_US
    ticks = [
        make_tick(0),
        make_tick(1, kind="trade", price=Decimal("0.4"), size=Decimal("1")),
        make_tick(2, platform="manifold", market_id="m1", outcome_id="a"),
        make_tick(3, platform="manifold", market_id="m1", outcome_id="b"),
        make_tick(recent, platform="manifold", market_id="m2", outcome_id="m2"),
    ]
    tables.insert("ticks", ticks, TOPIC)
    tables.insert("ticks", ticks[4:], TOPIC, first=4)  # a redelivery counts once
    tables.insert("ticks", ticks[4:], UUID(int=5), first=4)
    found = await api.get(SUBSCRIPTIONS)
    last = isoformat(BASE_US + recent)
    assert found["platforms"] == [
        {
            "platform": "kalshi",
            "markets": 1,
            "outcomes": 1,
            "last_tick_ts": isoformat(BASE_US + 1),
            "recent_ticks": 0,
        },
        {
            "platform": "manifold",
            "markets": 2,
            "outcomes": 3,
            "last_tick_ts": last,
            "recent_ticks": 2,
        },
    ]
    assert found["count"] == 3
    assert found["live"] == {"clients": 0, "subscriptions": 0}
    assert found["data"] == [
        {
            "platform": "kalshi",
            "market_id": "KXA-26",
            "outcomes": ["KXA-26"],
            "last_quote_ts": isoformat(BASE_US),
            "last_trade_ts": isoformat(BASE_US + 1),
        },
        {
            "platform": "manifold",
            "market_id": "m1",
            "outcomes": ["a", "b"],
            "last_quote_ts": isoformat(BASE_US + 3),
            "last_trade_ts": None,
        },
        {
            "platform": "manifold",
            "market_id": "m2",
            "outcomes": ["m2"],
            "last_quote_ts": last,
            "last_trade_ts": None,
        },
    ]
    assert await walk(api, SUBSCRIPTIONS, limit=1) == found["data"]
    only = await api.get(SUBSCRIPTIONS, platform="kalshi")
    assert [row["platform"] for row in only["platforms"]] == ["kalshi"]
    assert only["count"] == 1
