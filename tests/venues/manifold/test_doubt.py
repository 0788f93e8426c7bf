"""Gaps, trust and order of statements: a price is right or marked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from connectors.events import Rejected, SnapshotNeeded
from connectors.manifold import reconcile
from connectors.manifold.discovery import Query
from connectors.manifold.parse import Parser
from connectors.manifold.prices import ECHO_US, POLL_AGE_US
from connectors.manifold.settings import ManifoldSettings
from schemas.gap import Gap
from tests.venues.manifold.recorded import (
    START_US,
    Wire,
    bet,
    figures,
    gaps,
    play,
    price_of,
    prices,
    ticks,
)


def test_a_disconnect_doubts_everything_until_all_was_read_again(
    parser: Parser, wire: Wire
) -> None:
    play(parser, [wire.bets(bet("b1", 0.5, 0.6))])
    (opened,) = gaps(parser.disconnected("ws-0/1", wire.at_us, "disconnect", "gone"))
    assert (opened.market_id, opened.reason, opened.to_ts) == (None, "disconnect", None)
    assert not any(trusted for *_, trusted in prices(parser))
    assert parser.bets_missing_since() == START_US + 1_000_000
    probs = {"m": {"prob": 0.6}, "s": {"answerProbs": {f"a{index}": 1 / 3 for index in range(3)}}}
    # A reading that ends while the socket is away settles the prices, not the gap.
    assert gaps(play(parser, [wire.rest("market-probs.complete", probs)])) == []
    wire.connection = "ws-0/2"
    assert SnapshotNeeded("ws-0/2", ()) in play(parser, [wire.ack()])
    missed = bet("b2", 0.6, 0.7, at_ms=2000)
    assert len(ticks(play(parser, [wire.rest("bets", [missed])]))) == 2
    probs["m"] = {"prob": 0.7}
    (closed,) = gaps(play(parser, [wire.rest("market-probs.complete", probs)]))
    assert (closed.gap_id, closed.from_ts, closed.to_ts) == (
        opened.gap_id,
        opened.from_ts,
        wire.at_us,
    )
    assert parser.bets_missing_since() is None
    assert price_of(parser) == (70_000_000, True)


def test_a_price_pushed_after_a_reconnect_is_right_at_once(parser: Parser, wire: Wire) -> None:
    parser.disconnected("ws-0/1", wire.at_us, "disconnect", "gone")
    wire.connection = "ws-0/2"
    events = play(parser, [wire.ack(), wire.bets(bet("b9", 0.8, 0.9, at_ms=9000))])
    assert [tick.kind for tick in ticks(events)] == ["trade", "quote"]
    assert gaps(events) == []  # nothing can be missed twice: the gap over all is still open
    assert price_of(parser) == (90_000_000, True)
    # What was missed comes by REST: its trade counts, its price is history.
    events = play(parser, [wire.rest("bets", [bet("b8", 0.5, 0.8, at_ms=8000)])])
    assert figures(events) == {"ignored older_price": 1, "tick trade": 1}
    assert price_of(parser) == (90_000_000, True)


def test_a_reconnect_that_nobody_announced_is_noticed(parser: Parser, wire: Wire) -> None:
    wire.connection = "ws-0/2"
    events = play(parser, [wire.ack()])
    assert [gap.reason for gap in gaps(events)] == ["disconnect"]
    assert parser.disconnected("ws-0/1", wire.at_us, "disconnect", "late news") == []


def test_a_bet_from_another_price_than_the_known_one_shows_a_loss(
    parser: Parser, wire: Wire
) -> None:
    play(parser, [wire.bets(bet("b1", 0.5, 0.6))])
    heard_us = wire.at_us
    events = play(parser, [wire.bets(bet("b3", 0.65, 0.7, at_ms=3000))])
    (gap,) = gaps(events)
    assert (gap.market_id, gap.reason, gap.from_ts) == ("m", "book_mismatch", heard_us)
    assert SnapshotNeeded("ws-0/1", ("m",)) in events
    assert parser.bets_missing_since("m") == START_US + 1_000_000
    assert price_of(parser) == (70_000_000, True)  # what the bet led to is right all the same
    assert parser.doubtful(["m", "s"]) == ["m"]
    # Neither a poll closes it nor a reading over all: this market's missed bet has to be read.
    for endpoint in ("market-probs", "market-probs.complete"):
        assert gaps(play(parser, [wire.rest(endpoint, {"m": {"prob": 0.7}})])) == []
    assert parser.doubts_of("m") == 1
    missed = bet("b2", 0.6, 0.65, at_ms=2000)
    events = play(parser, [wire.rest("bets", [missed])])
    assert [tick.kind for tick in ticks(events)] == ["trade"]
    (closed,) = gaps(play(parser, [wire.rest("market-probs.settled", {"m": {"prob": 0.7}})]))
    assert (closed.gap_id, closed.to_ts) == (gap.gap_id, wire.at_us)
    assert parser.bets_missing_since("m") is None


def test_bets_of_one_broadcast_may_start_from_where_it_began(parser: Parser, wire: Wire) -> None:
    rows = [bet("b1", 0.5, 0.6), bet("b2", 0.6, 0.7), bet("b3", 0.5, 0.7)]
    assert gaps(play(parser, [wire.bets(*rows)])) == []


def test_pool_and_probability_of_a_patch_must_agree(parser: Parser, wire: Wire) -> None:
    pool = {"YES": 480.0, "NO": 520.0}
    events = play(parser, [wire.patch(id="m", pool=pool, p=0.5, prob=0.52)])
    assert figures(events) == {"tick quote": 1}
    events = play(parser, [wire.patch(id="m", pool=pool, p=0.5, prob=0.53)])
    (gap,) = gaps(events)
    assert (gap.market_id, gap.reason) == ("m", "book_mismatch")
    assert ticks(events) == []
    assert price_of(parser) == (53_000_000, False)
    events = play(parser, [wire.rest("market-probs.settled", {"m": {"prob": 0.52}})])
    assert [each.to_ts for each in gaps(events)] == [wire.at_us]
    assert price_of(parser) == (52_000_000, True)
    assert ticks(events) == []  # 0.52 was told, 0.53 never


def test_a_late_patch_does_not_bring_an_old_price_back(parser: Parser, wire: Wire) -> None:
    first, second = bet("b1", 0.5, 0.6, at_ms=1000), bet("b2", 0.6, 0.7, at_ms=2000)
    play(parser, [wire.bets(first), wire.bets(second)])
    events = play(parser, [wire.patch(id="m", prob=0.6, lastBetTime=first["createdTime"])])
    assert figures(events) == {"ignored older_price": 1}
    assert price_of(parser) == (70_000_000, True)


def test_an_echo_of_answers_without_time_is_told_from_news(parser: Parser, wire: Wire) -> None:
    """``updated-answers`` has no time: the price from before the newest bet, right after it, is
    old; any other price, or the same one later, is not."""
    for number, (before, after) in enumerate(((1 / 3, 0.4), (0.4, 0.5))):
        row = bet(f"b{number}", before, after, at_ms=number, contractId="s", answerId="a0")
        play(parser, [wire.bets(row)])
    echo = [{"id": "a0", "prob": 0.4}]
    told = play(parser, [wire.told("contract/s/updated-answers", {"answers": echo})])
    assert figures(told) == {"ignored older_price": 1}
    wire.at_us += ECHO_US
    told = play(parser, [wire.told("contract/s/updated-answers", {"answers": echo})])
    assert figures(told) == {"tick quote": 1}


def test_a_poll_right_after_a_bet_may_be_stale(parser: Parser, wire: Wire) -> None:
    play(parser, [wire.bets(bet("b1", 0.5, 0.6))])
    stale = play(parser, [wire.rest("market-probs", {"m": {"prob": 0.5}})])
    assert figures(stale) == {"ignored older_price": 1}
    wire.at_us += POLL_AGE_US
    drifted = play(parser, [wire.rest("market-probs", {"m": {"prob": 0.61}})])
    (tick,) = ticks(drifted)
    assert (str(tick.bid), tick.source_ts) == ("0.61", None)
    # What moved it is not known: the bets since the last one seen are asked for.
    assert SnapshotNeeded("rest:market-probs", ("m",)) in drifted
    assert parser.bets_missing_since("m") == START_US + 1_000_000


def test_polls_between_bets_have_ids_of_their_own(parser: Parser, wire: Wire) -> None:
    """The same drift after another bet is another event."""
    seen = set()
    for number in range(3):
        play(parser, [wire.bets(bet(f"b{number}", 0.5, 0.6, at_ms=number * 1000))])
        wire.at_us += 2 * POLL_AGE_US
        (tick,) = ticks(play(parser, [wire.rest("market-probs", {"m": {"prob": 0.5}})]))
        seen.add(tick.tick_id)
    assert len(seen) == 3


@pytest.mark.parametrize("text", ["", "null", "[]", "{", "\x00", '"x"', "[" * 3000, "\ud800"])
def test_a_frame_that_can_not_be_read_doubts_everything(
    parser: Parser, wire: Wire, text: str
) -> None:
    heard_us = wire.at_us - 2000  # the last broadcast: what came since was asked for
    events = play(parser, [wire.text(text)])
    assert any(isinstance(event, Rejected) for event in events)
    (gap,) = gaps(events)
    assert (gap.market_id, gap.reason, gap.from_ts) == (None, "parse_failure", heard_us)
    assert SnapshotNeeded("ws-0/1", ()) in events
    assert not any(trusted for *_, trusted in prices(parser))


def test_a_bad_frame_of_one_market_doubts_only_it(parser: Parser, wire: Wire) -> None:
    for frame in (
        wire.told("contract/m", {"contract": {"id": "m", "prob": "high"}}),
        wire.told("contract/m/new-bet", {"bets": "none"}),
        wire.bets({"contractId": "m"}),
    ):
        events = play(parser, [frame])
        assert SnapshotNeeded("ws-0/1", ("m",)) in events
        assert price_of(parser) == (50_000_000, False)
    assert parser.doubtful(["m", "s"]) == ["m"]
    assert price_of(parser, "a0")[1]


def test_a_bad_row_does_not_take_good_ones_with_it(parser: Parser, wire: Wire) -> None:
    rows = [bet("b1", 0.5, 0.6), {"id": 5}, bet("b2", 0.6, 0.7, at_ms=2000)]
    events = play(parser, [wire.bets(*rows)])
    assert len(ticks(events)) == 4
    assert [gap.reason for gap in gaps(events)] == ["parse_failure"]


def test_what_is_dated_in_the_future_does_not_stop_the_clock(parser: Parser, wire: Wire) -> None:
    """All that came later would count as older, and missed bets be asked for from 2096 on."""
    far = 4_000_000_000_000
    rejected = play(parser, [wire.bets(bet("b1", 0.5, 0.6) | {"createdTime": far})])
    assert (figures(rejected)["rejected value"], ticks(rejected)) == (1, [])
    assert parser.bets_missing_since("m") == START_US + 1000  # when the stream was last heard
    (tick,) = ticks(play(parser, [wire.patch(id="m", prob=0.6, lastBetTime=far)]))
    assert tick.source_ts is None
    assert len(ticks(play(parser, [wire.bets(bet("b2", 0.6, 0.7))]))) == 2
    assert price_of(parser) == (70_000_000, True)


async def test_a_price_that_moved_just_before_the_reading_is_read_again(
    parser: Parser, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The unreadable patch told of a move, perhaps the market's last: that the poll differs from
    the price before can't be told from a late cache, until some seconds later."""
    monkeypatch.setattr(reconcile, "POLL_AGE_US", 0)
    play(parser, [wire.bets(bet("b1", 0.5, 0.6))])
    play(parser, [wire.told("contract/m", {"contract": {"id": "m", "prob": "high"}})])

    async def read(endpoint: str, path: str, query: Query, stage: Callable[[], str]) -> str:
        wire.at_us += 2_000_000
        value = [] if endpoint == "bets" else {"m": {"prob": 0.7}}
        name = ".".join(part for part in (endpoint, stage()) if part)
        play(parser, [wire.rest(name, value)])
        return json.dumps(value)

    settings = ManifoldSettings(manifold_settle_seconds=0)
    reading = reconcile.Reconciler(parser, settings, read, lambda: [], by_market=False)
    reading.request(["m"])
    running = asyncio.create_task(reading.run())
    await asyncio.sleep(0.05)
    running.cancel()
    wire.at_us += POLL_AGE_US
    assert price_of(parser) == (70_000_000, True)
    assert parser.doubtful(["m"]) == []


def test_a_bad_answer_of_rest_settles_nothing(parser: Parser, wire: Wire) -> None:
    parser.disconnected("ws-0/1", wire.at_us, "disconnect", "gone")
    wire.connection = "ws-0/2"
    play(parser, [wire.ack()])
    bad = [wire.text(text, "rest:market-probs.complete") for text in ("<html>", "[]", "3")]
    events = play(parser, bad)
    assert gaps(events) == []
    assert figures(events) == {"rejected not_json": 1, "rejected shape": 2}


def test_gaps_of_different_markets_stand_apart(parser: Parser, wire: Wire) -> None:
    bad = [
        wire.told("contract/m", {"contract": {"id": "m", "prob": 7}}),
        wire.told("contract/s", {"contract": {"id": "s", "answers": [{"id": "a0", "prob": 7}]}}),
    ]
    opened = gaps(play(parser, bad))
    assert [gap.market_id for gap in opened] == ["m", "s"]
    closed = gaps(play(parser, [wire.rest("market-probs.settled", {"m": {"prob": 0.5}})]))
    assert [gap.market_id for gap in closed] == ["m"]
    assert all(isinstance(gap, Gap) for gap in opened)
