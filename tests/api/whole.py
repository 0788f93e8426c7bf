"""The whole path under /ws/ticks: broker, sink, ClickHouse, API, and ticks that flow on it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from schemas.clock import now_us
from schemas.tick import Tick
from tests.agents.lab import Lab
from tests.api.support import Api, Broker, make_tick, read

SECONDS = 60
SILENT = 5
"""Heartbeats, 15 s apart, with nothing between them, after which nothing more will come."""
MARKETS = 40


@dataclass
class Whole:
    """The whole path: broker, sink, ClickHouse, API."""

    api: Api
    lab: Lab
    broker: Broker


def numbered(number: int, **changes: Any) -> Tick:
    """Return tick ``number``: received now, of one of the markets."""
    now = now_us()
    market = f"M{number % MARKETS}"
    names = {"market_id": market, "outcome_id": market, "sequence": number}
    return make_tick(number, **{**names, "ingest_ts": now, "emit_ts": now, **changes})


async def flow(whole: Whole, numbers: range, pause: float) -> None:
    """Publish ticks in batches of 100."""
    for first in range(numbers.start, numbers.stop, 100):
        batch = [numbered(number) for number in range(first, min(first + 100, numbers.stop))]
        await asyncio.to_thread(whole.broker.publish, *batch)
        await asyncio.sleep(pause)


class Reader:
    """A client that comes back with its last cursor."""

    def __init__(self, api: Api, **asked: Any) -> None:
        self.api = api
        self.cursor: str | None = None
        self.numbers: list[int] = []
        self.told: list[dict[str, Any]] = []
        self._asked = asked

    async def read(self, count: int, told: int = 0) -> None:
        """Connect, receive ``count`` ticks, and until something else was told ``told`` times in
        all, and cut the connection off."""
        ws = await self.api.socket()
        try:
            more = self._asked if self.cursor is None else {"resume": self.cursor}
            await ws.send_json({"type": "subscribe", "platform": "kalshi", **more})
            until = len(self.numbers) + count
            last = 0
            session = None
            silent = 0
            while len(self.numbers) < until or len(self.told) < told:
                message = json.loads(await ws.receive_str(timeout=SECONDS))
                session = session or message["session"]
                assert (message["session"], message["seq"]) == (session, last + 1)
                last += 1
                silent = silent + 1 if message["type"] == "heartbeat" else 0
                assert silent < SILENT, (len(self.numbers), until, self.told, self.cursor)
                if message["type"] == "tick":
                    self.numbers.append(message["data"]["sequence"])
                elif message["type"] not in ("welcome", "subscribed", "live", "heartbeat"):
                    self.told.append(message)
                self.cursor = message.get("cursor") or self.cursor
        finally:
            ws._response.connection.transport.abort()  # as a lost network does
            with contextlib.suppress(Exception):
                await ws.close()


def in_order_per_market(numbers: list[int]) -> bool:
    by_market: dict[int, list[int]] = defaultdict(list)
    for number in numbers:
        by_market[number % MARKETS].append(number)
    return all(found == sorted(found) for found in by_market.values())


async def until_live(ws: Any) -> list[int]:
    """Return the numbers of the ticks before ``live``."""
    found: list[int] = []
    while True:
        message = await read(ws, "welcome", "subscribed", "tick", "live", "snapshot_end")
        if message["type"] == "tick":
            found.append(message["data"]["sequence"])
        if message["type"] == "live":
            return found
