"""A breaker that opens is an alert, from its first refusal to its recovery."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from connectors.breaker import BreakerOpen, Breakers
from connectors.gaps import make_gap
from connectors.publish import Publisher, key_of, topic_of, topics_of
from schemas.alert import Alert
from schemas.codec import decode, encode
from schemas.identity import event_id
from tests.connectors.venue_server import settings


async def fail(breakers: Breakers, endpoint: str = "markets") -> None:
    with pytest.raises((ValueError, BreakerOpen)):
        async with await breakers.of(endpoint):
            raise ValueError("refused")


async def test_one_alert_from_the_first_refusal_to_the_recovery() -> None:
    said: list[Alert] = []
    moments = iter(range(1_000_000, 2_000_000, 1000))
    chosen = settings(breaker_failures=3, breaker_open_seconds=0.05)
    breakers = Breakers("kalshi", chosen, said.append, clock=lambda: next(moments))
    for _ in range(2):
        await fail(breakers)
    assert said == []
    await fail(breakers)
    [raised] = said
    assert (raised.rule, raised.subject, raised.state) == (
        "breaker_open",
        "kalshi/markets",
        "raised",
    )
    assert raised.alert_id == event_id("breaker_open", "kalshi/markets", 1_000_000)
    assert (raised.platform, raised.severity, raised.raised_ts) == ("kalshi", "high", 1_000_000)
    for _ in range(3):  # each try opens it again
        await asyncio.sleep(0.06)
        await fail(breakers)
    assert said == [raised]
    await asyncio.sleep(0.06)
    async with await breakers.of("markets"):
        pass
    cleared = said[1]
    assert (cleared.alert_id, cleared.state) == (raised.alert_id, "cleared")
    assert cleared.cleared_ts == cleared.ts == 1_001_000
    for _ in range(3):
        await fail(breakers)
    assert [alert.state for alert in said] == ["raised", "cleared", "raised"]
    assert said[2].alert_id != raised.alert_id


async def test_endpoints_have_alerts_of_their_own_on_the_topic_of_alerts() -> None:
    said: list[Alert] = []
    breakers = Breakers("kalshi", settings(breaker_failures=1), said.append)
    await fail(breakers, "markets")
    await fail(breakers, "websocket")
    assert [topic_of(alert) for alert in said] == ["alerts", "alerts"]
    assert "alerts" in topics_of("kalshi")
    assert [key_of(alert) for alert in said] == [
        "breaker_open:kalshi/markets",
        "breaker_open:kalshi/websocket",
    ]
    assert decode("alert", encode(said[0])) == said[0]


async def test_a_clock_that_is_set_back_ends_no_alert_before_it_began() -> None:
    said: list[Alert] = []
    moments = iter([5_000_000, 1])
    chosen = settings(breaker_failures=1, breaker_open_seconds=0.01)
    breakers = Breakers("kalshi", chosen, said.append, clock=lambda: next(moments))
    await fail(breakers)
    await asyncio.sleep(0.02)
    async with await breakers.of("markets"):
        pass
    assert said[1].cleared_ts == 5_000_000


async def test_an_alert_waits_for_room_in_the_queue_to_kafka() -> None:
    said: list[Alert] = []
    await fail(Breakers("kalshi", settings(breaker_failures=1), said.append))
    [raised] = said
    cleared = dataclasses.replace(raised, state="cleared", cleared_ts=raised.ts)
    chosen = settings(kafka_bootstrap="127.0.0.1:9", queue_records=100)
    publisher = Publisher("kalshi", chosen, dict.fromkeys(topics_of("kalshi"), 1))
    for number in range(110):
        publisher.publish(make_gap("kalshi", f"M{number}", "", "sequence", number))
    publisher.publish(raised)
    publisher.publish(raised)
    publisher.publish(cleared)
    waiting = [record for record in publisher._held.values() if isinstance(record, Alert)]
    assert waiting == [raised, cleared]
