"""schemathesis over the whole OpenAPI document, against the served API with rows to find.

A few examples an operation here; `make fuzz` runs a thousand.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

import pytest
from yarl import URL

from api.settings import ApiSettings
from schemas.market import Market, Outcome
from tests.api.support import BASE_US, TOPIC, Api, Broker, Tables, make_gap, make_tick, running
from tests.api.test_alerts import make_alert
from tests.api.test_latency import histogram, record
from tests.api.test_spreads import PAIRS, make_spread

EXAMPLES = int(os.environ.get("ECHOARB_FUZZ_EXAMPLES", "5"))
PHASES = "examples,fuzzing" if EXAMPLES < 50 else "examples,coverage,fuzzing"
"""The coverage phase alone is two thousand requests."""
CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance"),
    *("response_schema_conformance", "response_headers_conformance", "negative_data_rejection"),
    *("unsupported_method", "allow_header_conformance"),
)


def fill(tables: Tables) -> None:
    """Put a few rows into each table that routes read."""
    ticks = [make_tick(at, sequence=at) for at in range(30)]
    trade = {"kind": "trade", "price": Decimal("0.4"), "size": Decimal(1), "side": "buy"}
    ticks += [make_tick(40 + at, **trade) for at in range(5)]
    ticks += [make_tick(50, platform="manifold", market_id="m1", outcome_id="m1")]
    tables.insert("ticks", ticks, TOPIC)
    tables.insert("gaps", [make_gap(), make_gap(5, market_id=None, to_ts=None)], TOPIC)
    tables.insert("latency", [record(histogram(1000, -5)), record(histogram())], TOPIC)
    tables.insert("spreads", [make_spread(1), make_spread(2)], TOPIC)
    tables.insert("alerts", [make_alert(1)], TOPIC)
    market = Market(
        seen_ts=BASE_US,
        platform="kalshi",
        market_id="KXA-26",
        event_id=None,
        slug=None,
        title="A cut?",
        outcomes=(Outcome("KXA-26", "yes"),),
        status="open",
        resolution=None,
        open_ts=None,
        close_ts=None,
        unit="USD",
        tick_size=Decimal("0.01"),
        min_size=None,
        fee_type=None,
        fee_rate=None,
        volume=None,
        mechanism=None,
    )
    tables.insert("markets", [market], TOPIC)


@pytest.mark.timeout(60 + 40 * EXAMPLES)
async def test_schemathesis_finds_nothing(
    live_settings: ApiSettings, own_broker: Broker, tables: Tables, tmp_path: Path
) -> None:
    fill(tables)
    pairs = tmp_path / "pairs.json"
    pairs.write_text(json.dumps({"pairs": PAIRS}))
    settings = live_settings.model_copy(
        update={
            "environment": "development",
            "market_pairs": str(pairs),
            "api_rate_per_minute": 10_000_000,
        }
    )
    async with running(settings) as api:
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{api.url}/schema/openapi.json"),
            *("--max-examples", str(EXAMPLES), "--checks", ",".join(CHECKS)),
            *("--phases", PHASES, "--workers", "1", "--seed", "1"),
            *("--suppress-health-check", "all", "--warnings", "off", "--no-color"),
            *("--request-timeout", "20"),
        ]
        done = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, cwd=tmp_path, check=False
        )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


HOSTILE = (
    "'; DROP TABLE ticks; -- {market:String}",
    "x\x00y\u202e\U0001f600",
    "x" * 5000,
    "1e999999",
)


async def test_hostile_texts_in_every_parameter(api: Api, tables: Tables) -> None:
    """No parameter of any route can be made to fail the server, or to say what it should not."""
    fill(tables)
    document = await api.get("/schema/openapi.json")
    tried = 0
    for path, operations in document["paths"].items():
        for parameter in operations.get("get", {}).get("parameters", []):
            for text in HOSTILE:
                params, url = {"market": "KXA-26"}, path
                if parameter["in"] == "path":
                    url = path.replace(f"{{{parameter['name']}}}", quote(text, safe="") or "x")
                    params = {}
                elif "market" not in {each["name"] for each in operations["get"]["parameters"]}:
                    params = {}
                if parameter["in"] == "query":
                    params[parameter["name"]] = text
                async with api.http.get(URL(api.url + url, encoded=True), params=params) as answer:
                    body = await answer.text()
                tried += 1
                known = {*operations["get"]["responses"], "404", "414"}
                assert str(answer.status) in known - {"500"}, (path, parameter["name"], text, body)
                assert "DB::Exception" not in body
    assert tried > 180
    assert tables.client.query("SELECT count() FROM ticks").result_rows[0][0] > 30
