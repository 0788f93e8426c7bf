"""``echoarb pairs``: what the check finds, and what is suggested and what is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from echoarb.cli import app
from echoarb.pairing.markets import Seen
from echoarb.pairing.suggest import suggest
from schemas.market import Market, Outcome
from schemas.pairs import parse_pairs
from tests.api.support import BASE_US, TOPIC, Tables

DAY_US = 86_400_000_000
YES_NO = ("Yes", "No")


def market(platform: str, market_id: str, title: str, **more: Any) -> Market:
    """Return an open market; ``labels`` are those of its outcomes."""
    labels = more.pop("labels", YES_NO if platform == "polymarket" else ("yes",))
    ids = [market_id] if len(labels) == 1 else [f"{market_id}-{at}" for at in range(len(labels))]
    fields = {
        "status": "open",
        "close_ts": BASE_US + DAY_US,
        "fee_type": "quadratic",
        "fee_rate": Decimal("0.04"),
        **more,
    }
    return Market(
        seen_ts=BASE_US, platform=platform, market_id=market_id, event_id=None, slug=None,
        title=title, outcomes=tuple(Outcome(*pair) for pair in zip(ids, labels, strict=True)),
        resolution=None, open_ts=None, unit="USD", tick_size=None, min_size=None, volume=None,
        mechanism=None, **fields,
    )  # fmt: skip


def leg(platform: str, market_id: str, outcome_id: str | None = None, **more: Any) -> Any:
    outcomes = [{"market_id": market_id, "outcome_id": outcome_id or market_id}]
    return {"platform": platform, "outcomes": outcomes, **more}


@pytest.fixture
def tables(clickhouse: str, clickhouse_database: str) -> Iterator[Tables]:
    client = clickhouse_connect.get_client(
        dsn=clickhouse, database=clickhouse_database, autogenerate_session_id=False
    )
    yield Tables(client)
    client.close()


@pytest.fixture
def run(clickhouse: str, clickhouse_database: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("ECHOARB_CLICKHOUSE_URL", clickhouse)
    monkeypatch.setenv("ECHOARB_CLICKHOUSE_DATABASE", clickhouse_database)
    return lambda *arguments: CliRunner().invoke(app, ["pairs", *arguments])


def write(path: Path, *pairs: Any) -> str:
    path.write_text(json.dumps({"pairs": pairs}))
    return str(path)


VERIFIED = {"verified": {"by": "K. Arrow", "at": "2026-11-25"}, "resolution": "Read both."}


def test_check_finds_what_keeps_a_pair_from_working(
    run: Any, tables: Tables, tmp_path: Path
) -> None:
    tables.insert(
        "markets",
        [
            market("kalshi", "KXA", "A?"),
            market("kalshi", "KXFREE", "A?", fee_type=None, fee_rate=None),
            market("kalshi", "KXOVER", "B?", status="resolved"),
            market("polymarket", "0xa", "A?"),
            market("manifold", "m1", "A?", close_ts=BASE_US + 9 * DAY_US),
            market("manifold", "m2", "A?", status="paused"),
        ],
        TOPIC,
    )
    good = {"id": "good", "description": "A?", **VERIFIED}
    good["legs"] = [leg("kalshi", "KXA"), leg("polymarket", "0xa", "0xa-0")]
    answer: Result = run("check", write(tmp_path / "good.json", good))
    assert (answer.exit_code, answer.stdout) == (0, "")
    assert "1 pairs, 0 errors, 0 warnings" in answer.stderr

    def pair(name: str, *legs: Any) -> Any:
        return {"id": name, "description": name, "legs": legs, **VERIFIED}

    bad = write(
        tmp_path / "bad.json",
        pair("nowhere", leg("kalshi", "KXA"), leg("polymarket", "0xnone")),
        pair("no-such-outcome", leg("kalshi", "KXA"), leg("polymarket", "0xa", "0xb")),
        pair("over", leg("kalshi", "KXOVER"), leg("polymarket", "0xa", "0xa-1")),
        pair("no-fee", leg("kalshi", "KXFREE"), leg("polymarket", "0xa", "0xa-1")),
        pair("far-apart", leg("kalshi", "KXA"), leg("manifold", "m1")),
        {**pair("unread", leg("kalshi", "KXA"), leg("manifold", "m2")), "verified": None},
    )
    answer = run("check", bad, "--json")
    assert answer.exit_code == 1
    found = [json.loads(line) for line in answer.stdout.splitlines()]
    assert {(each["level"], each["pair"], each["where"]) for each in found} == {
        ("error", "nowhere", "legs[1].outcomes[0].market_id"),
        ("error", "no-such-outcome", "legs[1].outcomes[0].outcome_id"),
        ("error", "over", "legs[0].outcomes[0].market_id"),
        ("warning", "no-fee", "legs[0].fee"),
        ("warning", "far-apart", "legs"),
        ("warning", "unread", "verified"),
        ("warning", "unread", "legs[1].outcomes[0].market_id"),
    }
    [named] = [each["text"] for each in found if each["pair"] == "no-such-outcome"]
    assert "0xa-0 (Yes), 0xa-1 (No)" in named
    reviewed = leg("kalshi", "KXFREE", fee={"type": "quadratic", "rate": 1, "at": "2026-09-01"})
    answer = run("check", write(tmp_path / "fee.json", pair("f", reviewed, leg("manifold", "m2"))))
    assert answer.exit_code == 0
    assert "fee" not in answer.stdout


def test_check_names_mistakes_of_form_and_can_do_without_clickhouse(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECHOARB_CLICKHOUSE_URL", "http://127.0.0.1:1")
    answer = run("check", write(tmp_path / "form.json", {"id": "x", "description": "?"}))
    assert answer.exit_code == 1
    assert "form.json: pair x: pair: Object missing required field `legs`" in answer.stderr
    pair = {"id": "x", "description": "?", "legs": [leg("kalshi", "A"), leg("manifold", "m")]}
    path = write(tmp_path / "good.json", pair)
    answer = run("check", path, "--offline")
    assert answer.exit_code == 0
    assert answer.stdout.startswith("warning: pair x: verified: ")
    monkeypatch.setenv("ECHOARB_MARKET_PAIRS", path)
    assert run("check", "--offline").exit_code == 0


def test_suggestions_are_pairs_that_nobody_has_verified(run: Any, tables: Tables) -> None:
    cut, moon = "Will the Fed cut rates in December 2026?", "Will a crew land on the Moon in 2028?"
    tables.insert(
        "markets",
        [
            market("kalshi", "KXCUT", "Fed cut rates in December 2026?"),
            market("polymarket", "0xcut", cut, labels=("No", "Yes")),
            market("manifold", "mcut", "Will the Fed cut its rates in December 2026?"),
            market("polymarket", "0xcut25", "Will the Fed cut rates in December 2025?"),
            market("kalshi", "KXMOON", moon),
            market("manifold", "mmoon", moon),
            market("polymarket", "0xmoon", moon, status="closed"),
            market("manifold", "mother", "Who wins the chess title?", labels=("Ann", "Bob")),
            market("kalshi", "KXCHESS", "Who wins the chess title?"),
        ],
        TOPIC,
    )
    answer = run("suggest")
    assert answer.exit_code == 0, answer.stderr
    assert "2 suggestions" in answer.stderr
    pairs = parse_pairs(answer.stdout.encode())
    legs = [{each.platform: each.outcomes[0] for each in pair.legs} for pair in pairs]
    assert [each.verified for each in pairs] == [None, None]
    moon_pair = next(each for each in legs if each["kalshi"].market_id == "KXMOON")
    assert set(moon_pair) == {"kalshi", "manifold"}
    cut_pair = next(each for each in legs if each["kalshi"].market_id == "KXCUT")
    assert cut_pair["polymarket"].outcome_id == "0xcut-1"  # the one that is called Yes
    assert cut_pair["manifold"].market_id == "mcut"
    assert len(parse_pairs(run("suggest", "--most", "1").stdout.encode())) == 1
    alike = parse_pairs(run("suggest", "--least", "1").stdout.encode())  # word for word
    assert [len(each.legs) for each in pairs] == [2, 3]
    assert [len(each.legs) for each in alike] == [2, 2]


titles = st.text("abc 2é?-", min_size=1, max_size=30)


@given(
    st.lists(
        st.builds(
            lambda platform, name, title: Seen(
                platform, name, title, "open", ((name, "yes"),), fee_known=True, close=None
            ),
            st.sampled_from(["kalshi", "polymarket", "manifold"]),
            st.text("xyz", min_size=1, max_size=3),
            titles,
        ),
        max_size=12,
        unique_by=lambda each: (each.platform, each.market_id),
    )
)
def test_whatever_the_titles_suggestions_can_be_read(markets: list[Seen]) -> None:
    found = suggest(markets, 0.1, 50)
    pairs = parse_pairs(json.dumps({"pairs": found}).encode())
    named = [(leg.platform, leg.outcomes[0].market_id) for pair in pairs for leg in pair.legs]
    assert len(set(named)) == len(named)  # a market is in one suggestion at most
