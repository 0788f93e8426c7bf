"""Cursors, SQL texts, number texts and message parsing, by property."""

from __future__ import annotations

import contextlib
import json
import re
import string
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import cursor, queries
from api.cursor import GapKey, InvalidCursor, MarketKey, TickKey
from api.events import Event
from api.formats import Format, best_form, decimal_text
from api.hub import Hub
from api.messages import BadMessage, Subscribe, from_query, parse
from api.settings import ApiSettings

MICROS = st.integers(0, 4_102_444_800_000_000)
TICK_KEYS = st.builds(
    TickKey, MICROS, st.uuids(), st.integers(0, 2**31 - 1), st.integers(0, 2**63 - 1)
)
NAMES = st.text(max_size=256).filter(lambda text: text.isprintable())
MARKET_KEYS = st.builds(MarketKey, NAMES, NAMES)


@given(TICK_KEYS)
def test_a_cursor_gives_its_key_back(key: TickKey) -> None:
    text = cursor.encode(key)
    assert cursor.decode(TickKey, text) == key
    assert set(text) <= set(string.ascii_letters + string.digits + "-_")
    for other in (MarketKey, GapKey):
        with pytest.raises(InvalidCursor):
            cursor.decode(other, text)


@given(st.text(max_size=200) | st.binary(max_size=60).map(lambda raw: raw.hex()))
def test_any_other_text_is_no_cursor(text: str) -> None:
    for kind in (TickKey, MarketKey, GapKey):
        with pytest.raises(InvalidCursor):
            cursor.decode(kind, text)


@pytest.mark.parametrize(
    "items",
    [
        ["ticks", -1, str(UUID(int=1)), 0, 0],
        ["ticks", 10**17, str(UUID(int=1)), 0, 0],
        ["ticks", 1, "1; DROP TABLE ticks", 0, 0],
        ["ticks", 1, str(UUID(int=1)), 2**31, 0],
        ["ticks", 1, str(UUID(int=1)), 0, 2**63],
        ["ticks", 1, str(UUID(int=1)), 0],
        ["ticks", 1, str(UUID(int=1)), 0, 0, 0],
        {"ingest_us": 1},
        None,
    ],
)
def test_a_cursor_out_of_bounds_is_refused(items: object) -> None:
    import base64

    text = base64.urlsafe_b64encode(json.dumps(items).encode()).rstrip(b"=").decode()
    with pytest.raises(InvalidCursor):
        cursor.decode(TickKey, text)


@given(MARKET_KEYS, st.none() | st.text(min_size=1), st.none() | TICK_KEYS)
def test_statements_hold_places_and_never_values(
    market: MarketKey, text: str | None, tick: TickKey | None
) -> None:
    built = [
        queries.ticks(queries.TickFilter(text, text, text, text, 1, 2), tick, 10),
        queries.ticks(queries.TickFilter(order="asc"), tick, 10),
        queries.markets(queries.MarketFilter(text, text, text, text, text), market, 10),
        queries.gaps(queries.GapFilter(text, text, text, 1, 2, True), GapKey(1, UUID(int=1)), 9),
        queries.recorded_markets(text, market, 10),
        queries.recorded_platforms(text),
        queries.recent_ticks(),
    ]
    again = [
        queries.ticks(queries.TickFilter(*[None if text is None else "x"] * 4, 1, 2), tick, 10).sql,
        queries.ticks(queries.TickFilter(order="asc"), tick, 10).sql,
    ]
    assert [query.sql for query in built[:2]] == again
    for query in built:
        places = set(re.findall(r"\{(\w+):[A-Z]\w*\}", query.sql))
        assert places == set(query.parameters)


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, places=8, min_value=-(10**9), max_value=10**9
    )
)
def test_decimal_text_is_exact_and_plain(value: Decimal) -> None:
    text = decimal_text(value)
    assert Decimal(text) == value
    assert re.fullmatch(r"-?\d+(\.\d*[1-9])?", text)


ACCEPTED: list[tuple[str, Format | None]] = [
    ("*/*", "json"),
    ("text/html, */*;q=0.1", "json"),
    ("TEXT/CSV", "csv"),
    ("text/*", "csv"),
    ("application/*", "json"),
    ("application/json; charset=utf-8", "json"),
    ("*/*, text/csv", "csv"),
    ("application/json;q=0.1, text/csv;q=0.9", "csv"),
    ("application/json;q=0", None),
    ("*/*, application/json;q=0", "csv"),
    ("text/csv; q=1e400", "csv"),
    ("text/csv;q=nan", "csv"),
    ("image/png", None),
    (",;;=", None),
]


@pytest.mark.parametrize(("accept", "form"), ACCEPTED)
def test_the_form_is_the_one_an_accept_header_likes_best(accept: str, form: Format | None) -> None:
    assert best_form(accept) == form


@given(st.text(alphabet="acjnopstvx/*;,q=.01e9 "))
def test_any_accept_header_is_understood(accept: str) -> None:
    best_form(accept)


async def test_what_waits_for_a_client_is_bounded_in_size_too() -> None:
    hub = Hub(ApiSettings(_env_file=None))
    client = hub.join()
    for _ in range(1000):
        client.put("subscribed", {"market": ["m" * 65_000]})
    assert client.slow.is_set()
    assert client.outgoing.abandon() < 300
    other = hub.join()
    for _ in range(1000):  # one that reads may be sent any amount
        other.put("subscribed", {"market": ["m" * 65_000]})
        await other.take()
    assert not other.slow.is_set()


@given(st.text())
def test_any_text_is_a_request_or_a_bad_message(text: str) -> None:
    with contextlib.suppress(BadMessage):
        assert parse(text)


@given(st.dictionaries(st.sampled_from(["platform", "market", "kind", "x"]), st.lists(st.text())))
def test_any_query_is_a_subscription_or_a_bad_message(query: dict[str, list[str]]) -> None:
    query = {name: values for name, values in query.items() if values}
    try:
        found = from_query(query)
    except BadMessage:
        return
    assert (found is None) == (not query)
    if found is not None and "market" in query:
        assert found.markets() == frozenset(query["market"])


SUBSCRIPTIONS = st.builds(
    Subscribe,
    platform=st.sampled_from([None, "kalshi", "manifold"]),
    market=st.sampled_from([None, "a", ["a", "b"]]),
    outcome=st.sampled_from([None, "o"]),
    kind=st.sampled_from([None, "quote", "trade"]),
)


@given(
    st.lists(st.tuples(st.integers(0, 2), SUBSCRIPTIONS), max_size=8),
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), max_size=5),
    st.tuples(
        st.sampled_from(["kalshi", "manifold"]),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["o", "p"]),
        st.sampled_from(["quote", "trade"]),
    ),
)
async def test_the_index_finds_whom_a_plain_search_finds(
    wanted: list[tuple[int, Subscribe]],
    ended: list[tuple[int, int]],
    tick: tuple[str, str, str, str],
) -> None:
    hub = Hub(ApiSettings(_env_file=None))
    clients = [hub.join() for _ in range(3)]
    for at, each in wanted:
        hub.subscribe(clients[at], each)
    for at, number in ended:
        if number in clients[at].subscriptions:
            hub.unsubscribe(clients[at], number)
    platform, market, outcome, kind = tick
    event = Event("tick", platform, market, outcome, kind, "{}")
    hub.publish(event, None)

    def asked_for(each: Subscribe) -> bool:
        return (
            each.platform in (None, platform)
            and (not each.markets() or market in each.markets())
            and each.outcome in (None, outcome)
            and each.kind in (None, kind)
        )

    for client in clients:
        wanted_by = [each for each in client.subscriptions.values() if asked_for(each)]
        assert client.outgoing.seq == bool(wanted_by)
        assert wanted_by == [each for each in client.subscriptions.values() if each.takes(event)]
    for client in clients:
        hub.leave(client)
    assert not hub._index
    assert hub.subscriptions() == 0
    assert not hub.wants(platform, market)
