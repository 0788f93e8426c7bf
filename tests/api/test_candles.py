"""GET /api/v1/candles against the real engine: what candles hold, and that repeats change none."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

from schemas.clock import isoformat
from schemas.tick import Tick
from tests.api.support import BASE_US, TOPIC, Api, Tables, make_tick

PATH = "/api/v1/candles"
SECOND = 1_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
D = Decimal


def trade(at: int, price: str, size: str | None = "1", **more: Any) -> Tick:
    return make_tick(
        at, kind="trade", price=D(price), size=size and D(size), bid=None, ask=None, **more
    )


def quote(at: int, bid: str | None, ask: str | None, **more: Any) -> Tick:
    return make_tick(at, bid=bid and D(bid), ask=ask and D(ask), **more)


HISTORY = [  # BASE_US is 17:20:00
    quote(1 * SECOND, "0.40", "0.50"),
    trade(2 * SECOND, "0.45", "10"),
    trade(3 * SECOND, "0.47", "2.5"),
    quote(4 * SECOND, "0.20", None),  # one-sided: no mid
    trade(5 * SECOND, "0.44", None),  # the venue gave no size
    quote(MINUTE, "0.41", "0.45"),
    quote(50 * MINUTE, "0.60", "0.70"),
    trade(DAY, "0.9", "3"),
]
FIRST = {
    "start_ts": isoformat(BASE_US),
    "platform": "kalshi",
    "market_id": "KXA-26",
    "outcome_id": "KXA-26",
    "open": "0.45",
    "high": "0.47",
    "low": "0.44",
    "close": "0.44",
    "volume": "12.5",
    "trades": 3,
    "mid_open": "0.45",
    "mid_high": "0.45",
    "mid_low": "0.45",
    "mid_close": "0.45",
    "bid": "0.2",
    "ask": None,
}


async def test_minutes(api: Api, tables: Tables) -> None:
    tables.insert("ticks", HISTORY, TOPIC)
    found = (await api.get(PATH, market="KXA-26"))["data"]
    assert [row["start_ts"] for row in found] == [
        isoformat(BASE_US + at) for at in (DAY, 50 * MINUTE, MINUTE, 0)
    ]
    assert found[3] == FIRST
    assert found[2] == FIRST | {
        **dict.fromkeys(("open", "high", "low", "close")),
        **{"start_ts": isoformat(BASE_US + MINUTE), "volume": "0", "trades": 0},
        **dict.fromkeys(("mid_open", "mid_high", "mid_low", "mid_close"), "0.43"),
        **{"bid": "0.41", "ask": "0.45"},
    }
    assert (found[0]["close"], found[0]["mid_close"], found[0]["bid"]) == ("0.9", None, None)


async def test_hours_and_days_are_merged_from_minutes(api: Api, tables: Tables) -> None:
    tables.insert("ticks", HISTORY, TOPIC)
    hours = (await api.get(PATH, market="KXA-26", interval="1h", order="asc"))["data"]
    assert [row["start_ts"] for row in hours] == [
        "2026-07-25T17:00:00.000000Z", "2026-07-25T18:00:00.000000Z", "2026-07-26T17:00:00.000000Z",
    ]  # fmt: skip
    assert hours[0] == FIRST | {
        **{"start_ts": "2026-07-25T17:00:00.000000Z", "mid_low": "0.43", "mid_close": "0.43"},
        **{"bid": "0.41", "ask": "0.45"},
    }
    days = (await api.get(PATH, market="KXA-26", interval="1d", order="asc"))["data"]
    assert [row["start_ts"] for row in days] == [
        "2026-07-25T00:00:00.000000Z", "2026-07-26T00:00:00.000000Z",
    ]  # fmt: skip
    assert (days[0]["mid_high"], days[0]["mid_close"], days[0]["volume"]) == (
        "0.65",
        "0.65",
        "12.5",
    )


async def test_a_repeated_insert_changes_nothing(api: Api, tables: Tables) -> None:
    """A redelivery with other batch boundaries, merged or not: sums stay, firsts stay first."""
    tables.client.command("SYSTEM STOP MERGES candles")
    tables.insert("ticks", HISTORY, TOPIC)
    params = [{"interval": interval} for interval in ("1m", "1h", "1d")]
    before = [(await api.get(PATH, market="KXA-26", **each))["data"] for each in params]
    for first, last in ((0, 2), (1, 5), (4, 8), (0, 8), (3, 4)):
        tables.insert("ticks", HISTORY[first:last], TOPIC, first=first)
    assert before == [(await api.get(PATH, market="KXA-26", **each))["data"] for each in params]
    tables.client.command("SYSTEM START MERGES candles")
    tables.client.command("OPTIMIZE TABLE candles FINAL")
    assert before == [(await api.get(PATH, market="KXA-26", **each))["data"] for each in params]


async def test_equal_trades_count_each(api: Api, tables: Tables) -> None:
    same = trade(0, "0.5", "2")
    tables.insert("ticks", [same, same], TOPIC)  # two records, whatever they say
    [row] = (await api.get(PATH, market="KXA-26"))["data"]
    assert (row["trades"], row["volume"]) == (2, "4")


async def test_candles_are_filtered_and_bounded_by_their_start(api: Api, tables: Tables) -> None:
    other = [
        trade(0, "0.1", platform="polymarket", market_id="0xa", outcome_id=outcome)
        for outcome in ("1", "2")
    ]
    tables.insert("ticks", [*HISTORY, *other], TOPIC)
    cases: list[tuple[dict[str, str], int]] = [
        ({"market": "0xa"}, 2),
        ({"market": "0xa", "outcome": "2"}, 1),
        ({"market": "0xa", "platform": "kalshi"}, 0),
        ({"market": "nope"}, 0),
        ({"market": "KXA-26", "since": isoformat(BASE_US)}, 4),
        ({"market": "KXA-26", "since": isoformat(BASE_US + 1)}, 3),
        ({"market": "KXA-26", "until": isoformat(BASE_US + 1)}, 1),
        ({"market": "KXA-26", "until": isoformat(BASE_US)}, 0),
        ({"market": "KXA-26", "interval": "1h", "since": isoformat(BASE_US)}, 2),
        ({"market": "KXA-26", "interval": "1d", "until": isoformat(BASE_US)}, 1),
    ]
    for params, count in cases:
        assert len((await api.get(PATH, **params))["data"]) == count, params


async def test_a_walk_sees_each_candle_once_in_every_form(api: Api, tables: Tables) -> None:
    ticks = [
        trade(minute * MINUTE, "0.5", market_id="m", outcome_id=outcome, platform=platform)
        for minute in range(4)
        for outcome in ("a", "b")
        for platform in ("manifold", "polymarket")
    ]
    tables.insert("ticks", ticks, TOPIC)
    whole = (await api.get(PATH, market="m"))["data"]
    assert len(whole) == 16
    for interval, order in (("1m", "desc"), ("1m", "asc"), ("1h", "asc"), ("1h", "desc")):
        params = {"market": "m", "interval": interval, "order": order}
        expected = (await api.get(PATH, **params))["data"]
        for limit in (1, 3, len(expected)):
            seen: list[dict[str, Any]] = []
            cursor: dict[str, str] = {}
            while True:
                page = await api.get(PATH, **params, limit=limit, **cursor)
                seen += page["data"]
                if page["next_cursor"] is None:
                    break
                cursor = {"cursor": page["next_cursor"]}
            assert seen == expected, (params, limit)
    path: str | None = f"{PATH}?market=m&limit=5&format=csv"
    lines: list[dict[str, str]] = []
    while path:
        async with api.http.get(api.url + path) as answer:
            lines += csv.DictReader(io.StringIO(await answer.text()))
            path = answer.links["next"]["url"].raw_path_qs if "next" in answer.links else None
    assert [row["start_ts"] for row in lines] == [row["start_ts"] for row in whole]
    assert [row["volume"] for row in lines] == ["1"] * 16


async def test_what_is_refused(api: Api) -> None:
    for params, parameter in (
        ({}, "market"),
        ({"market": "m", "interval": "5m"}, "interval"),
        ({"market": "m", "order": "up"}, "order"),
        ({"market": "m", "cursor": "x"}, "cursor"),
    ):
        found = await api.problem(400, PATH, **params)
        assert [item["parameter"] for item in found["errors"]] == [parameter]
