"""GET /api/v1/latest, /api/v1/trades and /api/v1/book against the real engine."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

from api.settings import ApiSettings
from schemas.clock import isoformat, now_us
from tests.api.support import BASE_US, TOPIC, Api, Tables, make_gap, make_tick, running
from tests.api.test_listings import MARKET, walk

LATEST, TRADES, BOOK = "/api/v1/latest", "/api/v1/trades", "/api/v1/book"
SECOND = 1_000_000
D = Decimal


def trade(at: int, **more: Any) -> Any:
    return make_tick(
        at,
        **{"kind": "trade", "price": D("0.43"), "size": D("7"), "side": "sell"} | more,
        **{"bid": None, "ask": None, "bid_size": None, "ask_size": None},
    )


TICKS = [
    make_tick(0, bid=D("0.40")),
    make_tick(1, volume=D(10)),
    trade(2, source_ts=BASE_US - 9),
    make_tick(3, bid=None, bid_size=None, source_ts=BASE_US),
    make_tick(4, platform="polymarket", market_id="0xabc", outcome_id="222", outcome="No"),
    make_tick(5, platform="polymarket", market_id="0xabc", outcome_id="111", outcome="Yes"),
    trade(6, platform="manifold", market_id="m1", outcome_id="m1", outcome=None, size=None),
]


async def test_the_newest_quote_and_trade_of_each_outcome(api: Api, tables: Tables) -> None:
    tables.insert("ticks", TICKS, TOPIC)
    tables.insert("ticks", TICKS[:3], TOPIC)  # again, and late
    tables.insert("markets", [MARKET], TOPIC)
    found = (await api.get(LATEST))["data"]
    assert [row["outcome_id"] for row in found] == ["KXA-26", "m1", "111", "222"]
    assert found[0] == {
        "platform": "kalshi",
        "market_id": "KXA-26",
        "outcome_id": "KXA-26",
        "outcome": "yes",
        "title": "Will it rain in Zürich?",
        "status": "open",
        "bid": None,  # of the newest quote: not the one before it
        "bid_size": None,
        "ask": "0.44",
        "ask_size": "12.5",
        "mid": None,
        "quote_ts": isoformat(BASE_US + 3),
        "quote_source_ts": isoformat(BASE_US),
        "price": "0.43",
        "size": "7",
        "side": "sell",
        "trade_ts": isoformat(BASE_US + 2),
        "trade_source_ts": isoformat(BASE_US - 9),
        "volume": None,  # neither the newest quote nor the newest trade told it
        "open_interest": None,
    }
    assert found[1] | {"price": "0.43", "trade_ts": isoformat(BASE_US + 6)} == found[1]
    assert [found[1][name] for name in ("title", "bid", "quote_ts", "size")] == [None] * 4
    assert [found[2][name] for name in ("mid", "price", "trade_ts")] == ["0.43", None, None]


async def test_latest_is_filtered_paged_and_given_in_every_form(api: Api, tables: Tables) -> None:
    tables.insert("ticks", TICKS, TOPIC)
    other = dataclasses.replace(
        MARKET, platform="polymarket", market_id="0xabc", title="100%_sure about June", slug="s-1"
    )
    tables.insert("markets", [MARKET, other], TOPIC)
    cases: list[tuple[dict[str, str], list[str]]] = [
        ({"platform": "polymarket"}, ["111", "222"]),
        ({"market": "0xabc", "outcome": "222"}, ["222"]),
        ({"outcome": "m1"}, ["m1"]),
        ({"search": "ZÜRICH rain"}, ["KXA-26"]),
        ({"search": "june s-1"}, ["111", "222"]),
        ({"search": "june rain"}, []),
        ({"search": "%_"}, ["111", "222"]),
        ({"search": "' OR 1=1 --"}, []),
    ]
    for params, expected in cases:
        assert [row["outcome_id"] for row in (await api.get(LATEST, **params))["data"]] == expected
    whole = (await api.get(LATEST))["data"]
    for limit in (1, 3, 4):
        assert await walk(api, LATEST, limit=limit) == whole
    async with api.http.get(api.url + LATEST, params={"format": "csv", "limit": 1}) as answer:
        assert answer.headers["X-Next-Cursor"]
        assert (await answer.text()).startswith("platform,market_id,outcome_id,outcome,title,")
    await api.problem(400, LATEST, cursor="x")


async def test_trades_are_the_ticks_of_that_kind(api: Api, tables: Tables) -> None:
    more = [trade(at, sequence=at) for at in range(10, 15)]
    tables.insert("ticks", [*TICKS, *more], TOPIC)
    found = (await api.get(TRADES, platform="kalshi", until=isoformat(BASE_US + 10)))["data"]
    assert found == [
        {
            "ingest_ts": isoformat(BASE_US + 2),
            "source_ts": isoformat(BASE_US - 9),
            "platform": "kalshi",
            "market_id": "KXA-26",
            "outcome_id": "KXA-26",
            "outcome": "yes",
            "price": "0.43",
            "size": "7",
            "side": "sell",
            "tick_id": str(TICKS[2].tick_id),
        }
    ]
    for order in ("asc", "desc"):
        whole = (await api.get(TRADES, order=order))["data"]
        assert len(whole) == 7
        assert await walk(api, TRADES, order=order, limit=3) == whole
    page = await api.get("/api/v1/ticks", limit=2, kind="trade")  # one kind of cursor for both
    rest = await api.get(TRADES, cursor=page["next_cursor"])
    assert len(rest["data"]) == 5
    problem = await api.problem(400, TRADES, kind="quote")
    assert problem["errors"][0]["parameter"] == "kind"


async def test_a_book_at_any_time(api: Api, tables: Tables) -> None:
    quotes = [
        make_tick(1 * SECOND, bid=D("0.1"), sequence=1),
        trade(2 * SECOND),
        make_tick(3 * SECOND, bid=D("0.2"), sequence=2),
        make_tick(3 * SECOND, bid=D("0.3"), sequence=3),  # of the same frame: the later one counts
        make_tick(4 * SECOND, bid=None, bid_size=None, sequence=4),
        # What comes later says that the recording went on.
        make_tick(900 * SECOND, market_id="KXB-26", outcome_id="KXB-26"),
    ]
    tables.insert("ticks", quotes, TOPIC)
    cases = [(0, []), (1, ["0.1"]), (2, ["0.1"]), (3, ["0.3"]), (3.999999, ["0.3"]), (4, [None])]
    for seconds, expected in cases:
        at = isoformat(BASE_US + round(seconds * SECOND))
        found = (await api.get(BOOK, market="KXA-26", at=at))["data"]
        assert [row["bid"] for row in found] == expected, seconds
        assert all(row["trusted"] and row["at"] == at for row in found)
    at = isoformat(BASE_US + 3 * SECOND)
    assert (await api.get(BOOK, market="KXA-26", at=at))["data"] == [
        {
            "platform": "kalshi",
            "market_id": "KXA-26",
            "outcome_id": "KXA-26",
            "outcome": "yes",
            "at": at,
            "bid": "0.3",
            "bid_size": "100",
            "ask": "0.44",
            "ask_size": "12.5",
            "mid": "0.37",
            "spread": "0.14",
            "quote_ts": at,
            "source_ts": None,
            "sequence": 3,
            "tick_id": str(quotes[3].tick_id),
            "trusted": True,
            "untrusted": [],
        }
    ]


async def reasons(api: Api, at: int, **params: Any) -> list[list[str]]:
    found = await api.get(BOOK, **{"market": "KXA-26", "at": isoformat(BASE_US + at), **params})
    for row in found["data"]:
        assert row["trusted"] is (not row["untrusted"])
    return [row["untrusted"] for row in found["data"]]


async def test_a_book_within_a_gap_is_not_trusted(api: Api, tables: Tables) -> None:
    later = make_tick(900 * SECOND, market_id="KXB-26", outcome_id="KXB-26")
    tables.insert("ticks", [make_tick(0), later], TOPIC)
    gaps = [
        make_gap(10 * SECOND),  # a second long
        make_gap(20 * SECOND, market_id=None, reason="silence"),
        make_gap(20 * SECOND, reason="sequence"),
        make_gap(30 * SECOND, market_id="KXB-26"),
        make_gap(40 * SECOND, platform="manifold", market_id=None),
        make_gap(50 * SECOND, to_ts=None, reason="crossed_book"),
    ]
    tables.insert("gaps", gaps, TOPIC)
    cases: list[tuple[float, list[str]]] = [
        (9.999999, []),
        (10, ["disconnect"]),
        (10.999999, ["disconnect"]),
        (11, []),
        (20.5, ["sequence", "silence"]),
        (30.5, []),
        (40.5, []),
        (50, ["crossed_book"]),
        (800, ["crossed_book"]),
    ]
    for seconds, expected in cases:
        assert await reasons(api, round(seconds * SECOND)) == [expected], seconds


async def test_a_book_across_a_restart(api: Api, tables: Tables) -> None:
    """A killed connector leaves no gap; what it quoted says nothing of the time after it."""
    other = {"market_id": "KXB-26", "outcome_id": "KXB-26"}
    ticks = [
        make_tick(0),
        make_tick(100 * SECOND, **other),  # the last sign of the first connector
        make_tick(201 * SECOND, **other),
        make_tick(300 * SECOND),
        make_tick(900 * SECOND, **other),
    ]
    tables.insert("ticks", ticks, TOPIC)
    start = make_gap(
        0, market_id=None, reason="startup", from_ts=None, to_ts=BASE_US + 200 * SECOND
    )
    tables.insert("gaps", [start], TOPIC)
    for seconds, expected in (
        (50, []),
        (99, []),
        (100, ["startup"]),  # nobody may have been there any more
        (199, ["startup"]),
        (250, ["startup"]),  # there again, but not quoted since
        (300, []),
    ):
        assert await reasons(api, seconds * SECOND) == [expected], seconds


async def test_a_book_of_now_is_not_trusted_once_the_platform_is_silent(
    settings: ApiSettings, tables: Tables
) -> None:
    age = now_us() - BASE_US - 60 * SECOND
    tables.insert("ticks", [make_tick(age)], TOPIC)
    async with running(settings) as api:
        assert await reasons(api, age) == [[]]
        [row] = (await api.get(BOOK, market="KXA-26"))["data"]
        assert row["trusted"]
    strict = settings.model_copy(update={"api_silence_seconds": 30})
    async with running(strict) as api:
        [row] = (await api.get(BOOK, market="KXA-26"))["data"]
        assert row["untrusted"] == ["silence"]
        assert await reasons(api, age + 29 * SECOND) == [[]]
        assert await reasons(api, age + 31 * SECOND) == [["silence"]]


async def test_books_of_a_market_with_many_outcomes(api: Api, tables: Tables) -> None:
    tables.insert("ticks", [*TICKS, make_tick(900, market_id="0xabc", outcome_id="9")], TOPIC)
    at = isoformat(BASE_US + 10)
    found = (await api.get(BOOK, market="0xabc", at=at))["data"]
    assert [(row["platform"], row["outcome_id"]) for row in found] == [
        ("polymarket", "111"), ("polymarket", "222")
    ]  # fmt: skip
    [row] = (await api.get(BOOK, market="0xabc", outcome="222", at=at))["data"]
    assert row["outcome"] == "No"
    assert (await api.get(BOOK, market="0xabc", platform="manifold", at=at))["data"] == []
    for params, parameter in (
        ({}, "market"),
        ({"market": "m", "at": "noon"}, "at"),
        ({"market": "m", "at": "1969-12-31T23:59:59Z"}, "at"),
        ({"market": "m", "platform": "x"}, "platform"),
    ):
        problem = await api.problem(400, BOOK, **params)
        assert problem["errors"][0]["parameter"] == parameter
