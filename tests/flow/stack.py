"""The whole pipeline on free ports, as `echoarb up` runs it, with hands on every part."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from echoarb.stack.infrastructure import Infrastructure
from echoarb.stack.ledger import Ledger
from echoarb.stack.pipeline import Services
from echoarb.stack.plan import Options
from echoarb.stack.ports import free_port
from echoarb.stack.supervisor import Supervisor
from schemas.clock import now_us
from schemas.topics import PLATFORMS

Top = tuple[Decimal | None, Decimal | None, Decimal | None, Decimal | None]

_LAST_QUOTES = """
SELECT outcome_id, argMax(tuple(bid, bid_size, ask, ask_size), kafka_offset)
FROM ticks WHERE kind = 'quote' AND topic_id IN {ids:Array(UUID)} GROUP BY outcome_id
"""
_OPEN_GAPS = """
SELECT count() FROM
(
    SELECT gap_id, argMax(to_ts, (kafka_offset, kafka_partition)) AS ended, any(from_ts) AS began
    FROM gaps GROUP BY gap_id
)
WHERE ended IS NULL AND began > fromUnixTimestamp64Micro({since:Int64})
"""


class Stack:
    """Everything that runs, and questions to ask of it."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.supervisor = Supervisor(print)
        self.infrastructure = Infrastructure(options, self.supervisor)
        self.services = Services(options, self.supervisor)
        self.ledger = Ledger(self.infrastructure.kafka, options.venues)
        self.http = httpx.AsyncClient(trust_env=False, timeout=10)
        self._client: Any = None

    def simulator(self, platform: str) -> str:
        """Return the URL of a simulated venue."""
        command = self.supervisor.parts[f"simulator-{platform}"].child.command
        return f"http://127.0.0.1:{command[command.index('--port') + 1]}"

    async def fault(self, kind: str, count: int = 1, seconds: float = 3) -> None:
        """Arm a fault at every simulated venue."""
        for platform in self.options.venues:
            body = {"kind": kind, "count": count, "seconds": seconds}
            answer = await self.http.post(self.simulator(platform) + "/_faults", json=body)
            assert answer.status_code == 200

    async def rate(self, per_second: float) -> None:
        """Set how often something happens at each venue; 0 lets the markets rest."""
        for platform in self.options.venues:
            answer = await self.http.post(
                self.simulator(platform) + "/_rate", json={"rate": per_second}
            )
            assert answer.status_code == 200

    def query(self, sql: str, **parameters: Any) -> list[Any]:
        """Return the rows of a query."""
        if self._client is None:
            self._client = self.infrastructure.client()
        database = self.infrastructure.clickhouse.clickhouse_database
        rows: list[Any] = self._client.query(
            sql, parameters=parameters, settings={"database": database}
        ).result_rows
        return rows

    def last_quotes(self) -> dict[str, Top]:
        """Return the newest stored quote of each outcome."""
        return dict(self.query(_LAST_QUOTES, ids=list(self.ledger.ids.values())))

    async def true_tops(self) -> dict[str, Top]:
        """Return the top of each book as the simulated venues hold it."""
        tops: dict[str, Top] = {}
        for platform in self.options.venues:
            for book in (await self.http.get(self.simulator(platform) + "/_books")).json():
                sides = [book[side][0] if book[side] else [None, None] for side in ("bids", "asks")]
                parts = [None if part is None else Decimal(part) for side in sides for part in side]
                tops[book["outcome_id"]] = (parts[0], parts[1], parts[2], parts[3])
        return tops

    async def wrong_quotes(self) -> dict[str, tuple[Top | None, Top]]:
        """Return stored and true top of each outcome whose stored quote is not the true one."""
        true = await self.true_tops()
        stored = await asyncio.to_thread(self.last_quotes)
        return {
            outcome: (stored.get(outcome), top)
            for outcome, top in true.items()
            if stored.get(outcome) != top
        }

    async def until(self, condition: Callable[[], Any], seconds: float, what: str) -> None:
        """Wait until the (awaitable) condition holds."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            result = condition()
            if asyncio.iscoroutine(result):
                result = await result
            if result:
                return
            assert asyncio.get_running_loop().time() < deadline, f"not within {seconds} s: {what}"
            await asyncio.sleep(0.2)

    async def stored(self) -> int:
        """Return the number of rows of this run's ticks."""
        sql = "SELECT count() FROM ticks WHERE topic_id IN {ids:Array(UUID)}"
        return int(
            (await asyncio.to_thread(self.query, sql, ids=[*self.ledger.ids.values()]))[0][0]
        )

    async def flowing(self, more: int = 300, seconds: float = 60) -> None:
        """Wait until ``more`` ticks have been stored from now on."""
        before = await self.stored()

        async def grown() -> bool:
            return await self.stored() >= before + more

        await self.until(grown, seconds, f"{more} more ticks stored")

    async def moment_of_flow(self) -> int:
        """Wait until ticks flow; return a moment at which they did, UTC microseconds.

        A gap begins with the last moment that could be trusted. After a rest of the markets that is
        before the rest, so a fault that follows at once seems to lie before it was armed.
        """
        await self.flowing()
        return now_us() - 1_000_000

    @asynccontextmanager
    async def resting(self) -> AsyncIterator[None]:
        """Let the markets rest meanwhile, whatever becomes of it."""
        await self.rate(0)
        try:
            yield
        finally:
            await self.rate(self.options.rate / len(self.options.venues))

    async def healed(self, seconds: float = 60) -> None:
        """Let the markets rest; every stored quote must become the true one, nothing lost or
        doubled, no gap open. Then the markets go on."""

        async def right() -> bool:
            return not await self.wrong_quotes()

        async def complete() -> bool:
            counts, dead = await asyncio.to_thread(self._count)
            assert dead == 0
            assert all(count.duplicates == 0 for count in counts.values())
            return all(count.lost == 0 for count in counts.values())

        async with self.resting():
            try:
                await self.until(right, seconds, "stored quotes are the true ones")
            except AssertionError:
                print(await self.wrong_quotes())
                raise
            await self.until(complete, 60, "everything on the topics is stored")

    def _count(self) -> Any:
        return self.ledger.count(
            self.infrastructure.client(), self.infrastructure.clickhouse.clickhouse_database
        )

    def gaps(self, since_us: int) -> dict[str, set[str]]:
        """Return the reasons of the gaps that began since then, by platform."""
        sql = (
            "SELECT platform, groupUniqArray(toString(reason)) FROM gaps "
            "WHERE from_ts >= fromUnixTimestamp64Micro({since:Int64}) GROUP BY platform"
        )
        return {platform: set(reasons) for platform, reasons in self.query(sql, since=since_us)}

    def open_gaps(self, since_us: int) -> int:
        """Return how many gaps that began since then are still open."""
        return int(self.query(_OPEN_GAPS, since=since_us)[0][0])

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a part."""
        pid = self.supervisor.parts[name].child.pid
        assert pid is not None
        os.kill(pid, number)


@asynccontextmanager
async def running(folder: Path, kafka: str = "tansu", rate: float = 150) -> AsyncIterator[Stack]:
    """Start everything and wait until ticks of every venue are stored."""
    options = Options(
        live=False,
        venues=PLATFORMS,
        rate=rate,
        seconds=None,
        kafka=kafka,
        clickhouse=None,
        registry=None,
        data_dir=folder,
        api_port=free_port(),
        metrics_port=free_port(),
        kafka_port=free_port(),
        registry_port=free_port(),
        clickhouse_port=free_port(),
        memory_limit_mb=4096,
    )
    stack = Stack(options)
    watcher = asyncio.create_task(stack.supervisor.watch())
    try:
        await stack.infrastructure.start()
        await asyncio.to_thread(stack.infrastructure.prepare)
        await asyncio.to_thread(stack.ledger.open)
        await stack.services.start_readers(stack.infrastructure.kafka)
        await stack.services.start_venues()
        await stack.flowing(100)
        yield stack
    finally:
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher
        stack.supervisor.kill_all()
        await stack.http.aclose()
