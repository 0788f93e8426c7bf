"""The alerts' worker on a real broker: who speaks, what outlives it, what webhooks get."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from agents.alert_settings import AlertSettings
from agents.alert_worker import AlertWorker
from echoarb.stack import tansu as tansu_broker
from echoarb.stack import topics
from echoarb.stack.ports import free_port
from echoarb.stack.readiness import SILENT
from schemas.alert import Alert
from schemas.clock import now_us
from schemas.codec import Record, decode_framed, encode
from schemas.framing import frame
from schemas.lag import lag_of
from schemas.registry import Registry
from schemas.topics import ALERTS, TOPICS, ticks_topic

from .alarm import Sim, settings, topic_of, until
from .test_webhooks import KEY, endpoint


@dataclass
class Rig:
    """A broker of the test's own and what is on its topic alerts."""

    settings: AlertSettings
    said: list[Alert] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.registry = Registry(self.settings)
        self.producer = Producer(self.settings.librdkafka(), logger=SILENT)
        self.reader = Consumer({**self.settings.librdkafka(), "group.id": "test"}, logger=SILENT)
        places = [TopicPartition(ALERTS.name, number, 0) for number in range(ALERTS.partitions)]
        self.reader.assign(places)

    def put(self, *records: Record) -> None:
        """Put records on their topics."""
        for record in records:
            name = topic_of(record)
            value = frame(self.registry.id_of(TOPICS[name]), encode(record))
            self.producer.produce(name, value, "k")
        assert self.producer.flush(20) == 0

    def spread(self, size: str, pair: str = "rate") -> None:
        """Put a spread of now on its topic."""
        self.put(Sim(now=now_us()).spread(size, pair=pair))

    def look(self) -> list[tuple[str, str]]:
        """Return subject and state of every record on the topic alerts so far."""
        while (message := self.reader.poll(0)) is not None:
            assert message.error() is None
            record = decode_framed("alert", message.value() or b"", self.registry.schema)
            assert isinstance(record, Alert)
            assert message.key() == f"{record.rule}:{record.subject}".encode()
            self.said.append(record)
        return [(alert.subject, alert.state) for alert in self.said]

    async def see(self, *expected: tuple[str, str]) -> None:
        """Wait until the topic holds these, in any order."""
        try:
            await until(lambda: len(self.look()) >= len(expected))
        except TimeoutError as error:
            raise AssertionError(self.look()) from error
        assert sorted(self.look()) == sorted(expected)

    @contextlib.asynccontextmanager
    async def worker(self, **changes: Any) -> AsyncIterator[AlertWorker]:
        """Run a worker."""
        worker = AlertWorker(self.settings.model_copy(update=changes))
        task = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            task.cancel()
            result = (await asyncio.gather(task, return_exceptions=True))[0]
            assert isinstance(result, asyncio.CancelledError), result


@pytest.fixture
def rig(tmp_path: Path, registry: str) -> Iterator[Rig]:
    port = free_port()
    child = tansu_broker.start(port, tmp_path / "tansu.log")
    chosen = settings(
        kafka_bootstrap=f"127.0.0.1:{port}",
        registry_url=registry,
        alert_session_seconds=1,  # Tansu lets a member's session run out though it has left
        alert_clear_seconds=0.1,
        alert_lag_check_seconds=0.2,
        alert_lag_records=50,
        alert_lag_seconds=0,
        alert_lag_groups="watched",
    )
    topics.create(chosen)
    made = Rig(chosen)
    yield made
    made.reader.close()
    made.registry.close()
    child.kill()


async def test_an_alert_outlives_the_worker_that_raised_it(rig: Rig) -> None:
    rig.spread("0.02", "other")
    async with rig.worker():
        rig.spread("0.3")
        await rig.see(("rate", "raised"))
    rig.spread("0.31")  # while nobody is there
    async with rig.worker():
        rig.spread("0.3", "other")
        await rig.see(("rate", "raised"), ("other", "raised"))
        rig.spread("0.01")
        await rig.see(("rate", "raised"), ("other", "raised"), ("rate", "cleared"))
    assert rig.said[0].alert_id == rig.said[2].alert_id


async def test_of_two_workers_one_speaks_and_the_other_takes_over(rig: Rig) -> None:
    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(rig.worker())
        await until(lambda: first._our_turn)
        async with rig.worker() as second:
            for number in range(20):
                rig.spread("0.3", f"pair-{number}")
            raised = [(f"pair-{number}", "raised") for number in range(20)]
            await rig.see(*raised)
            await stack.aclose()
            await until(lambda: second._our_turn)
            for number in range(20):
                rig.spread("0.01", f"pair-{number}")
            await rig.see(*raised, *[(f"pair-{number}", "cleared") for number in range(20)])
    assert len({alert.alert_id for alert in rig.said}) == 20


async def test_webhooks_get_what_comes_while_nobody_was_there_and_nothing_twice(rig: Rig) -> None:
    async with endpoint() as receiver:
        hooks = {"alert_webhooks": receiver.url, "alert_webhook_secret": KEY}
        rig.settings = rig.settings.__class__(
            **{**rig.settings.model_dump(), **hooks}, _env_file=None
        )
        async with rig.worker() as worker:
            rig.spread("0.3", "a")
            await receiver.requested(1)
            await until(worker._webhooks.committable)
        await rig.see(("a", "raised"))
        rig.spread("0.01", "a")
        async with rig.worker():
            await receiver.requested(2)
            rig.spread("0.3", "b")
            await receiver.requested(3)
    assert receiver.pairs == ["a", "a", "b"]
    assert len({headers["webhook-id"] for headers, _ in receiver.requests}) == 3


async def test_the_lag_of_a_group_is_measured_against_what_is_written(rig: Rig) -> None:
    topic = ticks_topic("kalshi")
    reader = Consumer({**rig.settings.librdkafka(), "group.id": "watched"}, logger=SILENT)
    reader.commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=False)
    async with rig.worker():
        for _ in range(60):
            rig.producer.produce(topic, b"x", partition=0)
        assert rig.producer.flush(20) == 0
        await rig.see(("watched", "raised"))
        assert rig.said[0].value == 59
        reader.commit(offsets=[TopicPartition(topic, 0, 60)], asynchronous=False)
        await rig.see(("watched", "raised"), ("watched", "cleared"))
    reader.close()


def test_lag_counts_partitions_without_a_commit_of_topics_that_are_read() -> None:
    ends = {("a", 0): 10, ("a", 1): 5, ("b", 0): 99}
    assert lag_of({("a", 0): 8}, ends) == 7
    assert lag_of({("a", 0): 8, ("a", 1): 9, ("b", 0): 99}, ends) == 2
    assert lag_of({}, ends) == 0
