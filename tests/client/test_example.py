"""The example draws a market's history with its gaps."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

from tests.api.support import BASE_US, TOPIC, Api, Tables, make_gap, make_tick

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "market_history.py"


def run(api: Api, out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLE), "--url", api.url, "--out", str(out), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)


async def test_a_market_is_drawn_with_its_gaps(api: Api, tables: Tables, tmp_path: Path) -> None:
    out = tmp_path / "history.png"
    empty = await asyncio.to_thread(run, api, out)
    assert empty.returncode == 1
    assert "no trade is stored" in empty.stderr
    second = 1_000_000
    trade = {"kind": "trade", "price": Decimal("0.45"), "size": Decimal(1)}
    ticks = [make_tick(at * second, ask=None if at == 7 else Decimal("0.5")) for at in range(60)]
    tables.insert("ticks", [*ticks, make_tick(30 * second + 1, **trade)], TOPIC)
    gaps = [
        make_gap(10 * second),
        make_gap(20 * second, market_id=None, to_ts=None),
        make_gap(5 * second, market_id="another"),
        make_gap(0, from_ts=BASE_US - 9 * second, to_ts=BASE_US - 8 * second),  # before
    ]
    tables.insert("gaps", gaps, TOPIC)
    drawn = await asyncio.to_thread(run, api, out)
    assert drawn.returncode == 0, drawn.stderr
    assert drawn.stdout.strip() == f"{out}: 61 ticks, 2 gaps"
    picture = out.read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 10_000
