"""The simulated Kalshi speaks and refuses as the venue does."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from connectors.kalshi import sign
from echoarb.simulators.kalshi import Simulator, simulator
from schemas.clock import now_us
from tests.venues.kalshi.recordings import TAPES

KEY = ed25519.Ed25519PrivateKey.generate()
SOCKET = "/trade-api/ws/v2"
A, B = "KXRATECUT-29DEC31-Y", "KXWHEATPRICE-29DEC31-Y"


class Talk:
    """One signed socket."""

    def __init__(self, venue: Simulator, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.venue = venue
        self.socket = socket

    async def say(self, cmd: str, number: int | None = 1, **params: Any) -> None:
        command: dict[str, Any] = {"cmd": cmd} | ({} if number is None else {"id": number})
        await self.socket.send_json(command | ({"params": params} if params else {}))

    async def hear(self) -> dict[str, Any]:
        text = await self.socket.receive_str(timeout=30)
        assert text.endswith("}\n")
        heard: dict[str, Any] = json.loads(text)
        return heard

    async def ask(self, cmd: str, **params: Any) -> dict[str, Any]:
        await self.say(cmd, **params)
        return await self.hear()


def signed(path: str, key_id: str = "an-id") -> dict[str, str]:
    return sign.headers(key_id, KEY, now_us() // 1000, "GET", path)


@pytest.fixture
async def venue(tmp_path: Path) -> AsyncIterator[Simulator]:
    path = tmp_path / "public.pem"
    path.write_bytes(
        KEY.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    started = Simulator(rate=0, public_key=path, key_id="an-id")
    await started.start()
    yield started
    await started.stop()


@asynccontextmanager
async def talking(venue: Simulator, **options: Any) -> AsyncIterator[Talk]:
    url = f"http://127.0.0.1:{venue.port}{SOCKET}"
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, headers=signed(SOCKET), **options) as socket,
    ):
        yield Talk(venue, socket)


async def get(venue: Simulator, path: str, **options: Any) -> tuple[int, dict[str, str], Any]:
    url = f"http://127.0.0.1:{venue.port}{path}"
    async with aiohttp.ClientSession() as session, session.get(url, **options) as response:
        return response.status, dict(response.headers), await response.json()


async def test_a_socket_needs_a_right_signature(venue: Simulator) -> None:
    url = f"http://127.0.0.1:{venue.port}{SOCKET}"
    async with aiohttp.ClientSession() as session:
        for headers in ({}, signed("/other"), signed(SOCKET, "other")):
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await session.ws_connect(url, headers=headers)
            assert caught.value.status == 401
    assert (await get(venue, SOCKET))[2] == {"code": "token_authentication_failure"}


async def test_sids_numbers_and_the_order_of_answers(venue: Simulator) -> None:
    async with talking(venue) as talk:
        await talk.say("subscribe", channels=["orderbook_delta", "trade"], market_tickers=[A, B])
        assert await talk.hear() == {
            "type": "subscribed",
            "id": 1,
            "msg": {"channel": "orderbook_delta", "sid": 1},
        }
        books = [await talk.hear(), await talk.hear()]
        assert [(book["type"], book["sid"], book["seq"]) for book in books] == [
            ("orderbook_snapshot", 1, 1),
            ("orderbook_snapshot", 1, 2),
        ]
        assert (await talk.hear())["msg"] == {"channel": "trade", "sid": 2}
        # A second subscribe extends the first, takes a number, and sends new markets only.
        third = next(ticker for ticker in venue.markets if ticker not in (A, B))
        ok = await talk.ask("subscribe", channels=["orderbook_delta"], market_tickers=[A, third])
        assert (ok["type"], ok["sid"], ok["seq"]) == ("ok", 1, 3)
        assert ok["msg"]["market_tickers"] == sorted([A, B, third])
        assert (await talk.hear())["msg"]["market_ticker"] == third
        asked = await talk.ask(
            "update_subscription", sids=[1], market_tickers=[B], action="get_snapshot"
        )
        assert (asked["type"], asked["id"], asked["seq"]) == ("orderbook_snapshot", 1, 5)
        ok = await talk.ask(
            "update_subscription", sid=1, market_tickers=[third], action="delete_markets"
        )
        assert ok["msg"]["market_tickers"] == sorted([A, B])
        listed = await talk.ask("list_subscriptions")
        assert listed["msg"] == [
            {"channel": "orderbook_delta", "sid": 1},
            {"channel": "trade", "sid": 2},
        ]
        assert await talk.ask("unsubscribe", sids=[1]) == {
            "id": 1,
            "sid": 1,
            "seq": 7,
            "type": "unsubscribed",
        }
        again = await talk.ask("subscribe", channels=["orderbook_delta"], market_ticker=A)
        assert again["msg"]["sid"] == 3
        assert (await talk.hear())["seq"] == 1


@pytest.mark.parametrize(
    ("cmd", "params", "code"),
    [
        ("dance", {"channels": ["trade"]}, 5),
        ("subscribe", {}, 2),
        ("subscribe", {"market_ticker": A}, 3),
        ("subscribe", {"channels": ["ticker_v2"]}, 8),
        ("subscribe", {"channels": ["orderbook_delta"]}, 14),
        ("subscribe", {"channels": ["trade"], "colour": "red"}, 11),
        ("subscribe", {"channels": ["trade"], "market_tickers": "A"}, 11),
        ("unsubscribe", {"channels": ["trade"]}, 4),
        ("unsubscribe", {"sids": [9]}, 7),
        ("update_subscription", {"sids": [1, 2], "action": "add_markets"}, 12),
        ("update_subscription", {"sids": [9], "action": "add_markets"}, 7),
    ],
)
async def test_commands_that_the_venue_refuses(
    venue: Simulator, cmd: str, params: dict[str, Any], code: int
) -> None:
    async with talking(venue) as talk:
        error = await talk.ask(cmd, **params)
        assert (error["type"], error["id"], error["msg"]["code"]) == ("error", 1, code)


async def test_other_refusals(venue: Simulator) -> None:
    async with talking(venue) as talk:
        for text in ("garbage", "[" * 5000, '{"id":"1","cmd":"list_subscriptions"}'):
            await talk.socket.send_str(text)
            assert (await talk.hear())["msg"] == {"code": 1, "msg": "Unable to process message"}
        # One unknown channel does not spoil the others (recorded on 2026-04-18).
        await talk.say("subscribe", channels=["trade", "nonsense"], market_ticker=A)
        assert (await talk.hear())["type"] == "subscribed"
        assert (await talk.hear())["msg"]["code"] == 8
        # A subscription's error has sid and seq and no id (recorded on 2026-08-17).
        error = await talk.ask(
            "update_subscription", sids=[1], market_tickers=[A], action="get_snapshot"
        )
        assert error == {
            "type": "error",
            "sid": 1,
            "seq": 1,
            "msg": {"code": 13, "msg": "Unsupported action"},
        }
        venue.limits.markets_per_subscription = 1
        error = await talk.ask("subscribe", channels=["orderbook_delta"], market_tickers=[A, B])
        assert error["msg"]["code"] == 26
        venue.limits.commands_per_second = 0
        assert (await talk.ask("list_subscriptions"))["msg"]["code"] == 27


async def test_frames_have_the_recorded_keys_in_the_recorded_order(
    venue: Simulator, venues: Path
) -> None:
    recorded: dict[str, tuple[list[str], list[str]]] = {}
    with gzip.open(venues / "kalshi" / TAPES[0], "rt") as lines:
        for line in lines:
            said = json.loads(line)["event"]
            recorded.setdefault(said["type"], (list(said), list(said["msg"])))
    seen: dict[str, tuple[list[str], list[str]]] = {}
    async with talking(venue) as talk:
        everything = [*venue.markets]
        await talk.ask("subscribe", channels=["trade"], market_tickers=everything)
        await talk.ask("subscribe", channels=["orderbook_delta"], market_tickers=everything)
        for _ in range(60):
            await venue.act()
        while not seen.keys() >= recorded.keys():
            said = await talk.hear()
            seen.setdefault(said["type"], (list(said), list(said["msg"])))
    # Newer than the tapes: sending_ts_ms on all frames, is_block_trade in trades (PROTOCOL 3.7, 4).
    for kind, (outer, inner) in recorded.items():
        assert [key for key in seen[kind][0] if key != "sending_ts_ms"] == outer
        assert [key for key in seen[kind][1] if key != "is_block_trade"] == inner


async def test_an_empty_side_is_absent_and_a_close_empties_the_book(venue: Simulator) -> None:
    async with talking(venue) as talk:
        await talk.ask("subscribe", channels=["orderbook_delta"], market_ticker=A)
        full = await talk.hear()
        assert {"yes_dollars_fp", "no_dollars_fp"} <= full["msg"].keys()
        for side in ("yes", "no"):
            prices = [price for price, _ in full["msg"][f"{side}_dollars_fp"]]
            assert prices == sorted(prices)
        await talk.ask("subscribe", channels=["market_lifecycle_v2"])
        await venue.close_market(A, "no")
        heard = [await talk.hear() for _ in range(4)]
        types = [said["msg"].get("event_type", said["type"]) for said in heard]
        assert types == ["close_date_updated", "orderbook_snapshot", "determined", "settled"]
        assert heard[1]["msg"].keys() == {"market_ticker", "market_id"}
        assert heard[2]["msg"]["settlement_value"] == "0.0000"
    _, _, body = await get(venue, f"/trade-api/v2/markets/{A}/orderbook")
    assert body == {"orderbook_fp": {"no_dollars": [], "yes_dollars": []}}


async def test_no_bids_at_yes_prices_for_who_asks(venue: Simulator) -> None:
    async with talking(venue) as talk:
        await talk.ask(
            "subscribe", channels=["orderbook_delta"], market_ticker=A, use_yes_price=True
        )
        message = (await talk.hear())["msg"]
        yes = [float(price) for price, _ in message["yes_dollars_fp"]]
        no = [float(price) for price, _ in message["no_dollars_fp"]]
        assert min(no) > max(yes)


async def test_the_heartbeat_is_a_protocol_ping(
    venue: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulator, "HEARTBEAT_SECONDS", 0.02)
    async with talking(venue, autoping=False) as talk:
        message = await talk.socket.receive(timeout=30)
        assert (message.type, message.data) == (aiohttp.WSMsgType.PING, b"heartbeat")


async def test_rest_pages_filters_and_refusals(venue: Simulator) -> None:
    base = "/trade-api/v2"
    status, _, first = await get(venue, f"{base}/markets?limit=3&status=open")
    assert (status, len(first["markets"])) == (200, 3)
    tickers, cursor = [item["ticker"] for item in first["markets"]], first["cursor"]
    while cursor:
        _, _, page = await get(venue, f"{base}/markets?limit=3&status=open&cursor={cursor}")
        tickers += [item["ticker"] for item in page["markets"]]
        cursor = page["cursor"]
    assert sorted(tickers) == sorted(venue.markets)
    await venue.close_market(A, "yes")
    _, _, settled = await get(venue, f"{base}/markets?status=settled")
    assert [item["ticker"] for item in settled["markets"]] == [A]
    assert settled["markets"][0]["status"] == "finalized"
    _, _, two = await get(venue, f"{base}/markets?tickers={A},{B}")
    assert {item["ticker"] for item in two["markets"]} == {A, B}
    for query in ("status=active", "limit=0", "limit=1001", "cursor=%25"):
        assert (await get(venue, f"{base}/markets?{query}"))[0] == 400
    assert (await get(venue, f"{base}/markets/NONE"))[0] == 404
    assert (await get(venue, f"{base}/markets/{A}"))[2]["market"]["result"] == "yes"
    # A key is not needed, but a wrong one is refused.
    wrong = await get(venue, f"{base}/markets", headers=signed("/elsewhere"))
    assert wrong[0] == 401
    assert wrong[2] == {"code": "token_authentication_failure"}
    assert (await get(venue, f"{base}/markets", headers=signed(f"{base}/markets")))[0] == 200


async def test_rest_books_and_trades(venue: Simulator) -> None:
    base = "/trade-api/v2"
    for _ in range(80):
        await venue.act()
    _, _, both = await get(venue, f"{base}/markets/orderbooks?tickers={A}&tickers={B}")
    assert [book["ticker"] for book in both["orderbooks"]] == [A, B]
    _, _, none = await get(venue, f"{base}/markets/orderbooks?tickers={A},{B}")
    assert none == {"orderbooks": []}
    _, _, trades = await get(venue, f"{base}/markets/trades?limit=5")
    # As times: the venue trims zeros, so as texts 30.6 s would come after 30.601 s.
    times = [datetime.fromisoformat(trade["created_time"]) for trade in trades["trades"]]
    assert len(times) == 5
    assert trades["cursor"]
    assert times == sorted(times, reverse=True)
    assert (await get(venue, f"{base}/exchange/status"))[2]["exchange_active"] is True


async def test_too_many_requests_as_recorded(venue: Simulator) -> None:
    venue.faults.begin("http_429", 1)
    status, headers, body = await get(venue, "/trade-api/v2/markets")
    assert status == 429
    assert "Retry-After" not in headers
    assert body == {"error": {"code": "too_many_requests", "message": "too many requests"}}
