"""Start what the services need, in order, and wait until each part answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from echoarb.stack import apache, services, tansu, topics
from echoarb.stack.clickhouse_client import connect
from echoarb.stack.plan import Options
from echoarb.stack.ports import LOOPBACK
from echoarb.stack.process import Child
from echoarb.stack.readiness import http_answers, kafka_answers
from echoarb.stack.supervisor import Part, State, Supervisor
from schemas.errors import Fatal, Transient
from schemas.migrate import RetentionSettings, migrate
from schemas.settings import ClickHouseSettings, KafkaSettings

READY_SECONDS = 60


async def wait_ready(part: Part, ready: Callable[[], bool], seconds: float = READY_SECONDS) -> None:
    """Wait until ``ready`` says so. Raises Fatal with the log's end if the part fails or is late.

    A part that dies is started again by the supervisor, and waited for, unless it fails for good.
    """
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(ready):
        if part.state is State.failed or time.monotonic() > deadline:
            why = "can't start" if part.state is State.failed else "doesn't answer"
            raise Fatal(f"{part.name} {why}: {part.child.log_tail()}\n(log: {part.child.log})")
        await asyncio.sleep(0.1)


class Infrastructure:
    """Broker, ClickHouse and registry: started here, or real ones that are only checked."""

    def __init__(self, options: Options, supervisor: Supervisor) -> None:
        self._options = options
        self._supervisor = supervisor
        self.kafka = KafkaSettings.load(
            kafka_bootstrap=options.bootstrap,
            kafka_security="PLAINTEXT" if options.local_kafka else None,
        )
        self.clickhouse = ClickHouseSettings.load(clickhouse_url=options.clickhouse_url)

    async def start(self) -> None:
        """Start the local parts together, then wait for all. Raises Fatal."""
        options, say = self._options, self._supervisor.say
        started = time.monotonic()
        parts = {
            name: self._supervisor.add(Part(name, child))
            for name, child in (await asyncio.to_thread(self._children)).items()
        }
        url = options.registry_url
        waits: list[tuple[str, str, Callable[[], bool]]] = [
            ("broker", options.bootstrap, lambda: kafka_answers(options.bootstrap)),
            ("clickhouse", options.clickhouse_url, self._clickhouse_answers),
            ("registry", url, lambda: http_answers(f"{url}/subjects")),
        ]
        for name, address, ready in waits:
            if name in parts:
                await wait_ready(parts[name], ready)
            elif not await asyncio.to_thread(ready):
                raise Fatal(f"the {name} at {address} doesn't answer: check its address")
            say(f"{name} ready at {address} ({time.monotonic() - started:.1f} s)")

    def _clickhouse_answers(self) -> bool:
        url = self._options.clickhouse_url
        if self._options.clickhouse is None:
            return http_answers(f"{url}/ping")
        try:
            connect(self.clickhouse).close()
            return True
        except Transient:
            return False

    def _children(self) -> dict[str, Child]:
        options = self._options
        logs, data = options.data_dir / "logs", options.data_dir
        children = {}
        if options.kafka == "apache":
            log = logs / "broker.log"
            children["broker"] = apache.child(options.kafka_port, data / "kafka", log)
        elif options.kafka == "tansu":
            children["broker"] = tansu.child(options.kafka_port, logs / "broker.log")
        if options.clickhouse is None:
            log = logs / "clickhouse.log"
            children["clickhouse"] = services.clickhouse(
                options.clickhouse_port, data / "clickhouse", log
            )
        if options.registry is None:
            children["registry"] = services.registry(options.registry_port, logs / "registry.log")
        return children

    def prepare(self) -> tuple[int, list[str]]:
        """Bring tables and topics up to date (blocks); return statements run, topics made.

        Raises Transient, Fatal, ConfigurationError.
        """
        client = self.client()
        try:
            days = RetentionSettings.load().by_table()
            statements = migrate(
                client,
                self.clickhouse.clickhouse_database,
                days,
                cluster=self.clickhouse.clickhouse_cluster,
            )
        finally:
            client.close()
        return len(statements), topics.create(self.kafka)

    def client(self) -> Any:
        """Return a new ClickHouse client."""
        return connect(self.clickhouse)

    def broker_url(self) -> str:
        """Return the broker's address for people."""
        return f"{LOOPBACK}:{self._options.kafka_port}"
