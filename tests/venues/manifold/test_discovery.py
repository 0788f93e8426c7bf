"""Paging that ends, filters, lists of markets, and what is said on the socket."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.manifold.commands import Commands
from connectors.manifold.discovery import (
    check_object,
    is_wanted,
    listed_ids,
    markets_query,
    newest_ms,
    next_after,
    next_before,
    probs_query,
)
from connectors.manifold.parse import Parser
from connectors.manifold.settings import ManifoldSettings
from connectors.manifold.topics import topics_of
from schemas.errors import Poison
from tests.venues.manifold.recorded import Wire, market, play

times = st.lists(st.integers(1, 60), min_size=1, max_size=80)


def page(stamps: list[tuple[int, int]]) -> str:
    return json.dumps([{"id": f"i{number}", "createdTime": at} for number, at in stamps])


@given(times, st.integers(2, 9))
def test_markets_are_paged_to_the_end_without_loops(created: list[int], limit: int) -> None:
    rows = sorted(enumerate(created), key=lambda row: -row[1])
    seen: set[int] = set()
    before: int | None = None
    for _ in range(200):
        found = [row for row in rows if before is None or row[1] < before][:limit]
        seen |= {number for number, _ in found}
        before = next_before(page(found), before, limit)
        if before is None:
            break
    assert before is None
    # Only ties that fill a whole page can be out of the cursor's reach.
    crowded = {at for at in created if created.count(at) >= limit - 1}
    assert {number for number, at in rows if at not in crowded} <= seen


@given(times, st.integers(2, 9))
def test_bets_are_paged_to_the_end_without_loops(created: list[int], limit: int) -> None:
    rows = sorted(enumerate(created), key=lambda row: row[1])
    seen: set[int] = set()
    after: int | None = 0
    for _ in range(200):
        assert after is not None
        found = [row for row in rows if row[1] > after][:limit]
        seen |= {number for number, _ in found}
        after = next_after(page(found), after, limit)
        if after is None:
            break
    assert after is None
    crowded = {at for at in created if created.count(at) >= limit - 1}
    assert {number for number, at in rows if at not in crowded} <= seen


def test_a_cursor_that_the_venue_ignores_ends_the_paging() -> None:
    """PROTOCOL 3.2: page 1 may come back for ever."""
    first = page([(1, 50), (2, 40)])
    before = next_before(first, None, 2)
    assert before == 41
    assert next_before(first, before, 2) == 40
    assert next_before(first, 40, 2) is None


@pytest.mark.parametrize("text", ["", "{}", "<html>", '{"message": "no"}', "[" * 5000])
def test_a_page_that_is_none_is_no_end(text: str) -> None:
    for read in (lambda: next_before(text, None), lambda: next_after(text, 0)):
        with pytest.raises(Poison):
            read()
    with pytest.raises(Poison):
        check_object("[]")
    assert listed_ids('[{"id": "a", "x": 1}, {}]') == ["a"]


@pytest.mark.parametrize(
    "bad", [None, 5, "x", [], {"id": None, "createdTime": None}, {"id": 5, "createdTime": "now"}]
)
def test_a_bad_row_does_not_end_the_paging(bad: object) -> None:
    """The page would be asked for again for ever, and what it was to settle never be settled."""
    text = json.dumps([{"id": "a", "createdTime": 40}, bad, {"id": "b", "createdTime": 50}])
    assert listed_ids(text) == ["a", "b"]
    assert newest_ms(text) == 50
    assert (next_before(text, None, 3), next_after(text, 0, 3)) == (41, 49)


def test_queries_name_only_what_is_asked_for() -> None:
    plain = dict(markets_query(ManifoldSettings(), None))
    assert plain == {
        "term": "",
        "filter": "open",
        "sort": "newest",
        "limit": "1000",
        "includeLiteAnswers": "true",
    }
    some = ManifoldSettings(
        manifold_token="CASH", manifold_topic="ai", manifold_contract_type="BINARY"
    )
    more = dict(markets_query(some, 7))
    assert (more["token"], more["topicSlug"], more["contractType"]) == ("CASH", "ai", "BINARY")
    assert more["beforeTime"] == "7"
    assert some.filtered
    assert not ManifoldSettings().filtered
    assert probs_query(["a", "b"]) == [("ids[]", "a"), ("ids[]", "b")]


def test_wanted_are_open_markets_with_enough_volume() -> None:
    parser, wire = Parser(), Wire()
    rows = [market("a"), market("b", volume=5), market("c", isResolved=True)]
    play(parser, [wire.rest("markets", [*rows, market("d", mechanism="dpm-2")])])
    settings = ManifoldSettings(manifold_minimum_volume=10)
    wanted = [name for name, each in parser.markets.items() if is_wanted(each, settings)]
    assert wanted == ["a"]


def test_commands_have_numeric_txids_of_their_own_connection() -> None:
    commands = Commands(5000, 10)
    (first,) = commands.opened("ws-0/1", ["global/new-bet"])
    assert first == '{"type": "subscribe", "txid": 0, "topics": ["global/new-bet"]}'
    assert json.loads(commands.keepalive("ws-0/1")) == {"type": "ping", "txid": 1}
    assert commands.pings == {"ws-0": 1}
    added, removed = commands.changed("ws-0/1", ["a"], ["b"])
    assert [json.loads(each)["txid"] for each in (added, removed)] == [2, 3]
    assert json.loads(removed) == {"type": "unsubscribe", "txid": 3, "topics": ["b"]}
    assert json.loads(commands.opened("ws-0/2", ["x"])[0])["txid"] == 0
    assert commands.pings == {}
    many = commands.opened("ws-1/1", topics_of(f"m{number}" for number in range(500)))
    assert [len(json.loads(each)["topics"]) for each in many] == [1000, 1000, 500]
