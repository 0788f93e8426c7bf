"""Webhooks against real receivers that fail, hang, redirect and come back."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from agents.alert_settings import AlertSettings
from agents.webhook_messages import post_of, receivers, secret_of, sign
from agents.webhooks import Offsets, Webhooks
from schemas.alert import Alert
from schemas.clock import isoformat, now_us
from schemas.errors import ConfigurationError

from .alarm import Sim, settings, until

SECRET = b"0123456789abcdef0123456789abcdef"
KEY = "whsec_" + base64.b64encode(SECRET).decode()
PLACE = ("alerts", 0)


def alert(number: int = 0, **changes: Any) -> Alert:
    sim = Sim()
    [made] = sim.feed(sim.spread("0.12", pair=f"pair-{number}", edge="0.03"))
    return replace(made, **changes)


def configured(*urls: str, **changes: Any) -> AlertSettings:
    fast = {"alert_webhook_backoff_cap_seconds": 0.05, "alert_webhook_open_seconds": 0.1}
    hooks = {"alert_webhooks": json.dumps(urls), "alert_webhook_secret": KEY}
    return settings(**{**fast, **hooks, **changes})


@dataclass
class Endpoint:
    """A receiver. ``answer`` is awaited for each request; the default is 204."""

    url: str = ""
    requests: list[tuple[Any, bytes]] = field(default_factory=list)
    answer: Callable[[], Any] | None = None

    async def handle(self, request: web.Request) -> web.Response:
        self.requests.append((request.headers.copy(), await request.read()))
        if self.answer is None:
            return web.Response(status=204)
        response: web.Response = await self.answer()
        return response

    async def requested(self, count: int) -> None:
        await until(lambda: len(self.requests) >= count)

    @property
    def pairs(self) -> list[str]:
        return [json.loads(body)["data"]["pair_id"] for _, body in self.requests]


def status(code: int) -> Callable[[], Any]:
    async def answer() -> web.Response:
        return web.Response(status=code)

    return answer


@asynccontextmanager
async def endpoint() -> AsyncIterator[Endpoint]:
    found = Endpoint()
    app = web.Application()
    app.router.add_post("/{path:.*}", found.handle)
    server = TestServer(app, handler_cancellation=True, shutdown_timeout=0.1)
    await server.start_server()
    found.url = str(server.make_url("/hook?token=hidden"))
    try:
        yield found
    finally:
        await server.close()


@asynccontextmanager
async def delivering(chosen: AlertSettings) -> AsyncIterator[Webhooks]:
    webhooks = Webhooks(chosen)
    task = asyncio.create_task(webhooks.run())
    try:
        yield webhooks
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def settled(webhooks: Webhooks, offset: int) -> None:
    await until(lambda: webhooks.committable().get(PLACE) == offset)


def counted(label_start: str, result: str) -> float:
    return sum(
        sample.value
        for metric in REGISTRY.collect()
        if metric.name == "echoarb_alert_webhooks"
        for sample in metric.samples
        if sample.name.endswith("_total")
        and sample.labels["receiver"].startswith(label_start)
        and sample.labels["result"] == result
    )


async def test_a_delivery_is_signed_and_says_all_of_the_alert() -> None:
    sent = alert()
    async with endpoint() as receiver, delivering(configured(receiver.url)) as webhooks:
        webhooks.offer(PLACE, 7, sent, now_us())
        await settled(webhooks, 8)
    [(headers, body)] = receiver.requests
    # As a receiver does it, by the words of the Standard Webhooks specification.
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert abs(int(headers["webhook-timestamp"]) - now_us() // 1_000_000) < 60
    assert headers["content-type"] == "application/json"
    found = json.loads(body)
    assert (found["type"], found["timestamp"]) == ("alert.raised", isoformat(sent.ts))
    data = found["data"]
    assert data["alert_id"] == str(sent.alert_id)
    assert (data["value"], data["threshold"]) == ("0.12", "0.05")
    assert data["raised_ts"] == isoformat(sent.raised_ts)
    assert data["cleared_ts"] is None
    assert data["detail"]["executable"] is True


def test_the_signature_is_that_of_the_specifications_example() -> None:
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    found = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_ids_tell_records_of_one_alert_apart_and_repetitions_not() -> None:
    first = alert()
    again, cleared = replace(first), replace(first, state="cleared", cleared_ts=first.ts)
    assert post_of(first).webhook_id == post_of(again).webhook_id
    later = replace(first, ts=first.ts + 1)
    assert len({post_of(one).webhook_id for one in (first, cleared, later)}) == 3


async def test_a_receiver_that_fails_and_comes_back_gets_all_in_order() -> None:
    async with endpoint() as receiver:
        receiver.answer = status(503)
        async with delivering(configured(receiver.url, alert_webhook_failures=2)) as webhooks:
            for number in range(5):
                webhooks.offer(PLACE, number, alert(number), now_us())
            await receiver.requested(4)
            assert set(receiver.pairs) == {"pair-0"}
            assert len({headers["webhook-id"] for headers, _ in receiver.requests}) == 1
            assert webhooks.committable() == {}
            receiver.answer = None
            await settled(webhooks, 5)
    assert list(dict.fromkeys(receiver.pairs)) == [f"pair-{number}" for number in range(5)]
    assert len(receiver.pairs[receiver.pairs.index("pair-1") :]) == 4


async def test_a_receiver_that_hangs_delays_no_other() -> None:
    released = asyncio.Event()

    async def hang() -> web.Response:
        await released.wait()
        return web.Response()

    async with endpoint() as stuck, endpoint() as sound:
        stuck.answer = hang
        chosen = configured(stuck.url, sound.url, alert_webhook_timeout_seconds=0.3)
        async with delivering(chosen) as webhooks:
            for number in range(20):
                webhooks.offer(PLACE, number, alert(number), now_us())
            await sound.requested(20)
            assert set(stuck.pairs) <= {"pair-0"}
            assert webhooks.committable() == {}
            await stuck.requested(2)  # it timed out and was tried again
            released.set()
            await settled(webhooks, 20)
    assert sound.pairs == [f"pair-{number}" for number in range(20)]
    assert list(dict.fromkeys(stuck.pairs)) == sound.pairs


async def test_a_dead_receiver_is_left_alone_while_its_circuit_is_open() -> None:
    async with endpoint() as receiver:
        receiver.answer = status(500)
        chosen = configured(receiver.url, alert_webhook_failures=3, alert_webhook_open_seconds=1000)
        async with delivering(chosen) as webhooks:
            webhooks.offer(PLACE, 0, alert(), now_us())
            await receiver.requested(3)
            name, label = "echoarb_alert_webhook_failures_total", receivers(chosen)[0].label
            await until(lambda: (REGISTRY.get_sample_value(name, {"receiver": label}) or 0) >= 10)
    assert len(receiver.requests) == 3


async def test_what_is_given_up_refused_dropped_or_too_old_is_counted_and_done() -> None:
    now = now_us()
    clock = [now]
    async with endpoint() as receiver:
        chosen = configured(receiver.url, alert_webhook_queue=2, alert_webhook_failures=10**6)
        webhooks = Webhooks(chosen, clock=lambda: clock[0])
        [target] = receivers(chosen)

        def results() -> dict[str, float]:
            names = ("delivered", "refused", "gave_up", "queue_full", "expired")
            return {name: n for name in names if (n := counted(target.label, name))}

        for number in range(4):  # nobody takes them yet
            webhooks.offer(PLACE, number, alert(number), now)
        assert results() == {"queue_full": 2}
        assert webhooks.committable() == {PLACE: 2}
        webhooks.offer(PLACE, 4, alert(), now - 601_000_000)
        assert results() == {"queue_full": 2, "expired": 1}
        receiver.answer = status(400)
        task = asyncio.create_task(webhooks.run())
        try:
            await settled(webhooks, 5)
            assert results() == {"queue_full": 2, "expired": 1, "refused": 2}
            receiver.answer = status(302)
            webhooks.offer(PLACE, 5, alert(), now)
            await settled(webhooks, 6)
            assert results()["refused"] == 3
            receiver.answer = status(429)
            webhooks.offer(PLACE, 6, alert(), now)
            await receiver.requested(5)
            assert "gave_up" not in results()
            clock[0] += 601_000_000
            await settled(webhooks, 7)
            assert results()["gave_up"] == 1
            webhooks.offer(PLACE, 7, None, clock[0])
            assert webhooks.committable() == {PLACE: 8}
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_a_redirect_is_not_followed() -> None:
    async with endpoint() as elsewhere, endpoint() as receiver:

        async def redirect() -> web.Response:
            return web.Response(status=307, headers={"Location": elsewhere.url})

        receiver.answer = redirect
        async with delivering(configured(receiver.url)) as webhooks:
            webhooks.offer(PLACE, 0, alert(), now_us())
            await settled(webhooks, 1)
    assert (len(receiver.requests), len(elsewhere.requests)) == (1, 0)


async def test_partitions_of_others_are_left_to_them() -> None:
    async with endpoint() as receiver:
        webhooks = Webhooks(configured(receiver.url))
        webhooks.offer(PLACE, 0, alert(0), now_us())
        webhooks.offer(("alerts", 1), 0, alert(1), now_us())
        webhooks.forget([PLACE])
        task = asyncio.create_task(webhooks.run())
        await until(lambda: webhooks.committable() == {("alerts", 1): 1})
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert receiver.pairs == ["pair-1"]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"alert_webhooks": "ftp://secret.example/x"}, "number 1 is not"),
        ({"alert_webhooks": "http://ok.example,https://"}, "number 2 is not"),
        ({"alert_webhooks": "http://ok.example:99999"}, "number 1 is not"),
        ({"alert_webhooks": '["http://ok.example", 5]'}, "JSON list"),
        ({"alert_webhooks": "[broken"}, "JSON list"),
        ({"alert_webhooks": ",".join(f"http://h{n}.example" for n in range(21))}, "more than 20"),
        ({"alert_webhooks": "http://ok.example", "alert_webhook_secret": ""}, "SECRET"),
        ({"alert_webhooks": "http://ok.example", "alert_webhook_secret": "c2hvcnQ="}, "SECRET"),
        ({"alert_webhooks": "http://ok.example", "alert_webhook_secret": "%%%"}, "SECRET"),
    ],
)
def test_wrong_settings_are_named_without_what_they_hold(
    changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=complaint) as raised:
        Webhooks(configured(**changes))
    assert "secret.example" not in str(raised.value)


def test_secrets_are_not_shown() -> None:
    chosen = configured("http://user:pass@hooks.example/T0/B1/xyz", "https://b.example:8443/")
    found = receivers(chosen)
    assert [receiver.label for receiver in found] == ["1:hooks.example", "2:b.example:8443"]
    assert "xyz" not in repr(found)
    assert "pass" not in repr(found)
    assert "xyz" not in repr(chosen)
    assert KEY not in repr(chosen)
    assert secret_of(chosen) == SECRET
    assert receivers(configured(alert_webhooks=" https://a.example/ , https://a.example/")) == [
        receivers(configured("https://a.example/"))[0]
    ]
    assert not Webhooks(configured(alert_webhooks="", alert_webhook_secret="")).wanted


@given(st.data())
def test_offsets_are_committable_up_to_the_first_that_is_not_done(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    times = [data.draw(st.integers(0, 3)) for _ in range(count)]
    offsets = Offsets()
    for offset, receivers_ in enumerate(times):
        offsets.begin(PLACE, offset * 2, receivers_)  # with holes
    order = data.draw(st.permutations([o for o, n in enumerate(times) for _ in range(n)]))
    for offset in order:
        first = next((o for o, left in enumerate(times) if left > 0), count)
        assert offsets.committable().get(PLACE) == (first * 2 - 1 if first else None)
        offsets.done(PLACE, offset * 2)
        times[offset] -= 1
    assert offsets.committable() == {PLACE: count * 2 - 1}
