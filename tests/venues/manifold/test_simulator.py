"""The simulated Manifold says what the recordings say the venue says."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from connectors.events import Frame, Ignored, Rejected
from connectors.json import decode
from connectors.manifold.bets import read_bet
from connectors.manifold.parse import Parser
from echoarb.simulators.manifold import Simulator
from echoarb.simulators.manifold.market import MarketMaker
from schemas.tick import Tick
from tests.venues.manifold.recorded import START_US, play, ticks


@pytest.fixture
async def venue() -> AsyncIterator[Simulator]:
    """A simulator that acts only when told."""
    simulator = Simulator(rate=0)
    await simulator.start()
    yield simulator
    await simulator.stop()


@pytest.fixture
async def session(venue: Simulator) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{venue.port}") as session:
        yield session


async def get(session: aiohttp.ClientSession, path: str) -> tuple[int, Any]:
    async with session.get(path) as response:
        return response.status, json.loads(await response.text())


def requests_of(venues: Path) -> list[tuple[str, int, Any]]:
    """Return the recorded errors that a request can provoke: path, status, body."""
    errors = json.loads((venues / "manifold" / "errors" / "rest-errors.handmade.json").read_text())
    wanted = []
    for error in errors["errors"]:
        if error["when"].startswith("GET "):
            path = error["when"].split()[1].rstrip(",").replace("{", "").replace("}", "")
            wanted.append((path, error["status"], error["body"]))
    return wanted


async def test_errors_are_the_recorded_ones(venues: Path, session: aiohttp.ClientSession) -> None:
    wanted = requests_of(venues)
    assert len(wanted) == 7
    for path, status, body in wanted:
        path = path.replace("unknown bet id", "unknown").replace("unknown", "nobody")
        assert await get(session, path) == (status, body), path


async def test_a_429_says_the_wait_in_its_text_only(
    venue: Simulator, session: aiohttp.ClientSession
) -> None:
    venue.faults.begin("http_429")
    async with session.get("/v0/markets") as response:
        assert response.status == 429
        assert "Retry-After" not in response.headers
        message = (await response.json())["message"]
    assert message.startswith("Rate limit exceeded. Please wait ")


async def test_acks_are_the_recorded_ones(venues: Path, session: aiohttp.ClientSession) -> None:
    lines = (venues / "manifold" / "ws" / "acks-and-errors.handmade.jsonl").read_text()
    asked: list[str] = []
    answered: list[Any] = []
    for line in lines.splitlines():
        entry = json.loads(line)
        if entry["dir"] == "c2s":
            asked.append(entry.get("raw") or json.dumps(entry["frame"]))
        else:
            answered.append(entry["frame"])
    async with session.ws_connect("/ws") as socket:
        for text in asked:
            await socket.send_str(text)
        assert [await socket.receive_json(timeout=30) for _ in asked] == answered


async def test_what_only_python_reads_is_refused(session: aiohttp.ClientSession) -> None:
    no_json = "Message was not valid UTF-8 encoded JSON."
    sent = ['{"type":"ping","txid":NaN}', "[" * 100_000, '{"type":"ping","txid":1e999}']
    async with session.ws_connect("/ws") as socket:
        for text in sent:
            await socket.send_str(text)
        said = [await socket.receive_json(timeout=30) for _ in sent]
    assert [each["error"] for each in said] == [no_json, no_json, "Error parsing message."]
    for value in ("9" * 5000, "\N{ARABIC-INDIC DIGIT THREE}"):
        assert (await get(session, f"/v0/markets?limit={value}"))[0] == 400
    assert (await get(session, "/v0/search-markets?filter=closing-week"))[0] == 200


def test_markets_come_and_go_in_bounded_number() -> None:
    maker = MarketMaker(1, random.Random(1), START_US // 1000)
    standing = len(maker.contracts)
    ids = set(maker.contracts)
    for number in range(300):
        for _ in maker.create(START_US // 1000 + number):
            ids |= set(maker.contracts)
    assert len(ids) == standing + 300
    assert len(maker.contracts) <= standing + 10 + 100


async def test_a_socket_without_json_pings_is_cut() -> None:
    """Protocol pings do not count (PROTOCOL 6); the end comes without a close frame."""
    simulator = Simulator(rate=0, silent_seconds=0.2)
    port = await simulator.start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        silent = await session.ws_connect("/ws")
        alive = await session.ws_connect("/ws")

        async def ping() -> None:
            while True:
                await alive.send_str('{"type":"ping","txid":1}')
                await silent.ping()
                await asyncio.sleep(0.05)

        pinging = asyncio.create_task(ping())
        message = await silent.receive(timeout=30)
        assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
        assert (await alive.receive_json(timeout=30))["success"]
        pinging.cancel()
    await simulator.stop()


async def test_broadcasts_come_in_the_venues_order(
    venue: Simulator, session: aiohttp.ClientSession
) -> None:
    binary = next(each for each in venue.maker.contracts.values() if each.pool)
    several = next(each for each in venue.maker.contracts.values() if each.sums_to_one)
    topics = [
        f"contract/{each.id}{part}"
        for each in (binary, several)
        for part in ("", "/new-bet", "/orders", "/updated-answers")
    ] + ["global/new-bet", "global/updated-contract"]
    async with session.ws_connect("/ws") as socket:
        await socket.send_json({"type": "subscribe", "txid": 0, "topics": topics})
        await socket.receive_json(timeout=30)

        async def told() -> list[str]:
            await socket.send_json({"type": "ping", "txid": 1})
            found = []
            while (message := await socket.receive_json(timeout=30))["type"] != "ack":
                found.append(message["topic"].replace(binary.id, "b").replace(several.id, "s"))
            return found

        await venue.broadcast(venue.maker.bet(binary, venue.now_ms()))
        one = ["contract/b/new-bet", "global/new-bet", "contract/b", "global/updated-contract"]
        assert [topic for topic in await told() if topic != "contract/b/orders"] == one
        await venue.broadcast(venue.maker._bet_on_one_of_all(several, venue.now_ms()))
        assert await told() == [
            "contract/s/new-bet",
            "global/new-bet",
            "contract/s",
            "global/updated-contract",
            "contract/s/updated-answers",
        ]


def happenings(seed: int, count: int, **options: float) -> tuple[Simulator, list[Frame]]:
    """Return what a client of every topic hears of ``count`` happenings."""
    simulator = Simulator(rate=0, seed=seed, **options)
    frames, at_ms = [], START_US // 1000
    simulator.maker = MarketMaker(seed, random.Random(seed), at_ms)
    for number in range(count):
        at_ms += number % 3 * 50  # some in one millisecond, and in all long enough to change minds
        for topics, data in simulator.maker.act(at_ms):
            for topic in topics:
                text = json.dumps({"type": "broadcast", "topic": topic, "data": data})
                frames.append(Frame(at_ms * 1000 + 500, "ws-0/1", text))
    return simulator, frames


@pytest.mark.parametrize("seed", range(3))
def test_the_parser_knows_all_it_is_told_and_ends_at_the_true_prices(seed: int) -> None:
    simulator, frames = happenings(seed, 1500)
    parser = Parser()
    listing = [each.lite(answers=True) for each in simulator.maker.contracts.values()]
    play(parser, [Frame(START_US, "rest:markets", json.dumps(listing))])
    events = play(parser, frames)
    assert not [event for event in events if isinstance(event, Rejected)]
    kinds = {event.kind for event in events if isinstance(event, Ignored)}
    assert not [kind for kind in kinds if kind.startswith("unknown") or "disagrees" in kind]
    assert {"redemption", "resting_order", "order_filled", "order_cancelled"} <= kinds
    ours = {
        (book.market_id, book.outcome_id): book.top().bid for book in parser.books() if book.trusted
    }
    true = {
        (book["market_id"], book["outcome_id"]): round(float(book["bids"][0][0]) * 10**8)
        for book in simulator.books()
    }
    assert {key: true[key] for key in ours} == ours
    assert len(ours) >= 15
    made = [tick for tick in ticks(events) if tick.kind == "trade"]
    assert {tick.side for tick in made} == {"buy", "sell"}
    assert len({tick.tick_id for tick in made}) == len(made)


def test_every_trade_is_told_once_and_priced_between_its_ends() -> None:
    """PROTOCOL 4.4: the average price of a trade with the pool lies where the price went."""
    _, frames = happenings(7, 1500)
    parser = Parser()
    trades = {}
    for frame in frames:
        for event in parser.receive(frame):
            if isinstance(event, Tick) and event.kind == "trade":
                trades[event.tick_id] = event
    rows = {}
    for frame in frames:
        message = decode(frame.text)
        if message["topic"] == "global/new-bet":
            rows |= {row["id"]: read_bet(row) for row in message["data"]["bets"]}
    taken = [row for row in rows.values() if row.kind == "trade"]
    assert len(taken) == len(trades) > 500
    by_time: dict[tuple[str, int, str], list[Tick]] = {}
    for tick in trades.values():
        assert tick.source_ts is not None
        by_time.setdefault((tick.outcome_id, tick.source_ts, str(tick.size)), []).append(tick)
    for row in taken:
        low, high = sorted((row.before, row.after))
        size = str(abs(row.shares).quantize(next(iter(trades.values())).size or 0))
        found = by_time[(row.outcome_id, row.created_us, size)]
        assert any(low - 2 <= int((tick.price or 0) * 10**8) <= high + 2 for tick in found)


def test_answers_sum_to_one_after_every_bet() -> None:
    simulator, _ = happenings(3, 1000)
    (contract,) = [each for each in simulator.maker.contracts.values() if each.sums_to_one]
    assert abs(sum(answer.pool.probability for answer in contract.answers) - 1) < 2e-4


async def test_cursors_of_bets_are_exclusive_and_siblings_hidden(
    venue: Simulator, session: aiohttp.ClientSession
) -> None:
    at_ms = venue.now_ms()
    for number in range(60):
        venue.maker.act(at_ms + number // 4)
    _, shown = await get(session, "/v0/bets?order=asc")
    _, whole = await get(session, "/v0/bets?order=asc&includeZeroShareRedemptions=true")
    assert [row["id"] for row in whole] == [row["id"] for row in venue.maker.bets]
    assert len(shown) < len(whole)
    assert all(row["betId"] == row["id"] for row in whole)
    middle = whole[len(whole) // 2]
    query = f"/v0/bets?order=asc&includeZeroShareRedemptions=true&afterTime={middle['createdTime']}"
    _, after = await get(session, query)
    assert after == [row for row in whole if row["createdTime"] > middle["createdTime"]]
    _, newest = await get(session, f"/v0/bets?after={middle['id']}&limit=2")
    assert newest == [row for row in reversed(shown)][:2]
    assert (await get(session, "/v0/bets?limit=0"))[1] == []


async def test_listings_and_single_reads_agree(
    venue: Simulator, session: aiohttp.ClientSession
) -> None:
    _, page = await get(session, "/v0/search-markets?sort=newest&filter=open&limit=4")
    assert len(page) == 4
    last = page[-1]["createdTime"]
    _, rest = await get(session, f"/v0/search-markets?sort=newest&limit=100&beforeTime={last}")
    assert len(page) + len(rest) == len(venue.maker.contracts)
    _, everything = await get(session, "/v0/markets")
    assert [row["id"] for row in everything] == [row["id"] for row in page + rest]
    assert (await get(session, "/v0/markets?before=nobody"))[1] == everything
    for row in everything:
        _, full = await get(session, f"/v0/market/{row['id']}")
        assert (await get(session, f"/v0/slug/{row['slug']}"))[1] == full
        _, price = await get(session, f"/v0/market/{row['id']}/prob")
        query = f"/v0/market-probs?ids[]={row['id']}&ids[]=nobody"
        assert (await get(session, query))[1] == {row["id"]: price}


async def test_drift_is_seen_by_rest_only(venue: Simulator) -> None:
    before = venue.books()
    told = len(venue.maker.bets)
    venue.maker.drift()
    assert venue.books() != before
    assert len(venue.maker.bets) == told
