"""Spreads and pairs through the API, over the real engine: old fields, ours, and every refusal."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest

from api.settings import ApiSettings
from schemas.clock import isoformat
from schemas.errors import ConfigurationError
from schemas.market import Market
from schemas.spread import Spread, SpreadEdge, SpreadLeg
from tests.api.support import BASE_US, TOPIC, Api, Tables, running

PATH = "/api/v1/spreads"
D = Decimal


def leg(platform: str, market: str, **more: Any) -> dict[str, Any]:
    return {
        "platform": platform,
        "outcomes": [{"market_id": market, "outcome_id": f"{market}-yes"}],
        **more,
    }


PAIRS = [
    {
        "id": "rate-cut",
        "description": "A cut?",
        "legs": [leg("kalshi", "KXCUT"), leg("polymarket", "0xabc"), leg("manifold", "m1")],
        "alert_threshold": 0.03,
        "resolution": "Both read the bank's statement.",
        "verified": {"by": "K. Arrow", "at": "2026-11-25"},
    },
    {
        "id": "two-of-three",
        "description": "Above 2.5?",
        "legs": [
            {
                "platform": "kalshi",
                "transform": "sum_above",
                "threshold": 2.5,
                "outcomes": [
                    {"market_id": f"KXR{at}", "outcome_id": f"KXR{at}", "strike": at}
                    for at in (2, 3, 4)
                ],
            },
            leg("manifold", "m2", polarity="opposite"),
        ],
    },
]


@pytest.fixture
def pair_file(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.json"
    path.write_text(json.dumps({"pairs": PAIRS}))
    return path


@pytest.fixture
async def api(settings: ApiSettings, pair_file: Path) -> AsyncIterator[Api]:
    async with running(settings.model_copy(update={"market_pairs": str(pair_file)})) as found:
        yield found


def make_spread(at: int = 0, **changes: Any) -> Spread:
    """Return a spread of three legs, ``at`` microseconds after BASE_US."""
    spread = Spread(
        ts=BASE_US + at,
        pair_id="rate-cut",
        description="A cut?",
        verified=True,
        legs=(
            SpreadLeg("kalshi", D("0.41"), D("0.40"), D(30), D("0.42"), D(10), BASE_US, None),
            SpreadLeg("polymarket", D("0.52"), D("0.50"), D(20), D("0.54"), D(20), BASE_US, None),
            SpreadLeg("manifold", None, None, None, None, None, None, "no_quote"),
        ),
        edges=(
            SpreadEdge(
                "kalshi", "polymarket", D("0.11"), D("0.052948"), D("0.017052"), D("0.01"), D(10),
                play_money=False,
            ),
            SpreadEdge("kalshi", "manifold", None, None, None, None, None, play_money=True),
            SpreadEdge("polymarket", "manifold", None, None, None, None, None, play_money=True),
        ),
        max_spread=D("0.11"),
        max_spread_pair="KALSHI-POLYMARKET",
        best_edge=D("0.052948"),
        best_edge_pair="KALSHI-POLYMARKET",
        completeness=D("0.66666667"),
        threshold=D("0.03"),
    )  # fmt: skip
    return dataclasses.replace(spread, **changes)


def insert(tables: Tables, spreads: list[Spread], first: int = 0, topic: UUID = TOPIC) -> None:
    tables.insert("spreads", spreads, topic, first=first)


async def test_the_latest_of_each_pair_with_the_old_fields_and_ours(
    api: Api, tables: Tables
) -> None:
    assert await api.get(PATH) == []
    insert(tables, [make_spread(at, max_spread=D(at) / 100) for at in (3, 9, 5)])
    insert(tables, [make_spread(at, max_spread=D(at) / 100) for at in (4, 6)], first=3)  # older
    gone = make_spread(50, pair_id="configured-no-more")
    insert(tables, [make_spread(7, pair_id="two-of-three"), gone], first=10)
    found = await api.get(PATH)
    assert [(each["pair_id"], each["timestamp"]) for each in found] == [
        ("rate-cut", isoformat(BASE_US + 9)),
        ("two-of-three", isoformat(BASE_US + 7)),
    ]
    assert found[0] == {
        "pair_id": "rate-cut",
        "description": "A cut?",
        "kalshi_prob": "0.41",
        "poly_prob": "0.52",
        "manifold_prob": None,
        "kalshi_poly_spread": "0.11",
        "kalshi_manifold_spread": None,
        "poly_manifold_spread": None,
        "max_spread": "0.09",
        "max_spread_pair": "KALSHI-POLYMARKET",
        "timestamp": isoformat(BASE_US + 9),
        "data_completeness": "0.66666667",
        "verified": True,
        "threshold": "0.03",
        "best_edge": "0.052948",
        "best_edge_pair": "KALSHI-POLYMARKET",
        "legs": [
            {"platform": "kalshi", "probability": "0.41", "bid": "0.4", "bid_size": "30",
             "ask": "0.42", "ask_size": "10", "quote_ts": isoformat(BASE_US), "unusable": None},
            {"platform": "polymarket", "probability": "0.52", "bid": "0.5", "bid_size": "20",
             "ask": "0.54", "ask_size": "20", "quote_ts": isoformat(BASE_US), "unusable": None},
            {"platform": "manifold", "probability": None, "bid": None, "bid_size": None,
             "ask": None, "ask_size": None, "quote_ts": None, "unusable": "no_quote"},
        ],
        "edges": [
            {"buy": "kalshi", "sell": "polymarket", "difference": "0.11", "edge": "0.052948",
             "fee_buy": "0.017052", "fee_sell": "0.01", "size": "10", "play_money": False},
            {"buy": "kalshi", "sell": "manifold", "difference": None, "edge": None,
             "fee_buy": None, "fee_sell": None, "size": None, "play_money": True},
            {"buy": "polymarket", "sell": "manifold", "difference": None, "edge": None,
             "fee_buy": None, "fee_sell": None, "size": None, "play_money": True},
        ],
    }  # fmt: skip
    assert await api.get(f"{PATH}/rate-cut") == found[0]


async def test_of_two_at_one_moment_the_later_record_is_the_latest(
    api: Api, tables: Tables
) -> None:
    insert(tables, [make_spread(1, threshold=D(at) / 100) for at in (1, 2, 3)])
    assert [each["threshold"] for each in await api.get(PATH)] == ["0.03"]


async def test_a_pair_that_is_unknown_and_one_without_a_spread_yet(api: Api) -> None:
    unknown = await api.problem(404, f"{PATH}/nothing")
    assert unknown["type"] == "urn:echoarb:problem:unknown-pair"
    not_yet = await api.problem(503, f"{PATH}/rate-cut")
    assert not_yet["type"] == "urn:echoarb:problem:not-computed"
    assert "analytics" in not_yet["detail"]
    await api.problem(404, f"{PATH}/nothing/history")
    assert await api.get(f"{PATH}/rate-cut/history") == {"data": [], "next_cursor": None}
    for path in (PATH, f"{PATH}/rate-cut", "/api/v1/pairs"):
        await api.problem(400, path, colour="red")


async def test_history_is_walked_once_and_in_order(api: Api, tables: Tables) -> None:
    path = f"{PATH}/rate-cut/history"
    tables.client.command("SYSTEM STOP MERGES spreads")
    spreads = [make_spread(at // 3, threshold=D(at) / 1000) for at in range(30)]
    insert(tables, spreads)
    insert(tables, spreads[5:25], first=5)  # again, as after a redelivery
    insert(tables, [make_spread(4, pair_id="two-of-three")], first=90)
    expected = [f"{D(at) / 1000:f}" for at in range(29, -1, -1)]
    for limit in (1, 4, 29, 30, 100):
        seen: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = await api.get(path, limit=limit, **cursor)
            seen += [each["threshold"] for each in page["data"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert [D(text) for text in seen] == [D(text) for text in expected]
    bounds = {"since": isoformat(BASE_US + 2), "until": isoformat(BASE_US + 4)}
    found = (await api.get(path, **bounds))["data"]
    assert [D(each["threshold"]) for each in found] == [D(at) / 1000 for at in range(11, 5, -1)]


async def test_history_of_a_pair_that_is_no_more(api: Api, tables: Tables) -> None:
    insert(tables, [make_spread(pair_id="gone")])
    assert len((await api.get(f"{PATH}/gone/history"))["data"]) == 1
    await api.problem(404, f"{PATH}/gone")


async def test_history_in_every_form(api: Api, tables: Tables) -> None:
    path = f"{PATH}/rate-cut/history"
    insert(tables, [make_spread(at) for at in range(3)])
    params = {"format": "csv", "limit": "2"}
    async with api.http.get(api.url + path, params=params) as answer:
        assert answer.content_type == "text/csv"
        assert "next" in answer.links
        lines = list(csv.DictReader(io.StringIO(await answer.text(), newline="")))
        following = answer.links["next"]["url"].raw_path_qs
    assert len(lines) == 2
    assert lines[0]["timestamp"] == isoformat(BASE_US + 2)
    assert (lines[0]["kalshi_prob"], lines[0]["verified"]) == ("0.41", "true")
    assert lines[0]["manifold_prob"] == ""
    assert lines[0]["manifold_unusable"] == "no_quote"
    assert (lines[0]["kalshi_poly_spread"], lines[0]["kalshi_poly_edge"]) == ("0.11", "0.052948")
    assert (lines[0]["kalshi_poly_buy"], lines[0]["kalshi_poly_size"]) == ("kalshi", "10")
    assert lines[0]["poly_quote_ts"] == isoformat(BASE_US)
    async with api.http.get(api.url + following) as answer:
        assert (await answer.text()).count(isoformat(BASE_US)[:19]) == 3  # one line: ts, quotes
    accept = {"Accept": "application/vnd.apache.arrow.stream"}
    async with api.http.get(api.url + path, headers=accept) as answer:
        table = pa.ipc.open_stream(await answer.read()).read_all()
    assert table.column("best_edge").to_pylist() == [D("0.05294800")] * 3
    assert table.schema.field("kalshi_bid").type == pa.decimal128(18, 8)
    async with api.http.get(api.url + path, headers={"Accept": "image/png"}) as answer:
        assert answer.status == 406


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"limit": 0}, "limit"),
    ({"limit": 10_001}, "limit"),
    ({"since": "yesterday"}, "since"),
    ({"cursor": "%%%"}, "cursor"),
    ({"format": "xml"}, "format"),
    ({"pair_id": "other"}, "pair_id"),
]


async def test_wrong_parameters_are_named(api: Api) -> None:
    for params, name in REFUSED:
        problem = await api.problem(400, f"{PATH}/rate-cut/history", **params)
        assert problem["errors"][0]["parameter"] == name, params
    ticks = await api.get("/api/v1/ticks")
    assert ticks["next_cursor"] is None
    await api.problem(404, f"{PATH}/x' OR 1=1 --/history")
    await api.problem(400, f"{PATH}/{'x' * 65}")


async def test_pairs_as_they_are_configured(api: Api, tables: Tables) -> None:
    market = Market(
        BASE_US, "manifold", "m1", None, "a-cut", "A cut of rates?", (), "closed", None, None,
        None, "MANA", None, None, None, None, None, "cpmm-1",
    )  # fmt: skip
    tables.insert("markets", [market], TOPIC)
    found = await api.get("/api/v1/pairs")
    assert found["count"] == 2
    first, second = found["pairs"]
    legs = first.pop("legs")
    assert first == {
        "id": "rate-cut",
        "description": "A cut?",
        "kalshi_tickers": ["KXCUT"],
        "poly_token_id": "0xabc-yes",
        "manifold_slug": "a-cut",
        "alert_threshold": "0.03",
        "resolution": "Both read the bank's statement.",
        "verified": {"by": "K. Arrow", "at": "2026-11-25"},
    }
    assert legs[2]["outcomes"] == [
        {"market_id": "m1", "outcome_id": "m1-yes", "weight": None, "strike": None, "taken": True,
         "title": "A cut of rates?", "slug": "a-cut", "status": "closed"}
    ]  # fmt: skip
    assert second["kalshi_tickers"] == ["KXR3", "KXR4"]
    assert (second["poly_token_id"], second["verified"]) == (None, None)
    assert [each["taken"] for each in second["legs"][0]["outcomes"]] == [False, True, True]
    assert second["legs"][1]["polarity"] == "opposite"


def test_a_wrong_pair_file_ends_the_process_at_once(settings: ApiSettings, tmp_path: Path) -> None:
    from api import server

    path = tmp_path / "wrong.json"
    path.write_text(json.dumps({"pairs": [{**PAIRS[0], "legs": []}]}))
    with pytest.raises(ConfigurationError, match=r"wrong\.json: pair rate-cut: legs"):
        server.build(settings.model_copy(update={"market_pairs": str(path)}))
