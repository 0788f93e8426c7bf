"""The edge against the simulated venue: what a reconnect, a drift and a list of markets need."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from connectors.manifold import feed as edge
from connectors.manifold.settings import ManifoldSettings
from connectors.pipeline import Pipeline
from connectors.settings import ConnectorSettings
from connectors.venues import venue
from echoarb.simulators.manifold import Simulator
from tests.venues.live import Kept, Live, live


def maker_of(running: Live) -> Simulator:
    assert isinstance(running.simulator, Simulator)
    return running.simulator


async def test_what_a_reconnect_missed_is_read_again_under_the_same_ids(tmp_path: Path) -> None:
    """A second feed that was never cut off saw all of it."""
    async with live("manifold", tmp_path, rate=200) as running:
        simulator = maker_of(running)
        kept = Kept()
        parts = venue("manifold")
        settings = ConnectorSettings.load(backoff_first_seconds=1)
        address = f"127.0.0.1:{simulator.port}"
        options = ManifoldSettings(
            manifold_rest_url=f"http://{address}/v0", manifold_ws_url=f"ws://{address}/ws"
        )
        async with aiohttp.ClientSession() as session:
            pipeline = Pipeline(parts.new_parser(), kept.records.append)
            other = asyncio.create_task(parts.new_feed(settings, options, pipeline, session).run())
            await running.until(lambda: min(len(kept.ticks), len(running.kept.ticks)) > 100)
            started = max(kept.ticks[0].ingest_ts, running.kept.ticks[0].ingest_ts)
            for place in (0, -1):  # the first to connect, then the last
                closed = len(running.kept.gaps)
                await simulator.clients[place].cut()
                await running.until(lambda before=closed: len(running.kept.gaps) >= before + 2)
                await running.until(lambda: not running.open_gaps())
            await running.settle()
            other.cancel()
            await asyncio.gather(other, return_exceptions=True)
        trades = [
            {
                tick.tick_id
                for tick in each.ticks
                if tick.kind == "trade" and (tick.source_ts or 0) > started + 100_000
            }
            for each in (kept, running.kept)
        ]
        assert trades[0] == trades[1]
        assert len(trades[0]) > 100


async def test_bets_that_the_stream_swallowed_are_found(tmp_path: Path) -> None:
    async with live("manifold", tmp_path, rate=0, manifold_settle_seconds=0) as running:
        simulator = maker_of(running)
        await running.until(running.books_agree)
        contract = next(each for each in simulator.maker.contracts.values() if each.pool)
        await simulator.broadcast(simulator.maker.bet(contract, simulator.now_ms()))
        lost = simulator.maker.bet(contract, simulator.now_ms())
        await simulator.broadcast(simulator.maker.bet(contract, simulator.now_ms()))
        await running.until(lambda: bool(running.kept.gaps))
        await running.until(lambda: not running.open_gaps())
        assert {gap.reason for gap in running.kept.gaps} == {"book_mismatch"}
        assert {gap.market_id for gap in running.kept.gaps} == {contract.id}
        assert lost
        rows = [row for row in simulator.maker.bets if not row["isRedemption"]]
        traded = [tick for tick in running.kept.ticks if tick.kind == "trade"]
        assert len(traded) == len([row for row in rows if row["amount"]]) == 3


async def test_a_drift_is_seen_by_the_sweep(tmp_path: Path) -> None:
    async with live("manifold", tmp_path, rate=0, manifold_sweep_seconds=0.1) as running:
        await running.until(running.books_agree)
        simulator = maker_of(running)
        before = len(running.kept.ticks)
        simulator.maker.drift()
        assert not running.books_agree()
        await running.until(running.books_agree)
        (tick,) = running.kept.ticks[before:]
        assert (tick.kind, tick.source_ts) == ("quote", None)
        assert running.kept.gaps == []


async def test_only_listed_markets_are_followed_by_topics_of_their_own(tmp_path: Path) -> None:
    simulator = Simulator(rate=0)
    wanted = [*simulator.maker.contracts.values()]
    listed = tmp_path / "markets.toml"
    wanted[8].slug = "oneword"
    names = [wanted[0].id, wanted[8].slug, "nobody", "no-such-slug"]
    listed.write_text(f"[manifold]\nmarkets = {names!r}\n")
    options = {"simulator": simulator, "manifold_markets_file": listed}
    async with live("manifold", tmp_path, rate=0, **options) as running:
        simulator = maker_of(running)
        chosen = {wanted[0].id, wanted[8].id}
        await running.until(lambda: bool(simulator.clients))
        await running.until(lambda: len(simulator.clients[0].state["topics"]) == 10)
        await running.until(lambda: not running.parser.doubtful(chosen))  # type: ignore[attr-defined]
        seen = len(running.kept.ticks)
        for number in range(200):
            await simulator.broadcast(simulator.maker.act(simulator.now_ms() + number))
        await running.until(lambda: len(running.kept.ticks) > seen + 5)
        assert {tick.market_id for tick in running.kept.ticks} == chosen
        assert {market.market_id for market in running.kept.markets} == chosen


async def test_filters_choose_markets_and_what_closes_is_left(tmp_path: Path) -> None:
    options = {"manifold_term": "Will the", "manifold_markets_refresh_seconds": 0.2}
    async with live("manifold", tmp_path, rate=0, **options) as running:
        simulator = maker_of(running)
        found = [each for each in simulator.maker.contracts.values() if "Will the" in each.question]
        assert 2 <= len(found) < len(simulator.maker.contracts)
        await running.until(lambda: bool(simulator.clients))
        topics = simulator.clients[0].state["topics"]
        await running.until(lambda: len(topics) == 5 * len(found))
        simulator.maker.resolve(found[0], simulator.now_ms())  # and nobody is told
        await running.until(lambda: len(topics) == 5 * (len(found) - 1))
        await running.until(lambda: running.parser.markets[found[0].id].status == "resolved")


async def test_a_market_that_closed_is_read_again_until_it_is_resolved(tmp_path: Path) -> None:
    """Markets close by their time first, and then nothing is subscribed to that would tell."""
    simulator = Simulator(rate=0)
    options = {
        "simulator": simulator,
        "manifold_term": "Will the",
        "manifold_markets_refresh_seconds": 0.2,
        "manifold_sweep_seconds": 0.2,
    }
    closing, other = [
        each for each in simulator.maker.contracts.values() if "Will the" in each.question
    ][:2]
    closing.created_ms += simulator.now_ms() + 1500 - closing.close_ms
    async with live("manifold", tmp_path, rate=0, **options) as running:
        markets = running.parser.markets
        await running.until(lambda: closing.id in markets)
        assert markets[closing.id].status == "open"
        await running.until(lambda: markets[closing.id].status == "closed")
        await running.until(lambda: bool(simulator.clients))
        topics = simulator.clients[0].state["topics"]
        await running.until(lambda: f"contract/{closing.id}" not in topics)
        assert f"contract/{other.id}" in topics
        await asyncio.sleep(0.5)
        simulator.maker.resolve(closing, simulator.now_ms())  # and nobody is told
        await running.until(lambda: markets[closing.id].status == "resolved")


async def test_markets_no_longer_listed_are_read_again_in_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that the venue never gives again must not keep the others from being read."""

    class Forgetful(Simulator):
        gone: str = ""

        async def _market(self, request: web.Request) -> web.Response:
            if request.match_info.get("id") == self.gone:
                return web.json_response({"message": "Contract not found"}, status=404)
            return await super()._market(request)

        async def _search(self, request: web.Request) -> web.Response:
            kept = dict(self.maker.contracts)
            self.maker.contracts.pop(self.gone, None)
            try:
                return await super()._search(request)
            finally:
                self.maker.contracts = kept

    monkeypatch.setattr(edge, "MOST_REVISITED", 1)
    simulator = Forgetful(rate=0)
    options = {"simulator": simulator, "manifold_markets_refresh_seconds": 0.1}
    async with live("manifold", tmp_path, rate=0, **options) as running:
        await running.until(running.books_agree)
        first, second = [*running.parser.markets][:2]
        simulator.gone = first
        await asyncio.sleep(0.3)
        simulator.maker.resolve(simulator.maker.contracts[second], simulator.now_ms())
        await running.until(lambda: running.parser.markets[second].status == "resolved")


async def test_a_new_market_is_followed_at_once_and_a_missed_one_after_the_listing(
    tmp_path: Path,
) -> None:
    async with live("manifold", tmp_path, rate=0) as running:
        await running.until(running.books_agree)
        simulator = maker_of(running)
        await simulator.broadcast(simulator.maker.create(simulator.now_ms()))
        await running.until(running.books_agree)
        simulator.maker.create(simulator.now_ms())  # and nobody is told
        await simulator.drop_all()
        await running.until(running.books_agree)
        assert len(running.parser.markets) == len(simulator.maker.contracts)


async def test_a_ping_that_is_not_acknowledged_ends_the_connection(tmp_path: Path) -> None:
    class Mute(Simulator):
        deaf = False

        async def received(self, client: object, text: str) -> None:
            if not (self.deaf and "ping" in text):
                await super().received(client, text)  # type: ignore[arg-type]

    options = {"manifold_ping_seconds": 0.1, "manifold_ack_seconds": 0.3}
    async with live("manifold", tmp_path, rate=0, **options) as running:
        simulator = maker_of(running)
        await running.until(running.books_agree)
        simulator.__class__ = Mute
        simulator.deaf = True  # type: ignore[attr-defined]
        await running.until(lambda: bool(running.kept.gaps))
        simulator.deaf = False  # type: ignore[attr-defined]
        assert running.kept.gaps[0].reason == "silence"
        assert "ping" in (running.kept.gaps[0].detail or "")
        await running.until(lambda: not running.open_gaps())
        await running.until(running.books_agree)


async def test_a_venue_that_takes_few_ids_is_asked_for_fewer(tmp_path: Path) -> None:
    """PROTOCOL 9: whether 100 ids in brackets pass the venue's query parser is not known."""

    class Narrow(Simulator):
        async def _probs(self, request: web.Request) -> web.Response:
            if len(request.query.getall("ids[]", [])) > 20:
                error = {"field": "ids", "error": "Expected array, received object"}
                body = {"message": "Error validating request.", "details": [error]}
                return web.json_response(body, status=400)
            return await super()._probs(request)

    simulator = Narrow(rate=0)
    for number in range(30):
        simulator.maker._add(f"more-{number}", f"More {number}?", [number], simulator.now_ms())
    port = await simulator.start()
    parts = venue("manifold")
    kept = Kept()
    parser = parts.new_parser()
    options = ManifoldSettings(
        manifold_rest_url=f"http://127.0.0.1:{port}/v0",
        manifold_ws_url=f"ws://127.0.0.1:{port}/ws",
    )
    running = Live(simulator, parser, kept)
    async with aiohttp.ClientSession() as session:
        feed = parts.new_feed(
            ConnectorSettings.load(), options, Pipeline(parser, kept.records.append), session
        )
        running.following = asyncio.create_task(feed.run())
        await running.until(running.books_agree, 30)
        running.following.cancel()
        await asyncio.gather(running.following, return_exceptions=True)
    await simulator.stop()
    assert len(parser.markets) == len(simulator.maker.contracts)


async def test_silence_without_a_bet_anywhere_is_no_fault(tmp_path: Path) -> None:
    async with live("manifold", tmp_path, rate=0, manifold_silence_seconds=0.2) as running:
        await running.until(running.books_agree)
        simulator = maker_of(running)
        client = simulator.clients[0]
        asked = [frame for frame in running.kept.frames if frame.rest == "bets"]
        await running.until(
            lambda: (
                len([each for each in running.kept.frames if each.rest == "bets"]) > len(asked) + 3
            )
        )
        assert simulator.clients == [client]
        assert running.kept.gaps == []
        # A bet that the socket does not tell is the difference.
        contract = next(each for each in simulator.maker.contracts.values() if each.pool)
        simulator.maker.bet(contract, simulator.now_ms())
        await running.until(lambda: bool(running.kept.gaps))
        assert running.kept.gaps[0].reason == "silence"
        await running.until(lambda: not running.open_gaps())
        await running.until(running.books_agree)


async def test_a_lame_socket_beside_a_lively_one_is_noticed(tmp_path: Path) -> None:
    """What the other socket tells is newer than what this one keeps to itself."""
    wanted = [*Simulator(rate=0).maker.contracts.values()][:2]
    listed = tmp_path / "markets.toml"
    listed.write_text(f"[manifold]\nmarkets = {[each.id for each in wanted]!r}\n")
    options = {
        "manifold_markets_file": listed,
        "manifold_topics_per_socket": 5,
        "manifold_silence_seconds": 0.3,
        "manifold_sweep_seconds": 600,
    }
    async with live("manifold", tmp_path, rate=0, **options) as running:
        simulator = maker_of(running)
        lame, lively = (simulator.maker.contracts[each.id] for each in wanted)
        await running.until(lambda: len(simulator.clients) == 2)
        await running.until(lambda: not running.parser.doubtful([lame.id, lively.id]))  # type: ignore[attr-defined]
        # Each was heard of once.
        for contract in (lame, lively):
            await simulator.broadcast(simulator.maker.bet(contract, simulator.now_ms()))
        await running.until(lambda: [each.kind for each in running.kept.ticks].count("trade") == 2)
        simulator.maker.bet(lame, simulator.now_ms())  # and nobody is told

        async def go_on() -> None:
            while True:
                told = simulator.maker.bet(lively, simulator.now_ms() + 1)
                while simulator.maker.bets[-1]["contractId"] == lively.id:
                    simulator.maker.bets.pop()  # REST lags: else it may tell before the socket
                await simulator.broadcast(told)
                await asyncio.sleep(0.05)

        going = asyncio.create_task(go_on())
        try:
            await running.until(lambda: bool(running.kept.gaps))
        finally:
            going.cancel()
        assert running.kept.gaps[0].reason == "silence"


async def test_bets_of_the_time_before_the_start_are_not_told(tmp_path: Path) -> None:
    simulator = Simulator(rate=0)
    contract = next(each for each in simulator.maker.contracts.values() if each.pool)
    simulator.maker.bet(contract, simulator.now_ms() - 3_600_000)
    options = {"simulator": simulator, "manifold_silence_seconds": 0.2}
    async with live("manifold", tmp_path, rate=0, **options) as running:
        await running.until(running.books_agree)
        await asyncio.sleep(1)  # several looks at what is silent
        assert [tick for tick in running.kept.ticks if tick.kind == "trade"] == []
        assert running.kept.gaps == []
