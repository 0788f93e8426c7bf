"""Sockets are spread, supervised, watched for data, and reconnected as new epochs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
from prometheus_client import REGISTRY

from connectors.breaker import Breakers
from connectors.events import Record, Request, SnapshotNeeded
from connectors.pipeline import Pipeline
from connectors.pool import SocketPlan, SocketPool
from connectors.socket import Socket
from schemas.clock import now_us
from schemas.gap import Gap
from tests.connectors.venue_server import NumberParser, Server, WordDialect, serving, settings


class Edge:
    """A pool that runs against a Server."""

    def __init__(self, server: Server, pool: SocketPool, parser: NumberParser) -> None:
        self.server = server
        self.pool = pool
        self.parser = parser
        self.published: list[Record] = []
        self.requests: list[Request] = []


@asynccontextmanager
async def following(
    *keys: str, silence_seconds: float = 60, silent: bool | None = None
) -> AsyncIterator[Edge]:
    async with serving() as server, aiohttp.ClientSession() as session:
        parser = NumberParser()
        edge: Edge
        plan = SocketPlan("ws", server.url + "/ws", silence_seconds)
        if silent is not None:

            async def really_silent(socket: Socket) -> bool:
                return bool(silent)

            plan = SocketPlan("ws", server.url + "/ws", silence_seconds, None, really_silent)

        async def on_request(socket: Socket, request: Request) -> None:
            edge.requests.append(request)

        connector_settings = settings()
        pool = SocketPool(
            plan,
            WordDialect(),
            Pipeline(parser, lambda record: edge.published.append(record)),
            session,
            connector_settings,
            Breakers("kalshi", connector_settings),
            on_request,
        )
        edge = Edge(server, pool, parser)
        pool.set_keys(keys)
        task = asyncio.create_task(pool.run())
        try:
            yield edge
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_keys_are_spread_over_as_many_sockets_as_they_need() -> None:
    async with following("A", "B", "C") as edge:
        await edge.server.until(lambda: len(edge.server.said) >= 2)
        first = {text for _, text in edge.server.said if text.startswith("follow")}
        assert first == {"follow A,B", "follow C"}
        edge.pool.set_keys(["A", "C", "D", "E", "F"])
        await edge.server.until(lambda: any(text == "follow F" for _, text in edge.server.said))
        words = {text for _, text in edge.server.said if text != "ping"}
        assert words == {"follow A,B", "follow C", "drop B", "add D", "add E", "follow F"}
        assert edge.server.connections == 3


async def test_keepalive_texts_are_sent() -> None:
    async with following("A") as edge:
        await edge.server.until(lambda: sum(text == "ping" for _, text in edge.server.said) >= 3)


async def test_a_lost_connection_is_a_new_epoch_and_a_gap() -> None:
    async with following("A") as edge:
        await edge.server.until(lambda: len(edge.server.sockets) == 1)
        await edge.server.sockets[0].send_str("data")
        await edge.server.until(lambda: len(edge.parser.frames) == 1)
        await edge.server.sockets[0].close()
        await edge.server.until(lambda: len(edge.server.sockets) == 2)
        connection, _, reason, detail = edge.parser.lost[0]
        assert reason == "disconnect"
        assert "code" in detail
        assert [type(record) for record in edge.published] == [Gap]
        await edge.server.sockets[1].send_str("data")
        await edge.server.until(lambda: len(edge.parser.frames) == 2)
        assert edge.parser.frames[0].connection == connection
        assert edge.parser.frames[1].connection != connection
        assert edge.parser.frames[1].connection.startswith("ws-0/")


async def test_pongs_do_not_satisfy_the_data_watchdog() -> None:
    async with following("A", silence_seconds=0.3) as edge:
        await edge.server.until(lambda: len(edge.server.sockets) == 1)

        async def chatter() -> None:
            while True:
                with suppress(ConnectionError):
                    await edge.server.sockets[0].send_str("pong")
                await asyncio.sleep(0.02)

        chatting = asyncio.create_task(chatter())
        await edge.server.until(lambda: len(edge.server.sockets) >= 2)
        chatting.cancel()
        assert edge.parser.lost[0][2] == "silence"


async def test_data_satisfies_the_watchdog() -> None:
    async with following("A", silence_seconds=0.5) as edge:
        await edge.server.until(lambda: len(edge.server.sockets) == 1)
        for _ in range(60):
            await edge.server.sockets[0].send_str("data")
            await asyncio.sleep(0.02)
        assert edge.server.connections == 1


async def test_a_market_that_is_only_quiet_keeps_its_socket() -> None:
    async with following("A", silence_seconds=0.1, silent=False) as edge:
        await edge.server.until(lambda: len(edge.server.sockets) == 1)
        asked = now_us()
        await asyncio.sleep(0.5)
        assert edge.server.connections == 1
        await edge.server.sockets[0].close()
        await edge.server.until(lambda: len(edge.parser.lost) == 1)
        assert edge.parser.lost[0][1] > asked  # trusted for as long as REST spoke for it


async def test_requests_of_the_parser_reach_the_feed() -> None:
    async with following("A") as edge:
        await edge.server.until(lambda: len(edge.server.sockets) == 1)
        await edge.server.sockets[0].send_str("resync")
        await edge.server.until(lambda: bool(edge.requests))
        assert isinstance(edge.requests[0], SnapshotNeeded)


async def test_a_refusing_venue_opens_the_breaker_and_is_tried_again() -> None:
    async with following("A") as edge:
        edge.server.refuse_with = 401

        def opened() -> bool:
            labels = {"platform": "kalshi", "venue_endpoint": "ws"}
            return REGISTRY.get_sample_value("echoarb_breaker_open", labels) == 1

        await edge.server.until(opened)
        tries = edge.server.connections
        assert tries >= 3
        edge.server.refuse_with = None
        await edge.server.until(lambda: bool(edge.server.sockets))
        await edge.server.until(lambda: not opened())


async def test_stopping_says_that_the_stream_ended() -> None:
    async with following("A") as edge:
        await edge.server.until(lambda: bool(edge.pool.sockets and edge.pool.sockets[0].connection))
        parser = edge.parser
    assert parser.lost[-1][2:] == ("disconnect", "this connector stopped")


async def test_a_defect_in_the_parser_ends_the_pool_loudly() -> None:
    async with serving() as server, aiohttp.ClientSession() as session:
        parser = NumberParser()
        parser.receive = None  # type: ignore[assignment,method-assign]
        edge_settings = settings()

        async def on_request(socket: Socket, request: Request) -> None: ...

        pool = SocketPool(
            SocketPlan("ws", server.url + "/ws", 60),
            WordDialect(),
            Pipeline(parser, print),
            session,
            edge_settings,
            Breakers("kalshi", edge_settings),
            on_request,
        )
        pool.set_keys(["A"])
        task = asyncio.create_task(pool.run())
        await server.until(lambda: len(server.sockets) == 1)
        await server.sockets[0].send_str("data")
        with pytest.raises(ExceptionGroup):
            await asyncio.wait_for(task, 30)
