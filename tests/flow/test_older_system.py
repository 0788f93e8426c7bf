"""Every row of the older system's routes and features, asked of the local stack: fields and values.

The rows are those of docs/api.md (echoarb/older_system.py); one without a check fails here.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from echoarb.older_system import FEATURES, ROOT, ROUTES
from schemas.clock import now_us, parse_rfc3339
from schemas.topics import PLATFORMS
from tests.flow.stack import Stack, running

pytestmark = [pytest.mark.flow, pytest.mark.slow]
HOUR_US = 3600 * 1_000_000


class Ask:
    """Questions to the running stack."""

    def __init__(self, stack: Stack, http: aiohttp.ClientSession) -> None:
        self.stack = stack
        self.http = http
        self.url = f"http://127.0.0.1:{stack.options.api_port}"

    async def get(self, path: str, **params: Any) -> Any:
        async with self.http.get(self.url + path, params=params) as answer:
            assert answer.status == 200, (path, await answer.text())
            return await answer.json()

    async def status(self, path: str) -> tuple[int, Any]:
        async with self.http.get(self.url + path) as answer:
            return answer.status, await answer.json()

    async def post(self, path: str, **params: str) -> Any:
        async with self.http.post(self.url + path, params=params) as answer:
            assert answer.status == 200, (path, await answer.text())
            return await answer.json()

    async def metrics(self, part: str) -> str:
        port = self.stack.supervisor.parts[part].metrics_port
        async with self.http.get(f"http://127.0.0.1:{port}/metrics") as answer:
            return await answer.text()

    async def rows(self, sql: str) -> list[Any]:
        return await asyncio.to_thread(self.stack.query, sql)

    async def socket(self, path: str, *wanted: str, send: Any = None) -> dict[str, Any]:
        """Return the first message of a wanted type."""
        async with self.http.ws_connect(self.url + path) as ws:
            if send is not None:
                await ws.send_json(send)
            while True:
                message: dict[str, Any] = json.loads(await ws.receive_str(timeout=60))
                if message["type"] in wanted:
                    return message


def fresh(text: str) -> bool:
    """Return whether a time is of this run."""
    return now_us() - parse_rfc3339(text) < HOUR_US


def price(text: str) -> bool:
    return Decimal(0) <= Decimal(text) <= 1


async def root(ask: Ask) -> None:
    found = await ask.get("/")
    assert found["service"] == "EchoArb API"
    assert (found["environment"], found["docs"]) == ("development", "/docs")


async def health(ask: Ask) -> None:
    found = await ask.get("/health")
    assert (found["status"], found["kafka_connected"]) == ("healthy", True)
    assert found["market_pairs"] == 8
    assert (await ask.get("/ready"))["dependencies"] == {"clickhouse": "ok", "kafka": "ok"}


async def api_metrics(ask: Ask) -> None:
    assert "echoarb_api_requests_total" in await ask.metrics("api")


async def ticks(ask: Ask) -> None:
    found = (await ask.get("/api/v1/ticks", limit=50))["data"]
    assert len(found) == 50
    assert all(fresh(tick["ingest_ts"]) for tick in found)
    for platform in PLATFORMS:
        old = await ask.get("/api/v1/ticks", view="classic", source=platform.upper(), limit=20)
        assert {tick["source"] for tick in old["data"]} == {platform.upper()}
        for tick in old["data"]:
            if tick["yes_bid"] is not None and tick["yes_ask"] is not None:
                assert tick["spread"] == pytest.approx(tick["yes_ask"] - tick["yes_bid"])
                assert tick["no_bid"] == pytest.approx(1 - tick["yes_ask"])
            if tick["ts_source"] is not None:
                assert tick["latency_ms"] == tick["ts_ingest"] - tick["ts_source"]


async def consumer(ask: Ask) -> None:
    found = await ask.get("/api/v1/stats/consumer")
    assert (found["running"], found["messages_failed"]) == (True, 0)
    assert found["messages_processed"] > 100
    assert found["last_message_id"].startswith(("ticks.", "gaps/", "spreads/"))
    assert 0 <= found["pending_messages"] < 5000


async def stream(ask: Ask) -> None:
    stored = await ask.stack.stored()

    async def seen() -> bool:  # an answer is given again for some seconds
        return bool((await ask.get("/api/v1/stats/stream"))["length"] >= stored)

    await ask.stack.until(seen, 20, "the topics hold what is stored")
    found = await ask.get("/api/v1/stats/stream")
    assert {group["name"] for group in found["groups"]} == {"echoarb-analytics", "echoarb-sink"}
    assert found["first_entry"]["offset"] == 0
    assert fresh(found["last_entry"]["timestamp"])


async def debug_tick(ask: Ask) -> None:
    for path in ("/api/v1/debug/tick", "/api/v1/debug/update_price"):
        asked = {"source": "KALSHI", "contract_id": "ROW", "price": "0.42"}
        found = await ask.post(path, **asked)
        assert (found["success"], found["price"], found["source"]) == (True, "0.42", "KALSHI")

    async def stored() -> bool:
        return len((await ask.get("/api/v1/trades", market="debug:ROW"))["data"]) >= 2

    await ask.stack.until(stored, 30, "ticks by hand are stored")


async def spreads(ask: Ask) -> None:
    found = await ask.get("/api/v1/spreads")
    assert len(found) == 8
    for spread in found:
        assert fresh(spread["timestamp"])
        if spread["kalshi_poly_spread"] is not None:
            apart = abs(Decimal(spread["kalshi_prob"]) - Decimal(spread["poly_prob"]))
            assert Decimal(spread["kalshi_poly_spread"]) == apart
    one = await ask.get("/api/v1/spreads/rate-cut")
    assert one["pair_id"] == "rate-cut"
    status, problem = await ask.status("/api/v1/spreads/no-such")
    assert (status, problem["status"]) == (404, 404)


async def completeness(ask: Ask) -> None:
    spreads = await ask.get("/api/v1/spreads")
    assert max(Decimal(spread["data_completeness"]) for spread in spreads) == 1
    assert {spread["threshold"] for spread in spreads} == {"0.05"}
    for alert in (await ask.get("/api/v1/alerts", rule="spread", state="any"))["data"]:
        size = Decimal(alert["value"])
        bands = [("critical", "0.2"), ("high", "0.15"), ("medium", "0.1"), ("low", "0")]
        expected = next(name for name, least in bands if size >= Decimal(least))
        assert alert["severity"] == expected


async def alerts(ask: Ask) -> None:
    async def raised() -> bool:
        return bool((await ask.get("/api/v1/alerts", rule="spread", state="any"))["data"])

    await ask.stack.until(raised, 120, "a spread raises an alert")
    alert = (await ask.get("/api/v1/alerts", rule="spread", state="any"))["data"][0]
    assert alert["spread_result"]["pair_id"] == alert["pair_id"]
    assert alert["created_at"] == alert["raised_ts"]
    assert price(alert["threshold"])
    none = await ask.get("/api/v1/alerts", min_threshold=1, state="open", rule="spread")
    assert none["data"] == []


async def acknowledge(ask: Ask) -> None:
    """An alert that is open, or none: then acknowledging one that is over is refused."""
    await alerts(ask)
    alert = (await ask.get("/api/v1/alerts", rule="spread", state="any"))["data"][0]
    path = f"/api/v1/alerts/{alert['alert_id']}/acknowledge"
    async with ask.http.post(ask.url + path, json={"by": "ada"}) as answer:
        found = await answer.json()
        assert answer.status in (200, 409), found
    if answer.status == 200:
        assert found["acknowledged_by"] == "ada"


async def pairs(ask: Ask) -> None:
    found = await ask.get("/api/v1/pairs")
    assert found["count"] == len(found["pairs"]) == 8
    pair = next(pair for pair in found["pairs"] if pair["id"] == "rate-cut")
    assert pair["kalshi_tickers"] == ["KXRATECUT-29DEC31-Y"]
    assert pair["poly_token_id"].isdigit()
    assert pair["manifold_slug"] == "rate-cut"


async def pair_file(ask: Ask) -> None:
    pair = next(p for p in (await ask.get("/api/v1/pairs"))["pairs"] if p["id"] == "harbour-bridge")
    transforms = {leg["platform"]: leg["transform"] for leg in pair["legs"]}
    assert transforms["polymarket"] == "inverse"
    command = [sys.executable, "-m", "echoarb", "pairs", "check", "--offline"]
    path = str(ask.stack.options.simulated_pairs)
    done = await asyncio.to_thread(subprocess.run, [*command, path], capture_output=True, text=True)
    assert "8 pairs, 0 errors" in done.stderr


async def subscriptions(ask: Ask) -> None:
    found = await ask.get("/api/v1/subscriptions")
    assert {each["platform"] for each in found["platforms"]} == set(PLATFORMS)
    assert found["count"] >= 24


async def cache(ask: Ask) -> None:
    found = await ask.get("/api/v1/stats/cache")
    parts = [found[f"{platform}_contracts"] for platform in PLATFORMS]
    assert min(parts) >= 8
    assert found["total_contracts"] == sum(parts)
    assert all(fresh(found["last_updates"][platform]) for platform in PLATFORMS)


async def latency(ask: Ask) -> None:
    found = await ask.get("/api/v1/stats/latency")
    of = {(each["source"], each["stage"]): each for each in found["sources"]}
    for platform in PLATFORMS:
        one = of[platform.upper(), "source_ingest"]
        assert one["count"] > 20
        assert one["floor"] <= one["p50"] <= one["p95"] <= one["p99"] <= one["max"]
    merged = await ask.get("/api/v1/latency", step="all", stage="ingest_emit")
    assert {row["platform"] for row in merged["data"]} == set(PLATFORMS)


async def ws_spreads(ask: Ask) -> None:
    initial = await ask.socket("/ws/spreads", "initial_spreads")
    assert len(initial["spreads"]) == 8
    update = await ask.socket("/ws/spreads", "spread_update")
    assert len(update["spreads"]) == 1
    assert set(update["trigger_tick"]) == {"source", "contract_id", "price", "latency_ms"}
    assert update["trigger_tick"]["source"] in {platform.upper() for platform in PLATFORMS}


async def ws_ticks(ask: Ask) -> None:
    plain = await ask.socket("/ws/ticks", "tick")
    assert plain["tick"]["source"] in {platform.upper() for platform in PLATFORMS}
    assert fresh(plain["timestamp"])
    ours = await ask.socket("/ws/ticks", "tick", send={"type": "subscribe", "platform": "manifold"})
    assert ours["data"]["platform"] == "manifold"
    assert ours["cursor"]


async def ws_stats(ask: Ask) -> None:
    async with ask.http.ws_connect(ask.url + "/ws/ticks"):
        found = await ask.get("/ws/stats")
        assert 1 <= found["active_connections"] <= found["total_connections"]


async def close_codes(ask: Ask) -> None:
    async with ask.http.ws_connect(ask.url + "/ws/ticks?platform=nyse") as ws:
        assert json.loads(await ws.receive_str())["code"] == "bad_message"
        assert (await ws.receive()).data == 1008


async def connector_metrics(ask: Ask) -> None:
    for platform in PLATFORMS:
        assert f'platform="{platform}"' in await ask.metrics(f"connector-{platform}")


def venue(platform: str) -> Callable[[Ask], Awaitable[None]]:
    async def check(ask: Ask) -> None:
        sql = f"SELECT count(), max(ingest_ts) FROM ticks WHERE platform = '{platform}'"  # noqa: S608
        assert (await ask.rows(sql))[0][0] > 10

    return check


async def markets(ask: Ask) -> None:
    found = (await ask.get("/api/v1/markets", search="rate", status="open"))["data"]
    assert {market["platform"] for market in found} == set(PLATFORMS)
    rows = await ask.rows("SELECT count() FROM markets FINAL")
    assert rows[0][0] >= 24


async def times(ask: Ask) -> None:
    for tick in (await ask.get("/api/v1/ticks", limit=100))["data"]:
        assert parse_rfc3339(tick["ingest_ts"]) <= parse_rfc3339(tick["emit_ts"])
        assert tick["source_ts"] is None or fresh(tick["source_ts"])


async def latest(ask: Ask) -> None:
    found = (await ask.get("/api/v1/latest", search="rain", limit=50))["data"]
    assert {row["platform"] for row in found} == set(PLATFORMS)
    for row in found:
        if row["bid"] is not None and row["ask"] is not None:
            assert Decimal(row["mid"]) == (Decimal(row["bid"]) + Decimal(row["ask"])) / 2


async def history(ask: Ask) -> None:
    found = (await ask.get("/api/v1/spreads/rate-cut/history", limit=5))["data"]
    times = [parse_rfc3339(spread["timestamp"]) for spread in found]
    assert times == sorted(times, reverse=True)
    assert len(times) == 5
    for table in ("spreads", "alerts"):
        assert (await ask.rows(f"SELECT count() FROM {table}"))[0][0] > 0  # noqa: S608


async def candles(ask: Ask) -> None:
    found = (await ask.get("/api/v1/candles", market="KXRATECUT-29DEC31-Y", interval="1h"))["data"]
    for candle in found:
        if candle["trades"]:
            prices = [Decimal(candle[name]) for name in ("low", "open", "close", "high")]
            assert min(prices) == prices[0]
            assert max(prices) == prices[3]
    assert found


async def retention(ask: Ask) -> None:
    for table, days in (("ticks", 30), ("spreads", 90)):
        (row,) = await ask.rows(f"SHOW CREATE TABLE {table}")
        assert f"toIntervalDay({days})" in row[0]


async def seeded(_: Ask) -> None:
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "echoarb", "seed", "--help"], capture_output=True
    )
    assert b"SAMPLE" in done.stdout  # tests/api/test_seed.py runs it


async def boards(_: Ask) -> None:
    files = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))
    titles = {
        json.loads(file.read_text())["title"] for file in files
    }  # test_boards_sql.py runs them
    assert len(titles) == 5
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "echoarb", "top", "--help"], capture_output=True
    )
    assert b"spreads, latency, alerts" in done.stdout  # tests/top run it


async def kalshi_keys(ask: Ask) -> None:
    folder = ask.stack.options.data_dir / "new-keys"
    script = str(ROOT / "scripts" / "generate_kalshi_keys.sh")
    made = await asyncio.to_thread(
        subprocess.run, ["sh", script, str(folder)], capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    assert "ECHOARB_KALSHI_PRIVATE_KEY_FILE" in made.stdout
    from connectors.kalshi.sign import headers, parse_private_key

    private = folder / "kalshi.key"
    assert private.stat().st_mode & 0o777 == 0o600
    key = parse_private_key(private.read_bytes())
    assert headers("id", key, 1_700_000_000_000, "GET", "/x")["KALSHI-ACCESS-KEY"] == "id"
    again = await asyncio.to_thread(
        subprocess.run, ["sh", script, str(folder)], capture_output=True
    )
    assert again.returncode == 1


async def setup(_: Ask) -> None:
    text = (ROOT / "Makefile").read_text()
    assert "\nup:" in text
    assert "\ntest:" in text


async def alert_rules(_: Ask) -> None:
    text = (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text()
    rules = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    assert "EchoArbTargetDown" in {rule.get("alert") for rule in rules}  # test_rules.py runs them


async def compose(_: Ask) -> None:
    services = yaml.safe_load((ROOT / "docker-compose.kafka.yml").read_text())["services"]
    assert {"kafka", "registry", "clickhouse", "prometheus", "grafana", "api"} <= set(services)
    assert "profiles" not in services["grafana"]


async def chart(_: Ask) -> None:
    found = yaml.safe_load((ROOT / "deploy" / "helm" / "echoarb" / "Chart.yaml").read_text())
    assert found["name"] == "echoarb"  # tests/deploy/test_chart.py renders it


async def ci(_: Ask) -> None:
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    assert "make test" in (ROOT / ".github" / "workflows" / "ci.yml").read_text()


CHECKS: dict[str, Callable[[Ask], Awaitable[None]]] = {
    "GET /": root,
    "GET /health": health,
    "GET /metrics": api_metrics,
    "GET /api/v1/ticks": ticks,
    "GET /api/v1/stats/consumer": consumer,
    "GET /api/v1/stats/stream": stream,
    "POST /api/v1/debug/tick": debug_tick,
    "GET /api/v1/spreads": spreads,
    "GET /api/v1/spreads/{pair_id}": spreads,
    "GET /api/v1/alerts": alerts,
    "GET /api/v1/pairs": pairs,
    "GET /api/v1/subscriptions": subscriptions,
    "GET /api/v1/stats/cache": cache,
    "GET /api/v1/stats/latency": latency,
    "POST /api/v1/debug/update_price": debug_tick,
    "WS /ws/spreads": ws_spreads,
    "WS /ws/ticks": ws_ticks,
    "GET /ws/stats": ws_stats,
    "close codes 1008, 1011": close_codes,
    "Go :9090 /metrics, /health": connector_metrics,
    "Kalshi, signed": venue("kalshi"),
    "Polymarket": venue("polymarket"),
    "Manifold": venue("manifold"),
    "discovery and explicit subscriptions": markets,
    "normalised tick with source, ingest and emit times": times,
    "stream": stream,
    "latest": latest,
    "recent ticks": ticks,
    "pair file with transforms": pair_file,
    "spreads of every venue pair": spreads,
    "completeness, severity bands, thresholds": completeness,
    "alert list with acknowledge": acknowledge,
    "history tables": history,
    "hourly aggregates": candles,
    "retention 30/90 days": retention,
    "market metadata": markets,
    "live socket for ticks": ws_ticks,
    "live socket for spreads": ws_spreads,
    "stats: consumer": consumer,
    "stats: stream": stream,
    "stats: cache": cache,
    "stats: latency percentiles": latency,
    "stats: sockets": ws_stats,
    "Prometheus metrics": connector_metrics,
    "dashboard: status, ticks/s, tick table, pairs, alerts, latency": boards,
    "alert rules for Prometheus": alert_rules,
    "compose file with a monitoring profile": compose,
    "deployment to Kubernetes": chart,
    "debug injection": debug_tick,
    "seed data": seeded,
    "key generation": kalshi_keys,
    "setup script": setup,
    "CI that really tests": ci,
}


@pytest.mark.timeout(400)
async def test_every_row_answers_with_its_fields_and_values(tmp_path: Path) -> None:
    assert {row.had for row in (*ROUTES, *FEATURES)} == set(CHECKS)
    failed: dict[str, str] = {}
    async with running(tmp_path) as stack, aiohttp.ClientSession() as http:
        ask = Ask(stack, http)
        await stack.flowing(1500)
        await alerts(ask)
        for check in dict.fromkeys(CHECKS.values()):
            try:
                await check(ask)
            except Exception as error:
                rows = [had for had, of_row in CHECKS.items() if of_row is check]
                failed[", ".join(rows)] = f"{type(error).__name__}: {error}"[:600]
    assert failed == {}
