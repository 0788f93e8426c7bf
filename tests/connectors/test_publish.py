"""The producer on a real broker: keys, order, the overflow policy, and nothing lost in silence."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from prometheus_client import REGISTRY

from connectors import publish
from connectors.gaps import make_gap
from connectors.publish import Publisher, publishing
from connectors.quotes import trade_tick
from connectors.settings import ConnectorSettings
from echoarb.stack import tansu as tansu_broker
from echoarb.stack.ports import free_port
from schemas.codec import Record, decode_framed
from schemas.gap import Gap
from schemas.tick import Tick
from tests.schemas.test_codec import make_tick


@pytest.fixture
def topics(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Topics of this test's own, where the publisher looks for the real ones."""
    suffix = uuid.uuid4().hex[:8]
    names = {"ticks": f"ticks.{suffix}", "gaps": f"gaps.{suffix}", "markets": f"markets.{suffix}"}

    def topic_of(record: Record) -> str:
        if isinstance(record, Tick):
            return names["ticks"]
        return names["gaps"] if isinstance(record, Gap) else names["markets"]

    monkeypatch.setattr(publish, "topic_of", topic_of)
    return names


def create(bootstrap: str, names: dict[str, str]) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.create_topics([NewTopic(name, 3, 1) for name in names.values()]).values():
        future.result(15)


def read(bootstrap: str, topic: str, schema: str, count: int) -> list[tuple[str, int, Record]]:
    """Return (key, partition, record) of the topic's first ``count`` records."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": uuid.uuid4().hex, "enable.auto.commit": False}
    )
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(3)])
    found: list[tuple[str, int, Record]] = []
    while len(found) < count:
        messages = consumer.consume(min(count - len(found), 1000), timeout=10)
        assert messages, f"{len(found)} of {count} records came"
        for message in messages:
            assert message.error() is None
            key, value = message.key(), message.value()
            assert key is not None
            assert value is not None
            found.append((key.decode(), message.partition() or 0, decode_framed(schema, value)))
    consumer.close()
    return found


def settings(bootstrap: str, **changes: object) -> ConnectorSettings:
    return ConnectorSettings.load(kafka_bootstrap=bootstrap, metrics_port=0, **changes)


def dropped(reason: str) -> float:
    labels = {"platform": "kalshi", "reason": reason}
    return REGISTRY.get_sample_value("echoarb_dropped_total", labels) or 0.0


def trade(market: str, number: int) -> Tick:
    return trade_tick(
        platform="kalshi", market_id=market, outcome_id=market, outcome="yes",
        price=Decimal("0.5"), size=Decimal(1), side="buy", identity=(number,),
        ingest_us=number, source_us=None,
    )  # fmt: skip


async def test_records_arrive_in_order_per_market_with_their_emit_time(
    broker: str, topics: dict[str, str]
) -> None:
    create(broker, topics)
    moments = iter(range(1_000_000, 2_000_000))
    ids = {name: 7 for name in topics.values()}
    publisher = Publisher("kalshi", settings(broker), ids, clock=lambda: next(moments))
    sent = [
        make_tick(emit_ts=None, market_id=f"M{number % 7}", sequence=number)
        for number in range(500)
    ]
    async with publishing(publisher):
        for tick in sent:
            publisher.publish(tick)
        publisher.publish(make_gap("kalshi", None, "", "startup", None, to_us=5))
    found = read(broker, topics["ticks"], "tick", 500)
    for market in {tick.market_id for tick in sent}:
        mine = [entry for entry in found if entry[0] == market]
        assert len({partition for _, partition, _ in mine}) == 1
        expected = [tick.sequence for tick in sent if tick.market_id == market]
        assert [record.sequence for _, _, record in mine if isinstance(record, Tick)] == expected
    emitted = sorted(record.emit_ts or 0 for _, _, record in found if isinstance(record, Tick))
    assert emitted == list(range(1_000_000, 1_000_500))
    ((key, _, gap),) = read(broker, topics["gaps"], "gap", 1)
    assert key == "kalshi:*"
    assert isinstance(gap, Gap)
    assert (gap.reason, gap.from_ts, gap.to_ts) == ("startup", None, 5)


@asynccontextmanager
async def frozen_broker(tmp_path: Path) -> AsyncIterator[tuple[str, int]]:
    """A broker of this test's own: (bootstrap, process id), to be stopped and continued."""
    port = free_port()
    child = await asyncio.to_thread(tansu_broker.start, port, tmp_path / "tansu.log")
    assert child.pid is not None
    try:
        yield f"127.0.0.1:{port}", child.pid
    finally:
        os.kill(child.pid, signal.SIGCONT)
        await asyncio.to_thread(child.stop)


async def test_a_stuck_broker_costs_old_quotes_and_trades_and_says_so(
    tmp_path: Path, topics: dict[str, str]
) -> None:
    """Overflow: the newest quote of each outcome survives, each drop is counted, each market
    concerned gets a gap."""
    async with frozen_broker(tmp_path) as (bootstrap, pid):
        create(bootstrap, topics)
        chosen = settings(bootstrap, queue_records=100, flush_seconds=30)
        publisher = Publisher("kalshi", chosen, {name: 7 for name in topics.values()})
        before = dropped("overflow")
        async with publishing(publisher):
            publisher.publish(make_tick(emit_ts=None, market_id="first", outcome_id="first"))
            await asyncio.to_thread(read, bootstrap, topics["ticks"], "tick", 1)
            os.kill(pid, signal.SIGSTOP)
            for number in range(400):
                market = f"M{number % 4}"
                quote = make_tick(
                    emit_ts=None, market_id=market, outcome_id=market, sequence=number
                )
                publisher.publish(quote)
                publisher.publish(trade(market, number))
            lost = dropped("overflow") - before
            assert 0 < lost <= 800
            os.kill(pid, signal.SIGCONT)
        total = 1 + 800 - int(lost)
        found = [record for _, _, record in read(bootstrap, topics["ticks"], "tick", total)]
        for market in ("M0", "M1", "M2", "M3"):
            quotes = [
                record.sequence
                for record in found
                if isinstance(record, Tick)
                and record.market_id == market
                and record.kind == "quote"
            ]
            assert quotes[-1] == 396 + int(market[1])
        gaps = [record for _, _, record in read(bootstrap, topics["gaps"], "gap", 4)]
        assert {gap.market_id for gap in gaps if isinstance(gap, Gap)} == {"M0", "M1", "M2", "M3"}
        assert {gap.reason for gap in gaps if isinstance(gap, Gap)} == {"overflow"}
        assert sum(gap.missed or 0 for gap in gaps if isinstance(gap, Gap)) == lost


async def test_a_broker_that_never_returns_is_counted_at_stop(topics: dict[str, str]) -> None:
    chosen = settings(f"127.0.0.1:{free_port()}", flush_seconds=0.3)
    publisher = Publisher("kalshi", chosen, {name: 7 for name in topics.values()})
    before = dropped("stopped")
    async with publishing(publisher):
        for _ in range(5):
            publisher.publish(make_tick(emit_ts=None))
    assert dropped("stopped") - before == 5


async def test_what_cannot_be_encoded_is_counted_not_raised(topics: dict[str, str]) -> None:
    chosen = settings(f"127.0.0.1:{free_port()}", flush_seconds=0.01)
    publisher = Publisher("kalshi", chosen, {name: 7 for name in topics.values()})
    before = dropped("not_encodable")
    publisher.publish(dataclasses.replace(make_tick(emit_ts=None), price=Decimal("1e12")))
    assert dropped("not_encodable") - before == 1
    assert publisher.flush() == 0


async def test_a_record_larger_than_kafka_takes_is_counted_not_raised(
    topics: dict[str, str],
) -> None:
    chosen = settings(f"127.0.0.1:{free_port()}", flush_seconds=0.01)
    publisher = Publisher("kalshi", chosen, {name: 7 for name in topics.values()})
    before = dropped("too_large")
    publisher.publish(dataclasses.replace(make_tick(emit_ts=None), outcome="x" * 2_000_000))
    assert dropped("too_large") - before == 1
    assert publisher.flush() == 0
