"""One run of `echoarb up`, from the first port to the summary."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
from clickhouse_connect.driver.exceptions import ClickHouseError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from echoarb.stack import topics
from echoarb.stack.findings import Findings, look
from echoarb.stack.infrastructure import Infrastructure
from echoarb.stack.ledger import Count, Ledger
from echoarb.stack.numbers import Tally, scrape
from echoarb.stack.pipeline import ANALYTICS, SINK, Services
from echoarb.stack.plan import Options, check_ports
from echoarb.stack.ports import require_free
from echoarb.stack.snapshot import Snapshot, take
from echoarb.stack.summary import build
from echoarb.stack.supervisor import Supervisor
from schemas.errors import EchoArbError, Fatal, Transient
from schemas.process import on_stop_signal

SNAPSHOT_SECONDS = 2.0
CONNECT_SECONDS = 30.0
CATCH_UP_SECONDS = 120.0
STALLED_SECONDS = 40.0
"""How long the sink may store nothing new, while something waits, before we stop waiting."""
BROKER_BACK_SECONDS = 60.0
"""How long a broker that was started again may take until topics can be made."""
WINDOW_SECONDS = 10.0
"""Latencies of the live view are of ticks received this lately."""


class Run:
    """Starts everything, watches it, ends it in order and counts what was lost."""

    def __init__(
        self, options: Options, say: Callable[[str], None], show: Callable[[Snapshot], None]
    ) -> None:
        self._options = options
        self._say = say
        self._show = show
        self._supervisor = Supervisor(say)
        self._tally = Tally()
        self._stop = asyncio.Event()
        self._snapshot: Snapshot | None = None
        self._over_memory = False

    async def __call__(self) -> tuple[dict[str, Any], int]:
        """Return the summary and the exit code. Raises Fatal, ConfigurationError, Transient."""
        options = self._options
        check_ports(options)
        for port, option in options.ports():
            require_free(port, option)
        on_stop_signal(self._interrupted)
        watcher = asyncio.create_task(self._supervisor.watch())
        try:
            return await self._run()
        finally:
            watcher.cancel()
            self._supervisor.kill_all()

    def _interrupted(self) -> None:
        if self._stop.is_set():
            self._say("still stopping; kill -9 ends everything at once")
        self._stop.set()

    async def _run(self) -> tuple[dict[str, Any], int]:
        options = self._options
        infrastructure = Infrastructure(options, self._supervisor)
        services = Services(options, self._supervisor)
        ledger = Ledger(infrastructure.kafka, options.venues)
        await self._until_stopped(self._start(infrastructure, services, ledger))
        if self._stop.is_set():
            await self._end_all(services)
            raise Fatal("stopped before everything was up")
        began = time.monotonic()
        self._say("running" + (f" for {options.seconds:g} s" if options.seconds else ""))
        await self._watch(ledger, infrastructure, began)
        seconds = time.monotonic() - began
        failed = self._supervisor.failed()
        await self._supervisor.stop(services.writers())
        await self._supervisor.stop(services.simulators())
        database = infrastructure.clickhouse.clickhouse_database
        client = await asyncio.to_thread(infrastructure.client)
        try:
            counts, dead = await self._catch_up(ledger, client, database, services)
            await self._scrape()
            latencies = await asyncio.to_thread(ledger.latencies, client, database)
            found = await asyncio.to_thread(look, client, database)
        finally:
            client.close()
        await self._end_all(services)
        parts = self._supervisor.parts
        summary = build(seconds, counts, dead, latencies, self._tally, parts, ledger.broken, found)
        bad = bool(summary["lost"] != 0 or failed or self._over_memory)
        if failed:
            self._say(f"down at the end: {', '.join(failed)}")
        return summary, 1 if bad else 0

    async def _until_stopped(self, work: Any) -> None:
        """Await ``work``, or give it up when we are told to stop."""
        task, stop = asyncio.ensure_future(work), asyncio.create_task(self._stop.wait())
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if task.done():
            task.result()
        else:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _start(
        self, infrastructure: Infrastructure, services: Services, ledger: Ledger
    ) -> None:
        await infrastructure.start()
        statements, created = await asyncio.to_thread(infrastructure.prepare)
        self._say(f"tables ready ({statements} statements), topics ready ({len(created)} made)")
        await asyncio.to_thread(ledger.open)
        await services.start_readers(infrastructure.kafka)
        await services.start_venues()
        if not self._options.live:
            await self._connected()
        broker = self._supervisor.parts.get("broker")
        if broker is not None:
            broker.restarted = lambda: self._broker_is_back(infrastructure, ledger, services)

    async def _connected(self) -> None:
        """Wait until the simulated venues send, so that the run's seconds are seconds of data."""
        deadline = time.monotonic() + CONNECT_SECONDS
        waiting = set(self._options.venues)
        while waiting and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
            await self._scrape()
            waiting = {v for v in waiting if not self._tally.value("echoarb_frames_total", v)}
        if waiting:
            self._say(f"no data yet from {', '.join(sorted(waiting))}")

    async def _broker_is_back(
        self, infrastructure: Infrastructure, ledger: Ledger, services: Services
    ) -> None:
        """Make the topics anew if they are gone, and every client that knows the old ones.

        The sink must not take new offsets for old, and Tansu refuses producers of its life before.
        """
        try:
            # A broker that has just begun to listen may still refuse or forget a request.
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(EchoArbError),
                stop=stop_after_delay(BROKER_BACK_SECONDS),
                wait=wait_fixed(1),
                reraise=True,
            ):
                with attempt:
                    # Readers and writers still run, and asked for their topics before us.
                    kafka, known = infrastructure.kafka, ledger.ids
                    strays = await asyncio.to_thread(topics.drop_strays, kafka, known)
                    if strays:
                        self._say(f"deleted what the broker made by itself: {', '.join(strays)}")
                    await asyncio.to_thread(infrastructure.prepare)
                    await asyncio.to_thread(ledger.open)
        except EchoArbError as error:
            self._say(f"after the broker's restart: {error}")
        if not ledger.broken:
            return
        self._say("the broker kept nothing: ticks that were not stored yet are lost, uncounted")
        for name in (SINK, ANALYTICS, *services.writers()):
            part = self._supervisor.parts.get(name)
            if part is not None:
                await asyncio.to_thread(part.child.kill)

    async def _watch(self, ledger: Ledger, infrastructure: Infrastructure, began: float) -> None:
        """Take and show snapshots until the time is over, we are stopped, or memory runs out."""
        options = self._options
        deadline = began + options.seconds if options.seconds else None
        client: Any = None
        try:
            while not self._stop.is_set():
                if deadline is not None and time.monotonic() >= deadline:
                    break
                if client is None:
                    client = await self._client_or_none(infrastructure)
                await self._scrape()
                database = infrastructure.clickhouse.clickhouse_database
                recent = await asyncio.to_thread(_recent, ledger, client, database)
                seconds = time.monotonic() - began
                self._snapshot = take(
                    seconds,
                    options.venues,
                    self._tally,
                    self._supervisor.parts,
                    self._snapshot,
                    *recent,
                )
                self._show(self._snapshot)
                if self._memory_is_full():
                    break
                wait = SNAPSHOT_SECONDS
                if deadline is not None:
                    wait = min(wait, max(deadline - time.monotonic(), 0))
                try:
                    await asyncio.wait_for(self._stop.wait(), wait)
                except TimeoutError:
                    continue
        finally:
            if client is not None:
                client.close()
        await self._scrape()

    async def _client_or_none(self, infrastructure: Infrastructure) -> Any:
        try:
            return await asyncio.to_thread(infrastructure.client)
        except (Transient, Fatal):
            return None

    def _memory_is_full(self) -> bool:
        """Tansu forgets nothing: stop before the machine has to."""
        broker = self._supervisor.parts.get("broker")
        limit = self._options.memory_limit_mb
        if self._options.kafka != "tansu" or broker is None or broker.rss_mb < limit:
            return False
        self._over_memory = True
        self._say(
            f"the broker holds {broker.rss_mb:.0f} MB (limit {limit}): Tansu keeps every record in "
            "memory. Stopping. For longer runs use --kafka apache or --kafka HOST:PORT, or raise "
            "--memory-limit-mb"
        )
        return True

    async def _scrape(self) -> None:
        parts = self._supervisor.parts
        ports = {name: part.metrics_port for name, part in parts.items() if part.metrics_port}
        async with httpx.AsyncClient(trust_env=False) as client:
            for name, samples in (await scrape(client, ports)).items():
                self._tally.add(name, parts[name].restarts, samples)

    async def _catch_up(
        self, ledger: Ledger, client: Any, database: str, services: Services
    ) -> tuple[dict[str, Count], int]:
        """Wait until the sink has stored everything, or gets no further."""
        began = moved = time.monotonic()
        left_before: int | None = None
        while True:
            counts, dead = await asyncio.to_thread(ledger.count, client, database)
            left = sum(count.lost for count in counts.values())
            now = time.monotonic()
            if left != left_before:
                moved, left_before = now, left
            late = now - began > CATCH_UP_SECONDS or now - moved > STALLED_SECONDS
            if left <= 0 or late or not services.sink_is_up():
                return counts, dead
            self._say(f"the sink catches up: {left} ticks to go")
            await asyncio.sleep(1)

    async def _end_all(self, services: Services) -> None:
        """End in the order of the data: writers, then readers, then what they stand on."""
        await self._supervisor.stop(services.writers())
        # The analytics first: the sink stores what it says at its end.
        await self._supervisor.stop([*services.simulators(), ANALYTICS], grace_seconds=30)
        await self._supervisor.stop(["api", SINK], grace_seconds=30)
        await self._supervisor.stop(["registry", "clickhouse", "broker"])


def _recent(ledger: Ledger, client: Any, database: str) -> tuple[Any, Any, Findings]:
    """Return latencies, last ticks, spreads and alerts, empty while ClickHouse is away."""
    if client is None:
        return {}, (), Findings()
    try:
        return (
            ledger.latencies(client, database, WINDOW_SECONDS),
            ledger.last_ticks(client, database, 3),
            look(client, database),
        )
    except ClickHouseError:
        return {}, (), Findings()
