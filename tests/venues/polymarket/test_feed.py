"""What only this venue needs: the feed against its simulator."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest

from echoarb.simulators.polymarket import Simulator
from echoarb.simulators.polymarket.gamma import new_market
from tests.venues.live import Live, live


class Deaf(set[str]):
    """The subscriptions of a socket that is sent nothing, whatever it asks for."""

    def __contains__(self, token_id: object) -> bool:
        return True


def venue_of(running: Live) -> Simulator:
    assert isinstance(running.simulator, Simulator)
    return running.simulator


def status_of(running: Live, market_id: str) -> str | None:
    market = running.parser.markets.get(market_id)
    return None if market is None else market.status


async def test_new_and_resolved_markets_are_noticed(tmp_path: Path) -> None:
    async with live("polymarket", tmp_path, polymarket_markets_refresh_seconds=0.3) as running:
        await running.until(lambda: len(running.kept.ticks) > 100)
        venue = venue_of(running)
        fresh = venue.add_market(8, slug="btc-updown-5m-1790000000")
        await venue.announce(fresh)
        old = next(iter(venue.markets.values()))
        await venue.resolve(old, winner=1)
        await running.until(lambda: status_of(running, old.condition_id) == "resolved")
        await running.until(
            lambda: any(tick.market_id == fresh.condition_id for tick in running.kept.ticks)
        )
        followed = {token.token_id for token in old.tokens}
        await running.until(
            lambda: (
                not any(client.state.get("tokens", set()) & followed for client in venue.clients)
            )
        )
        await running.settle()
        assert running.parser.markets[old.condition_id].resolution == "No"
        assert {
            book.trusted for book in running.parser.books() if book.market_id == old.condition_id
        } == {False}


async def test_a_market_resolved_while_nobody_listened(tmp_path: Path) -> None:
    async with live("polymarket", tmp_path, polymarket_markets_refresh_seconds=0.3) as running:
        await running.until(lambda: len(running.kept.ticks) > 50)
        market = next(iter(venue_of(running).markets.values()))
        market.closed, market.winner = True, market.tokens[0].token_id
        await running.until(lambda: status_of(running, market.condition_id) == "resolved")
        assert running.parser.markets[market.condition_id].resolution == "Yes"


async def test_tokens_without_a_snapshot_are_read_by_rest(tmp_path: Path) -> None:
    """Above its limit the venue sends changes but no snapshots, and doesn't say so."""
    running: Live
    async with live("polymarket", tmp_path, rate=0, polymarket_snapshot_seconds=0.3) as running:
        venue = venue_of(running)
        venue.snapshot_limit = 4
        await venue.drop_all()
        await running.until(lambda: bool(running.kept.ticks))
        await running.until(running.books_agree)
        assert any(frame.connection == "rest:books" for frame in running.kept.frames)
        venue.snapshot_limit = 750


async def test_silence_of_some_tokens_is_noticed(tmp_path: Path) -> None:
    """The socket lives and other tokens have data: only a comparison tells."""
    async with live("polymarket", tmp_path, polymarket_quiet_seconds=0.5) as running:
        await running.until(lambda: len(running.kept.ticks) > 100)
        venue = venue_of(running)
        market = next(iter(venue.markets.values()))
        silent = {token.token_id for token in market.tokens}
        for client in venue.clients:
            client.state["tokens"] -= silent
        await running.until(
            lambda: any(
                gap.reason == "silence" and gap.market_id == market.condition_id
                for gap in running.kept.gaps
            )
        )
        await running.settle()


async def test_silent_tokens_are_subscribed_to_anew(tmp_path: Path) -> None:
    """Else REST would be all that ever tells of them, and each time too late."""
    async with live("polymarket", tmp_path, polymarket_quiet_seconds=0.5) as running:
        await running.until(lambda: len(running.kept.ticks) > 100)
        (client,) = venue_of(running).clients
        silent = {token.token_id for token in next(iter(venue_of(running).markets.values())).tokens}
        client.state["tokens"] -= silent
        await running.until(lambda: silent <= client.state["tokens"])
        await running.settle()


async def test_announcements_do_not_keep_a_silent_socket(tmp_path: Path) -> None:
    """They come of all markets of the venue, also to a socket that tells of no book any more."""
    options = {"polymarket_quiet_seconds": 1, "polymarket_silence_seconds": 1}
    async with live("polymarket", tmp_path, **options) as running:
        await running.until(lambda: len(running.kept.ticks) > 100)
        venue = venue_of(running)
        (client,) = venue.clients
        client.state["tokens"] = Deaf()
        event = new_market(next(iter(venue.markets.values())), 1)
        for number in range(1000):
            if client not in venue.clients:
                break
            await client.send(json.dumps(event | {"condition_id": f"0x{number:064x}"}))
            await asyncio.sleep(0.02)
        assert client not in venue.clients
        await running.settle()
        assert {gap.reason for gap in running.kept.gaps} == {"silence"}


async def test_a_socket_that_does_not_answer_pings_is_given_up(tmp_path: Path) -> None:
    """Half open: no data is not suspicious in a market at rest, no PONG is."""
    options = {"polymarket_ping_seconds": 0.1, "polymarket_pong_seconds": 0.5}
    async with live("polymarket", tmp_path, rate=0, **options) as running:
        await running.until(running.books_agree)
        venue = venue_of(running)
        venue.answers_ping = False
        await running.until(lambda: any(gap.reason == "silence" for gap in running.kept.gaps))
        venue.answers_ping = True
        await running.settle()


async def test_a_silent_socket_is_given_up_if_rest_knows_more(tmp_path: Path) -> None:
    """Or does not answer either; while markets rest it is left alone."""
    async with live("polymarket", tmp_path, rate=0, polymarket_silence_seconds=0.2) as running:
        await running.until(running.books_agree)
        answers = len(running.kept.frames)
        await running.until(lambda: len(running.kept.frames) > answers + 2)
        assert running.kept.gaps == []
        venue = venue_of(running)
        running.fault("stall", seconds=1)
        await venue.act()
        await running.until(lambda: any(gap.reason == "silence" for gap in running.kept.gaps))
        await running.settle()
        seen = len(running.kept.gaps)
        running.fault("http_500", count=1000)
        await running.until(lambda: len(running.kept.gaps) > seen)
        venue.faults.http_500 = 0
        await running.settle()


async def test_a_listing_that_fails_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.polymarket.feed.RETRY_SECONDS", 0.1)
    simulator = Simulator(rate=0)
    simulator.faults.begin("http_500", 7)
    async with live("polymarket", tmp_path, simulator=simulator) as running:
        await running.until(running.books_agree)


async def test_more_markets_than_wanted(tmp_path: Path) -> None:
    async with live("polymarket", tmp_path, rate=0, polymarket_most_markets=3) as running:
        await running.until(lambda: len(running.kept.ticks) == 6)
        assert len(running.kept.markets) == 8
        assert len([*running.parser.books()]) == 6


async def test_a_new_grid_in_mid_stream(tmp_path: Path) -> None:
    async with live("polymarket", tmp_path) as running:
        await running.until(lambda: len(running.kept.ticks) > 100)
        venue = venue_of(running)
        market = next(iter(venue.markets.values()))
        await venue.change_tick_size(market, "0.001")
        await running.until(lambda: any(gap.reason == "other" for gap in running.kept.gaps))
        await running.settle()
        assert str(running.parser.markets[market.condition_id].tick_size) == "0.001"


async def test_offset_paging_where_keyset_paging_is_refused(tmp_path: Path) -> None:
    async with live("polymarket", tmp_path) as running:
        await running.until(lambda: bool(running.kept.frames))
        assert any(frame.connection == "rest:markets" for frame in running.kept.frames)
    simulator = Simulator(rate=0)
    simulator.rest.keyset = False
    async with live("polymarket", tmp_path, simulator=simulator) as running:
        await running.until(lambda: len(running.kept.markets) == 8)
        await running.until(running.books_agree)


async def test_only_the_listed_markets_are_followed(tmp_path: Path) -> None:
    simulator = Simulator(rate=0)
    first, second, *_ = simulator.markets.values()
    path = tmp_path / "markets.toml"
    names = f'[polymarket]\nmarkets = ["{first.condition_id}", "{second.slug}"]\n'
    path.write_text(names, encoding="utf-8")
    async with live(
        "polymarket", tmp_path, simulator=simulator, polymarket_markets_file=path
    ) as running:
        await running.until(lambda: len(running.kept.ticks) >= 4)
        assert {book.market_id for book in running.parser.books()} == {
            first.condition_id,
            second.condition_id,
        }


async def test_more_tokens_than_a_socket_takes(tmp_path: Path) -> None:
    async with live(
        "polymarket", tmp_path, polymarket_tokens_per_socket=6, polymarket_tokens_per_frame=2
    ) as running:
        await running.until(lambda: len(running.kept.ticks) > 100)
        assert len(venue_of(running).clients) == 3
        await running.settle()
        assert running.kept.gaps == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/book?token_id=77", 404),
        ("POST", "/books", 400),
        ("GET", "/markets/keyset?offset=5", 422),
        ("GET", "/markets/keyset?limit=101", 422),
        ("GET", "/markets/keyset?after_cursor=%21", 422),
        ("GET", "/markets?limit=x", 422),
    ],
)
async def test_the_simulator_refuses_what_the_venue_refuses(
    method: str, path: str, status: int
) -> None:
    simulator = Simulator(rate=0)
    port = await simulator.start()
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"http://127.0.0.1:{port}{path}", data=b"{") as response,
        ):
            assert response.status == status
            if status == 404:
                assert await response.text() == (
                    '{"error": "No orderbook exists for the requested token id"}'
                )
    finally:
        await simulator.stop()


async def test_a_socket_answers_pings_and_strangers_and_closes_on_long_frames() -> None:
    simulator = Simulator(rate=0)
    port = await simulator.start()
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"ws://127.0.0.1:{port}/ws/market") as socket,
        ):
            await socket.send_str("PING")
            assert await socket.receive_str(timeout=30) == "PONG"
            await socket.send_json({"assets_ids": ["77"], "type": "market"})
            assert await socket.receive_str(timeout=30) == "[]"
            await socket.send_json({"assets_ids": ["1"] * 2_000, "type": "market"})
            message = await socket.receive(timeout=30)
            assert message.type is aiohttp.WSMsgType.CLOSE
    finally:
        await simulator.stop()
