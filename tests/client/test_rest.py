"""The Python client against the running API: every method, pages, tables, errors."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import aiohttp.web
import pytest

from api import keys
from api.settings import ApiSettings
from echoarb.client import ApiError, Client, Unreachable, rest
from echoarb.stack.ports import free_port
from tests.api.support import BASE_US, Api, Tables, running
from tests.api.test_openapi_fuzz import PAIRS, fill
from tests.api.test_openapi_fuzz import json as as_json

START = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=BASE_US)
MARKET = "KXA-26"
T = TypeVar("T")


async def asked(api: Api, question: Callable[[Client], T], **options: Any) -> T:
    """Ask in a thread: the API runs in this one."""

    def ask() -> T:
        with Client(api.url, **options) as client:
            return question(client)

    return await asyncio.to_thread(ask)


@pytest.fixture
async def filled(settings: ApiSettings, tables: Tables, tmp_path: Path) -> Any:
    fill(tables)
    pairs = tmp_path / "pairs.json"
    pairs.write_text(as_json.dumps({"pairs": PAIRS}))
    async with running(settings.model_copy(update={"market_pairs": str(pairs)})) as found:
        yield found


async def test_ticks_come_page_by_page_as_records(
    filled: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest, "PAGE", 7)
    ticks = await asked(filled, lambda c: c.ticks(platform="kalshi", order="asc").to_list())
    assert len(ticks) == 35
    assert (ticks[0].ingest_ts, ticks[0].bid, ticks[0].source_ts) == (START, Decimal("0.42"), None)
    assert [t.sequence for t in ticks[:30]] == list(range(30))
    few = await asked(filled, lambda c: c.ticks(market=MARKET, most=10).to_list())
    assert len(few) == 10
    begin = START + timedelta(microseconds=5)
    some = await asked(filled, lambda c: list(c.ticks(kind="quote", since=begin, most=100)))
    assert {tick.kind for tick in some} == {"quote"}
    assert min(tick.ingest_ts for tick in some) == begin


async def test_every_other_question(filled: Api) -> None:
    def ask(c: Client) -> dict[str, Any]:
        return {
            "trades": c.trades(market=MARKET).to_list(),
            "candles": c.candles(market=MARKET, interval="1h").to_list(),
            "latest": c.latest(search="cut").to_list(),
            "book": c.book(MARKET, at=START + timedelta(seconds=1)),
            "markets": c.markets(status="open").to_list(),
            "gaps": c.gaps(platform="kalshi").to_list(),
            "coverage": c.coverage(MARKET, since=START, until=START + timedelta(hours=1)),
            "latency": c.latency(since=START, until=START + timedelta(hours=1), step="1h"),
            "spreads": c.spreads(),
            "spread": c.spread("rate-cut"),
            "history": c.spread_history("rate-cut").to_list(),
            "pairs": c.pairs(),
            "alerts": c.alerts(state="any").to_list(),
            "subscriptions": c.get("/api/v1/subscriptions", platform="kalshi"),
        }

    found = await asked(filled, ask)
    assert [trade.price for trade in found["trades"]] == [Decimal("0.4")] * 5
    (candle,) = found["candles"]
    assert (candle.trades, candle.volume, candle.mid_close) == (5, Decimal(5), Decimal("0.43"))
    (outcome,) = found["latest"]
    assert (outcome.title, outcome.mid, outcome.price) == (
        "A cut?",
        Decimal("0.43"),
        Decimal("0.4"),
    )
    (book,) = found["book"]
    assert (book.bid, book.trusted) == (Decimal("0.42"), False)
    assert found["markets"][0].outcomes[0].outcome == "yes"
    assert {gap.market_id for gap in found["gaps"]} == {MARKET, None}
    assert found["coverage"][0].percent < 100
    assert {step.count for step in found["latency"]} == {0} or found["latency"][0].negative == 1
    assert found["spread"] == found["spreads"][0]
    assert found["spread"].edges[0].edge == Decimal("0.052948")
    assert [spread.timestamp for spread in found["history"]] == [
        START + timedelta(microseconds=at) for at in (2, 1)
    ]
    assert found["pairs"][0].alert_threshold == Decimal("0.03")
    assert found["alerts"][0].rule == "spread"
    assert found["subscriptions"]["count"] == 1


async def test_tables(filled: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "PAGE", 10)
    table = await asked(filled, lambda c: c.ticks(platform="kalshi").to_arrow())
    assert table.num_rows == 35
    assert str(table.schema.field("bid").type).startswith("decimal")
    assert str(table.schema.field("ingest_ts").type) == "timestamp[us, tz=UTC]"
    candles = await asked(filled, lambda c: c.candles(market=MARKET).to_arrow())
    assert candles.num_rows == 1
    with pytest.raises(ApiError, match="Arrow"):
        await asked(filled, lambda c: c.gaps().to_arrow())
    # pandas and polars are the caller's to install: without them it says so.
    for name in ("pandas", "polars"):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(ImportError, match=f"pip install {name}"):
            await asked(filled, lambda c, n=name: getattr(c.ticks(), f"to_{n}")())


async def test_refusals_say_what_is_wrong(filled: Api) -> None:
    with pytest.raises(ApiError) as refused:
        await asked(filled, lambda c: c.ticks(kind="rumour").to_list())
    assert refused.value.status == 400
    assert "kind" in refused.value.detail
    assert refused.value.request_id
    with pytest.raises(ApiError, match="404"):
        await asked(filled, lambda c: c.spread("no/such pair"))
    with pytest.raises(ApiError, match=r"409|404|503"):
        await asked(filled, lambda c: c.acknowledge("0" * 8), patience=0)
    with pytest.raises(ValueError, match="zone"):
        Client().ticks(since=datetime(2026, 1, 1))  # noqa: DTZ001


async def test_a_key_is_shown_and_never_told(
    settings: ApiSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys.json"
    key, token = keys.make("test", ["read"], "2026-01-01T00:00:00.000000Z", None)
    with keys.changing(path) as file:
        file.keys.append(key)
    async with running(settings.model_copy(update={"api_keys_file": str(path)})) as api:
        with pytest.raises(ApiError, match="401"):
            await asked(api, lambda c: c.ticks().to_list())
        assert await asked(api, lambda c: c.ticks().to_list(), key=token) == []
        monkeypatch.setenv("ECHOARB_API_KEY", token)
        assert await asked(api, lambda c: c.ticks().to_list()) == []
        assert token not in repr(Client(api.url))


async def test_a_busy_api_is_asked_again_when_it_says() -> None:
    times: list[float] = []

    async def busy(_: aiohttp.web.Request) -> aiohttp.web.Response:
        times.append(asyncio.get_running_loop().time())
        if len(times) == 1:
            problem = b'{"title": "Too Many Requests", "status": 429, "detail": "later"}'
            return aiohttp.web.Response(status=429, body=problem, headers={"Retry-After": "1"})
        return aiohttp.web.json_response([])

    app = aiohttp.web.Application()
    app.router.add_get("/api/v1/spreads", busy)
    runner = aiohttp.web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await aiohttp.web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        api = Api(f"http://127.0.0.1:{port}", None)  # type: ignore[arg-type]
        assert await asked(api, lambda c: c.spreads()) == []
        assert times[1] - times[0] >= 1
        times.clear()
        with pytest.raises(ApiError, match="later"):
            await asked(api, lambda c: c.spreads(), patience=0)
    finally:
        await runner.cleanup()
    with pytest.raises(Unreachable):
        await asked(api, lambda c: c.spreads(), patience=0)


def test_nothing_of_the_server_is_imported() -> None:
    code = (
        "import sys, echoarb.client; "
        "print([m for m in ('faust', 'litestar', 'clickhouse_connect', 'confluent_kafka', "
        "'aiokafka', 'api', 'agents', 'connectors', 'pyarrow', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
