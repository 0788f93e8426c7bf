"""A venue's feed against its simulator, in this process: what a connector does, less Kafka."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from connectors.contract import Parser
from connectors.events import Frame, Record
from connectors.pipeline import Pipeline
from connectors.settings import ConnectorSettings
from connectors.venues import venue
from echoarb.commands.decode import plain_book
from echoarb.simulators.base import SimulatedVenue
from echoarb.simulators.faults import FaultKind
from schemas.gap import Gap
from schemas.market import Market
from schemas.settings import Settings
from schemas.tick import Tick

KEY_ID = "00000000-0000-4000-8000-000000000001"


class Kept:
    """Keeps what passes: every frame as captured, every record as published."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.records: list[Record] = []

    def write(self, frame: Frame) -> None:
        self.frames.append(frame)

    @property
    def ticks(self) -> list[Tick]:
        return [record for record in self.records if isinstance(record, Tick)]

    @property
    def gaps(self) -> list[Gap]:
        return [record for record in self.records if isinstance(record, Gap)]

    @property
    def markets(self) -> list[Market]:
        return [record for record in self.records if isinstance(record, Market)]


class Live:
    """One simulator and one feed that follows it."""

    def __init__(self, simulator: SimulatedVenue, parser: Parser, kept: Kept) -> None:
        self.simulator = simulator
        self.parser = parser
        self.kept = kept
        self.following: asyncio.Task[None] | None = None

    async def until(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        """Wait until the condition holds; a feed that ends meanwhile raises what ended it."""
        async with asyncio.timeout(seconds):
            while not condition():
                assert self.following is not None
                if self.following.done():
                    self.following.result()
                    raise AssertionError("the feed ended")
                await asyncio.sleep(0.02)

    def fault(self, kind: FaultKind, count: int = 1, seconds: float = 2) -> None:
        """Arm a fault."""
        self.simulator.faults.begin(kind, count, seconds)

    def books_agree(self) -> bool:
        """Whether every book of the simulator is held, trusted and equal."""
        ours = {(book.market_id, book.outcome_id): book for book in self.parser.books()}
        for theirs in self.simulator.books():
            book = ours.get((theirs["market_id"], theirs["outcome_id"]))
            if book is None or not book.trusted:
                return False
            mine = plain_book(book)
            if mine["bids"] != theirs["bids"] or mine["asks"] != theirs["asks"]:
                return False
        return True

    async def settle(self, seconds: float = 30) -> None:
        """Let the market rest and wait until the books agree and no gap is open."""
        await self.simulator.pause()
        await self.until(self.books_agree, seconds)
        await self.until(lambda: not self.open_gaps(), seconds)

    def open_gaps(self) -> set[str]:
        """Return the ids of gaps that were opened and not closed."""
        state: dict[str, bool] = {}
        for gap in self.kept.gaps:
            state[str(gap.gap_id)] = gap.to_ts is None
        return {gap_id for gap_id, is_open in state.items() if is_open}


def write_keys(folder: Path) -> tuple[Path, Path]:
    """Write an RSA key pair; return (private, public) PEM files."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private, public = folder / "private.pem", folder / "public.pem"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return private, public


def simulator_of(platform: str, folder: Path, rate: float, seed: int = 1) -> SimulatedVenue:
    """Return the platform's simulator, not started."""
    module = importlib.import_module(f"echoarb.simulators.{platform}")
    options: dict[str, Any] = {"rate": rate, "seed": seed}
    if platform == "kalshi":
        write_keys(folder)
        options |= {"public_key": folder / "public.pem", "key_id": KEY_ID}
    simulator: SimulatedVenue = module.Simulator(**options)
    return simulator


def venue_options(platform: str, port: int, folder: Path) -> dict[str, Any]:
    """Return the settings that point a connector at its simulator, watchdogs set short."""
    http, ws = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
    if platform == "kalshi":
        return {
            "kalshi_rest_url": f"{http}/trade-api/v2",
            "kalshi_ws_url": f"{ws}/trade-api/ws/v2",
            "kalshi_key_id": KEY_ID,
            "kalshi_private_key_file": str(folder / "private.pem"),
            "kalshi_silence_seconds": 2,
        }
    if platform == "polymarket":
        return {
            "polymarket_clob_url": http,
            "polymarket_gamma_url": http,
            "polymarket_ws_url": f"{ws}/ws/market",
            "polymarket_silence_seconds": 2,
        }
    return {
        "manifold_rest_url": f"{http}/v0",
        "manifold_ws_url": f"{ws}/ws",
        "manifold_silence_seconds": 2,
        "manifold_sweep_seconds": 3,
    }


@asynccontextmanager
async def live(
    platform: str,
    folder: Path,
    rate: float = 100,
    *,
    simulator: SimulatedVenue | None = None,
    **options: Any,
) -> AsyncIterator[Live]:
    """Follow the platform's simulator, or the one given, until the block ends. ``options`` are
    venue settings."""
    simulator = simulator or simulator_of(platform, folder, rate)
    port = await simulator.start()
    parts = venue(platform)
    venue_settings: Settings = parts.settings.load(
        **venue_options(platform, port, folder) | options
    )
    settings = ConnectorSettings.load(
        backoff_first_seconds=0.05,
        backoff_cap_seconds=0.5,
        healthy_seconds=0.5,
        breaker_open_seconds=0.5,
        connect_timeout_seconds=5,
    )
    kept = Kept()
    parser = parts.new_parser()
    pipeline = Pipeline(parser, kept.records.append, kept)
    running = Live(simulator, parser, kept)
    try:
        async with aiohttp.ClientSession() as session:
            feed = parts.new_feed(settings, venue_settings, pipeline, session)
            running.following = asyncio.create_task(feed.run())
            try:
                yield running
            finally:
                running.following.cancel()
                with suppress(asyncio.CancelledError):
                    await running.following
    finally:
        await simulator.stop()
