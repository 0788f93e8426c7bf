"""What boards compute in SQL is what the code elsewhere says: quantiles, coverage, gaps, volume."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import reduce
from operator import add

import pytest

from api.settings import ApiSettings
from schemas.clock import isoformat
from schemas.histogram import Histogram
from tests.api.support import running
from tests.deploy.board_data import Filled
from tests.deploy.boards import Answer, ClickHouse, queries
from tests.deploy.macros import Value, expand
from tests.deploy.test_boards_sql import over

pytestmark = pytest.mark.xdist_group("boards")
Data = tuple[ClickHouse, Filled]
HOUR_MS = 3_600_000


def answer(data: Data, board: str, name: str, hours: int = 4, **values: Value) -> Answer:
    """Return a query's answer over the last hours of the data."""
    (query,) = (one for one in queries() if (one.board, one.name) == (board, name))
    server, filled = data
    asked = over(filled, "all")
    since = asked.until_ms - hours * HOUR_MS
    asked = replace(asked, since_ms=since, values={**asked.values, **values})
    return server.ask(expand(query.sql, asked))


def us(text: str) -> int:
    """Return the microseconds of a time as ClickHouse writes it."""
    at = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return round((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000_000)


def test_quantiles_are_those_of_the_merged_histograms(filled: Data) -> None:
    server, _ = filled
    stored = server.ask(
        "SELECT platform, stage, sumMap(buckets.bucket, buckets.count) AS counts, min(min_us), "
        "max(max_us) FROM latency FINAL GROUP BY platform, stage"
    )
    shown = {
        (platform, stage): quantiles
        for platform, stage, *quantiles in (
            row[:5] for row in answer(filled, "latency", "Every platform and stage/A", 5).rows
        )
    }
    assert len(shown) == 12
    for platform, stage, (buckets, counts), low, high in stored.rows:
        merged = Histogram(dict(zip(buckets, map(int, counts), strict=True)), 0, 0, low, high)
        for wanted, found in zip(
            merged.quantiles((0.5, 0.95, 0.99)), shown[platform, stage], strict=True
        ):
            assert wanted is not None
            assert found * 1000 == pytest.approx(wanted, rel=0.011, abs=1)


def test_the_heatmap_holds_every_tick_once(filled: Data) -> None:
    server, _ = filled
    drawn = answer(filled, "latency", "How ages are spread/A", 5)
    counted = server.ask("SELECT sum(count) FROM latency FINAL").rows[0][0]
    assert reduce(add, (sum(map(int, row[1:])) for row in drawn.rows)) == int(counted)


def test_volume_is_each_trade_once(filled: Data) -> None:
    server, _ = filled
    drawn = answer(filled, "markets", "Volume/A", 5)
    traded = server.ask("SELECT sum(size) FROM ticks FINAL WHERE kind = 'trade'").rows[0][0]
    assert sum(drawn.column("Value")) == pytest.approx(traded)


async def test_coverage_and_gaps_are_the_apis(filled: Data) -> None:
    server, data = filled
    settings = ApiSettings(
        _env_file=None,
        api_port=0,
        metrics_port=0,
        kafka_bootstrap="127.0.0.1:1",
        registry_url="http://127.0.0.1:1",
        clickhouse_url=server.url,
        clickhouse_database=server.database,
    )
    drawn = answer(filled, "trust", "Markets/A", 24)
    shown = {(series, us(time)): value for time, series, value in drawn.rows}
    ids = server.ask("SELECT DISTINCT platform, market_id, title FROM markets FINAL").rows
    span = {"since": isoformat(data.end_us - 24 * HOUR_MS * 1000), "until": isoformat(data.end_us)}
    compared = 0
    async with running(settings) as api:
        for platform, market, title in ids:
            found = await api.get("/api/v1/coverage", platform=platform, market=market, **span)
            for hour in found["data"]:
                begin = us(hour["hour"].removesuffix("Z"))
                value = shown[f"{title} · {platform}", begin]
                assert value == pytest.approx(hour["percent"] / 100, abs=2e-5), hour
                compared += 1
        gaps = await api.get("/api/v1/gaps", limit=1000, **span)
    assert compared == 24 * len(ids)
    assert {0, 1} < set(shown.values())  # and some in between
    regions = answer(filled, "markets", "Gaps", 24)
    listed = [one for one in gaps["data"] if one["reason"] != "startup"]
    assert len(regions.rows) == len(listed)
    known = sorted(us(one["from_ts"].removesuffix("Z")) for one in listed if one["from_ts"])
    assert set(known) <= {us(time) for time in regions.column("time")}
