"""Kalshi's connector against the simulated venue: what only Kalshi has."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from connectors import metrics
from connectors.kalshi import Feed, Parser, Settings
from connectors.pipeline import Pipeline
from connectors.settings import ConnectorSettings
from echoarb.simulators.kalshi import Simulator
from schemas.errors import ConfigurationError
from tests.venues.live import Live, live


def simulator(running: Live) -> Simulator:
    assert isinstance(running.simulator, Simulator)
    return running.simulator


def followed(running: Live) -> set[str]:
    return {book.market_id for book in running.parser.books()}


async def test_new_and_closed_markets_are_noticed_while_running(tmp_path: Path) -> None:
    async with live("kalshi", tmp_path, rate=50) as running:
        await running.until(running.books_agree)
        venue = simulator(running)
        fresh = await venue.open_market(0, "Z")
        await running.until(lambda: fresh.ticker in followed(running))
        old = next(iter(venue.markets))
        await venue.close_market(old, "yes")
        await running.until(lambda: old not in followed(running))
        await running.settle()
        ended = running.parser.markets[old]
        assert (ended.status, ended.resolution) == ("resolved", "yes")
        last = [tick for tick in running.kept.ticks if tick.market_id == old][-1]
        assert (last.bid, last.ask) == (None, None)
        assert fresh.ticker in {market.market_id for market in running.kept.markets}
        assert running.kept.gaps == []
        followed_there = {
            ticker
            for session in venue._sessions.values()
            for subscription in session.subscriptions.values()
            for ticker in subscription.tickers or ()
        }
        assert followed_there == {book["market_id"] for book in venue.books()}


async def test_what_nobody_announces_is_found_by_listing(tmp_path: Path) -> None:
    async with live("kalshi", tmp_path, rate=50, kalshi_markets_refresh_seconds=0.3) as running:
        await running.until(running.books_agree)
        venue = simulator(running)
        fresh = await venue.open_market(1, "Z", announced=False)
        await running.until(lambda: fresh.ticker in followed(running))
        old = next(iter(venue.markets))
        await venue.close_market(old, "no", announced=False)
        await running.until(lambda: running.parser.markets[old].status == "resolved")
        await running.until(lambda: old not in followed(running))
        await running.settle()


async def test_the_end_of_a_market_is_asked_for_after_its_close(tmp_path: Path) -> None:
    """Its close left it behind, and its result was told while no socket listened."""
    async with live("kalshi", tmp_path, rate=50, kalshi_markets_refresh_seconds=0.3) as running:
        await running.until(running.books_agree)
        venue = simulator(running)
        old = next(iter(venue.markets))
        venue.markets[old].closes_ms = venue.now_ms() - 120_000
        await running.until(lambda: old not in followed(running))
        await venue.close_market(old, "no", announced=False)
        await running.until(lambda: running.parser.markets[old].status == "resolved")
        assert running.parser.markets[old].resolution == "no"
        await running.settle()


async def test_every_page_of_a_listing_is_read(tmp_path: Path) -> None:
    async with live("kalshi", tmp_path, kalshi_markets_refresh_seconds=0.3) as running:
        simulator(running).limits.markets_per_page = 3
        pages = len([f for f in running.kept.frames if f.rest == "markets"])
        await running.until(
            lambda: len([f for f in running.kept.frames if f.rest == "markets"]) > pages + 3
        )
        await running.settle()


async def test_only_listed_markets_are_followed(tmp_path: Path) -> None:
    wanted = ["KXRATECUT-29DEC31-Y", "KXWHEATPRICE-29DEC31-Y"]
    path = tmp_path / "markets.toml"
    path.write_text(f"[kalshi]\nmarkets = {wanted!r}\n")
    async with live("kalshi", tmp_path, kalshi_markets_file=path) as running:
        await running.until(lambda: len(running.kept.ticks) > 20)
        assert followed(running) == set(wanted)


async def test_only_markets_of_the_series_are_followed(tmp_path: Path) -> None:
    async with live("kalshi", tmp_path, kalshi_series="KXRATECUT") as running:
        await running.until(lambda: len(running.kept.ticks) > 5)
        await simulator(running).open_market(0, "Z")
        more = await simulator(running).open_market(1, "Z")
        await running.until(lambda: more.ticker in followed(running))
        assert followed(running) == {"KXRATECUT-29DEC31-Y", more.ticker}


async def test_keys_are_spread_over_sockets(tmp_path: Path) -> None:
    async with live("kalshi", tmp_path, kalshi_markets_per_socket=3) as running:
        await running.until(running.books_agree)
        await running.settle()
        slots = {frame.connection.partition("/")[0] for frame in running.kept.frames}
        assert slots >= {"ws-0", "ws-1", "ws-2"}
        assert running.kept.gaps == []


async def test_too_many_markets_in_a_subscription_are_halved(tmp_path: Path) -> None:
    async with live("kalshi", tmp_path) as running:
        simulator(running).limits.markets_per_subscription = 3
        await simulator(running).drop_all()
        await running.until(lambda: len(simulator(running).clients) >= 4, 30)
        await running.settle()


async def test_refused_commands_are_repeated_later(tmp_path: Path) -> None:
    async with live("kalshi", tmp_path) as running:
        await running.until(running.books_agree)
        limits = simulator(running).limits
        limits.commands_per_second = 1
        await simulator(running).drop_all()
        await running.until(lambda: any('"code":27' in frame.text for frame in running.kept.frames))
        limits.commands_per_second = 200
        seen = len([tick for tick in running.kept.ticks if tick.kind == "trade"])
        await running.until(
            lambda: len([tick for tick in running.kept.ticks if tick.kind == "trade"]) > seen
        )
        await running.settle()


async def test_a_subscription_unknown_to_the_venue_is_made_anew(tmp_path: Path) -> None:
    async with live("kalshi", tmp_path, kalshi_snapshot_retry_seconds=0.4) as running:
        await running.until(running.books_agree)
        (session,) = simulator(running)._sessions.values()
        books = session.of_channel("orderbook_delta")
        assert books is not None
        del session.subscriptions[books.sid]
        # Something makes us ask it for snapshots.
        await session.client.send("garbage")
        await running.until(lambda: bool(running.kept.gaps))
        await running.settle()


async def test_lost_snapshots_are_asked_for_again(tmp_path: Path) -> None:
    async with live("kalshi", tmp_path, kalshi_snapshot_retry_seconds=0.4) as running:
        await running.until(running.books_agree)
        await simulator(running).pause()
        running.fault("gap", count=6)
        await simulator(running).drop_all()
        await running.until(lambda: bool(running.open_gaps()))
        await running.settle()


async def test_markets_at_rest_are_not_a_dead_socket(tmp_path: Path) -> None:
    async with live("kalshi", tmp_path, kalshi_silence_seconds=0.3) as running:
        await running.until(running.books_agree)
        await simulator(running).pause()
        before = len(running.kept.frames)
        # Each probe is answered by one snapshot, which equals the book that we have.
        await running.until(lambda: len(running.kept.frames) > before + 4)
        assert running.kept.gaps == []
        assert len(simulator(running).clients) == 1


async def test_a_stalled_socket_is_given_up(tmp_path: Path) -> None:
    quick = {"kalshi_silence_seconds": 0.4, "kalshi_probe_seconds": 0.4}
    async with live("kalshi", tmp_path, **quick) as running:
        await running.until(running.books_agree)
        running.fault("stall", seconds=3)
        await running.until(lambda: any(gap.reason == "silence" for gap in running.kept.gaps))
        await running.settle()


async def test_a_refused_key_is_said_and_retried(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with live("kalshi", tmp_path, kalshi_key_id="another") as running:
        refused = metrics.REQUESTS.labels("kalshi", "markets", "401")
        before = refused._value.get()
        await running.until(lambda: refused._value.get() > before)
        assert running.following is not None
        assert not running.following.done()
        assert running.kept.ticks == []


async def test_a_missing_key_is_said_before_anything_runs() -> None:
    async with aiohttp.ClientSession() as session:
        pipeline = Pipeline(Parser(), lambda record: None)
        with pytest.raises(ConfigurationError, match="ECHOARB_KALSHI_PRIVATE_KEY_FILE"):
            Feed(ConnectorSettings.load(), Settings.load(kalshi_key_id="x"), pipeline, session)
