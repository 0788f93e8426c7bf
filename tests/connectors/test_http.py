"""REST reads: limited, retried, bounded, and behind a breaker."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from connectors.breaker import Breakers
from connectors.http import Refused, Rest, retry_after_seconds
from schemas.errors import Transient
from tests.connectors.venue_server import Server, serving, settings


@asynccontextmanager
async def client(per_second: float = 1000, **changes: object) -> AsyncIterator[tuple[Server, Rest]]:
    async with serving() as server, aiohttp.ClientSession() as session:
        chosen = settings(**changes)
        rest = Rest(
            "kalshi", server.url + "/rest/", session, chosen, Breakers("kalshi", chosen),
            per_second=per_second, headers=lambda method, path: {"X-Signed": method + path},
            attempts=4,
        )  # fmt: skip
        yield server, rest


async def test_the_body_and_its_receive_time_come_back() -> None:
    async with client() as (server, rest):

        async def answer(request: web.Request) -> web.Response:
            assert request.headers["X-Signed"] == "GET/x"
            return web.Response(text=f"{request.query['a']}{request.query.getall('b')}")

        server.answer = answer
        before = time.time_ns() // 1000
        received, body = await rest.get("x", "/x", [("a", "1"), ("b", "2"), ("b", "3")])
        assert body == "1['2', '3']"
        assert before <= received <= time.time_ns() // 1000


async def test_429_and_5xx_are_retried_and_retry_after_is_kept() -> None:
    async with client() as (server, rest):
        moments: list[float] = []

        async def answer(request: web.Request) -> web.Response:
            moments.append(time.monotonic())
            if len(moments) == 1:
                return web.Response(status=429, headers={"Retry-After": "0.4"})
            return web.Response(status=503) if len(moments) == 2 else web.Response(text="ok")

        server.answer = answer
        assert (await rest.get("y", "/y"))[1] == "ok"
        assert len(moments) == 3
        assert moments[1] - moments[0] >= 0.4


async def test_a_refusal_is_not_retried() -> None:
    async with client() as (server, rest):
        calls = 0

        async def answer(request: web.Request) -> web.Response:
            nonlocal calls
            calls += 1
            return web.Response(status=404, text="gone")

        server.answer = answer
        with pytest.raises(Refused, match="404: gone") as refused:
            await rest.post("z", "/z", {"a": 1})
        assert (refused.value.status, calls) == (404, 1)


async def test_an_answer_without_end_is_refused() -> None:
    async with client(frame_limit_bytes=65_536) as (server, rest):

        async def answer(request: web.Request) -> web.Response:
            return web.Response(body=b"x" * 70_000)

        server.answer = answer
        with pytest.raises(Refused, match="longer than 65536"):
            await rest.get("big", "/big")


async def test_a_failing_endpoint_opens_its_breaker_and_is_left_alone() -> None:
    async with client(breaker_open_seconds=60) as (server, rest):
        calls = 0

        async def answer(request: web.Request) -> web.Response:
            nonlocal calls
            calls += 1
            return web.Response(status=500)

        server.answer = answer
        with pytest.raises(Transient):
            await rest.get("bad", "/bad")
        assert calls == 3
        with pytest.raises(Transient, match="breaker open"):
            await rest.get("bad", "/bad")
        assert calls == 3


async def test_the_rate_limit_spreads_requests() -> None:
    async with client(per_second=10) as (server, rest):

        async def answer(request: web.Request) -> web.Response:
            return web.Response(text="ok")

        server.answer = answer
        started = time.monotonic()
        for _ in range(14):
            await rest.get("limited", "/limited")
        assert time.monotonic() - started >= 0.3  # ten at once, then ten a second


async def test_no_network_is_transient() -> None:
    async with aiohttp.ClientSession() as session:
        chosen = settings()
        rest = Rest(
            "kalshi", "http://127.0.0.1:9", session, chosen, Breakers("kalshi", chosen),
            per_second=100, attempts=2,
        )  # fmt: skip
        with pytest.raises(Transient, match=r"127\.0\.0\.1:9"):
            await rest.get("none", "/none")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3),
        ("0.5", 0.5),
        ("-1", 0),
        ("99999", 120),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 40),
        ("nan", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(value, 60) == seconds


@given(st.text())
def test_any_retry_after_is_bounded_or_none(value: str) -> None:
    seconds = retry_after_seconds(value, 0)
    assert seconds is None or 0 <= seconds <= 120
