"""A Manifold on loopback: its WebSocket topics and the REST endpoints that a connector reads."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from decimal import Decimal
from typing import Any, ClassVar

from aiohttp import web

from connectors.amounts import decimal
from connectors.manifold.pricing import units_of
from echoarb.simulators.base import Client, SimulatedVenue
from echoarb.simulators.manifold import rest
from echoarb.simulators.manifold.market import Broadcast, MarketMaker

__all__ = ["Simulator"]


class Simulator(SimulatedVenue):
    """Serves ``/ws`` and ``/v0/...`` (PROTOCOL 3 and 6)."""

    platform: ClassVar[str] = "manifold"

    def __init__(
        self,
        *,
        rate: float = 50.0,
        seed: int = 1,
        silent_seconds: float = 60.0,
        drift_seconds: float = 120.0,
    ) -> None:
        """``silent_seconds``: sockets from which no message came for so long are cut, at a check
        that is as far apart. ``drift_seconds``: pause between moves that no message tells."""
        super().__init__(rate=rate, seed=seed)
        self.maker = MarketMaker(seed, random.Random(f"{seed}/manifold"), self.now_ms())
        self._silent_seconds = silent_seconds
        self._drift_seconds = drift_seconds
        self._jobs: list[asyncio.Task[None]] = []
        router = self.app.router
        router.add_get("/ws", self.socket)
        router.add_get("/v0/markets", self._markets)
        router.add_get("/v0/search-markets", self._search)
        router.add_get("/v0/market-probs", self._probs)
        router.add_get("/v0/bets", self._bets)
        router.add_get("/v0/market/{id}", self._market)
        router.add_get("/v0/market/{id}/prob", self._prob)
        router.add_get("/v0/slug/{slug}", self._market)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen and begin to act; return the port."""
        taken = await super().start(host, port)
        self._jobs = [asyncio.create_task(self._sweep())]
        if self.rate > 0:
            self._jobs.append(asyncio.create_task(self._drift()))
        return taken

    async def pause(self) -> None:
        """Stop acting, drift included."""
        await super().pause()
        await _end(self._jobs[1:])

    async def stop(self) -> None:
        """Stop acting, close every socket and the server."""
        await _end(self._jobs)
        await super().stop()

    async def act(self) -> None:
        """Let one thing happen and broadcast it."""
        await self.broadcast(self.maker.act(self.now_ms()))
        if self.faults.take("slow_reader"):
            # What the venue's library does with a socket that takes nothing: terminate, no close.
            for client in self.clients[:1]:
                await client.cut()

    async def broadcast(self, broadcasts: list[Broadcast]) -> None:
        """Send to whoever subscribed to one of the topics, once for each of them."""
        for topics, data in broadcasts:
            for topic in topics:
                text = ""
                for client in [*self.clients]:
                    if topic in client.state.get("topics", ()):
                        text = text or rest.dumps(
                            {"type": "broadcast", "topic": topic, "data": data}
                        )
                        await client.send(text)

    async def opened(self, client: Client) -> None:
        """A fresh socket follows nothing."""
        client.state |= {"topics": set(), "seen": time.monotonic()}

    async def received(self, client: Client, text: str) -> None:
        """Answer every message with one ack."""
        await client.send(rest.dumps(self._ack(client, text)), data=False)

    def books(self) -> list[dict[str, Any]]:
        """Return every outcome's price, in the form of ``decode --what books``."""
        return [
            {
                "market_id": contract.id,
                "outcome_id": contract.id if outcome == "prob" else outcome,
                "bids": [[_text(price), None]],
                "asks": [[_text(price), None]],
            }
            for contract in self.maker.contracts.values()
            for outcome, price in contract.probs().get("answerProbs", contract.probs()).items()
        ]

    def refusal(self, request: web.Request) -> web.Response | None:
        """Reads need no key at this venue; the fault stands for whatever refuses in front."""
        if self.faults.lasting("bad_key"):
            return web.json_response({"message": "Forbidden"}, status=403)
        return None

    def too_many_requests(self) -> web.Response:
        """The wait is in the text only, not in a header."""
        message = "Rate limit exceeded. Please wait 1 seconds before trying again."
        return web.json_response({"message": message}, status=429)

    def _ack(self, client: Client, text: str) -> dict[str, Any]:
        refused = {"type": "ack", "success": False}
        try:
            message = json.loads(text, parse_constant=_no_json)
        except (ValueError, RecursionError):
            return refused | {"error": "Message was not valid UTF-8 encoded JSON."}
        if not _fits(message):
            return refused | {"error": "Error parsing message."}
        client.state["seen"] = time.monotonic()
        if message["type"] == "subscribe":
            client.state["topics"].update(message["topics"])
        elif message["type"] == "unsubscribe":
            client.state["topics"].difference_update(message["topics"])
        return {"type": "ack", "txid": message["txid"], "success": True}

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self._silent_seconds)
            for client in [*self.clients]:
                if time.monotonic() - client.state["seen"] > self._silent_seconds:
                    await client.cut()

    async def _drift(self) -> None:
        while True:
            await asyncio.sleep(self._drift_seconds)
            self.maker.drift()

    async def _markets(self, request: web.Request) -> web.Response:
        return rest.answer(lambda: rest.markets(self.maker, request.query))

    async def _search(self, request: web.Request) -> web.Response:
        return rest.answer(lambda: rest.search(self.maker, request.query, self.now_ms()))

    async def _probs(self, request: web.Request) -> web.Response:
        return rest.answer(lambda: rest.probs(self.maker, request.query))

    async def _bets(self, request: web.Request) -> web.Response:
        return rest.answer(lambda: rest.bets(self.maker, request.query))

    async def _market(self, request: web.Request) -> web.Response:
        names = request.match_info
        return rest.answer(
            lambda: rest.market(self.maker, names.get("id"), names.get("slug")).lite(answers=True)
        )

    async def _prob(self, request: web.Request) -> web.Response:
        return rest.answer(lambda: rest.market(self.maker, request.match_info["id"]).probs())


def _no_json(word: str) -> None:
    raise ValueError(f"{word} is Python's, not JSON")


def _fits(message: Any) -> bool:
    if not isinstance(message, dict):
        return False
    txid, kind = message.get("txid"), message.get("type")
    if not isinstance(txid, int | float) or isinstance(txid, bool) or not abs(txid) < 2**1023:
        return False
    if kind in ("subscribe", "unsubscribe"):
        topics = message.get("topics")
        return isinstance(topics, list) and all(isinstance(topic, str) for topic in topics)
    return kind == "ping" or (kind == "identify" and isinstance(message.get("uid"), str))


def _text(price: float) -> str:
    return format(decimal(units_of(Decimal(repr(price)))), "f")


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError):
            await task
