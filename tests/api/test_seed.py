"""`echoarb seed`: sample data that the API shows, the same each time, never among real ticks."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from api.settings import ApiSettings
from tests.api.support import TOPIC, Tables, make_tick, running

UNTIL = "2026-11-20T12:34:00Z"


def seed(settings: ApiSettings, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [
        *(sys.executable, "-m", "echoarb", "seed", "--days", "0.25", "--markets", "2"),
        *("--until", UNTIL, "--pair-file", str(folder / "pairs.json")),
        *("--clickhouse", settings.clickhouse_url, "--database", settings.clickhouse_database),
    ]
    return subprocess.run(
        [*command, *more], capture_output=True, text=True, timeout=110, check=False
    )


def counts(tables: Tables) -> dict[str, int]:
    names = ("ticks", "gaps", "markets", "latency", "spreads", "alerts", "candles", "latest")
    return {
        name: int(tables.client.query(f"SELECT count() FROM {name} FINAL").result_rows[0][0])  # noqa: S608
        for name in names
    }


async def test_samples_are_there_once_and_the_api_shows_them(
    settings: ApiSettings,
    tables: Tables,
    tmp_path: Path,
) -> None:
    first = await asyncio.to_thread(seed, settings, tmp_path)
    assert first.returncode == 0, first.stderr
    assert "6 hours until 2026-11-20 12:00 UTC" in first.stderr
    once = counts(tables)
    assert once["ticks"] > 5_000
    assert min(once.values()) > 0
    again = await asyncio.to_thread(seed, settings, tmp_path)
    assert again.returncode == 0, again.stderr
    assert counts(tables) == once
    pairs = str(tmp_path / "pairs.json")
    async with running(settings.model_copy(update={"market_pairs": pairs})) as api:
        since = {"since": "2026-11-20T06:00:00Z", "until": "2026-11-20T12:00:00Z"}
        markets = (await api.get("/api/v1/markets", search="SAMPLE"))["data"]
        assert len(markets) == 6
        spreads = await api.get("/api/v1/spreads")
        assert [each["data_completeness"] for each in spreads] == ["1", "1"]
        assert all(Decimal(each["max_spread"]) < Decimal("0.2") for each in spreads)
        market = markets[0]["market_id"]
        candles = (await api.get("/api/v1/candles", market=market, interval="1h", **since))["data"]
        assert len(candles) == 6
        hours = (await api.get("/api/v1/coverage", market=market, **since))["data"]
        assert len(hours) >= 6
        latency = (await api.get("/api/v1/latency", step="1h", **since))["data"]
        assert len(latency) == 6 * 3 * 4
        alerts: Any = (await api.get("/api/v1/alerts", state="any"))["data"]
        assert alerts[0]["spread_result"]["pair_id"].startswith("sample-")


def test_real_ticks_are_not_mixed_with_samples(
    settings: ApiSettings,
    tables: Tables,
    tmp_path: Path,
) -> None:
    tables.insert("ticks", [make_tick()], TOPIC)
    refused = seed(settings, tmp_path)
    assert refused.returncode == 1
    assert "1 real ticks" in refused.stderr
    assert "--force" in refused.stderr
    assert counts(tables)["ticks"] == 1
    forced = seed(settings, tmp_path, "--days", "0.05", "--markets", "1", "--force")
    assert forced.returncode == 0, forced.stderr
    tables.client.command("TRUNCATE TABLE ticks")
    seeded = seed(settings, tmp_path, "--days", "0.05", "--markets", "1")
    assert seeded.returncode == 0, seeded.stderr
    other = seed(settings, tmp_path, "--seed", "2")
    assert other.returncode == 1
    assert "sample ticks of another seed than 2" in other.stderr
    wrong = seed(settings, tmp_path, "--until", "tomorrow")
    assert wrong.returncode == 2
    assert "--until" in wrong.stderr
