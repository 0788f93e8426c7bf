"""`echoarb top` on a running API: what its keys do, and what it says when the API is away."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from api.settings import ApiSettings
from echoarb.stack.ports import free_port
from echoarb.top.api_source import ApiSource
from echoarb.top.board import Board
from echoarb.top.grid import Grid
from echoarb.top.screen import Top
from tests.api.support import TOPIC, Broker, Tables, following, make_gap, make_tick, running
from tests.api.test_alerts import other, read_alerts

ALERT = other(1, "silence", subject="kalshi", message="no tick of kalshi for 61 s")


async def until(pilot: Pilot[str | None], true: Callable[[], bool]) -> None:
    """Wait until something is true on the screen."""
    async with asyncio.timeout(30):
        while not true():
            await pilot.pause(0.05)


def shown(app: Top, sheet: str, column: str) -> list[str]:
    """Return a column of a tab, as it is drawn."""
    grid = app.query_one(f"#{sheet}", Grid)
    return [str(grid.get_cell_at((row, grid.sheet.index(column)))) for row in range(grid.row_count)]


def status(app: Top) -> str:
    return str(app.query_one("#status", Static).render())


async def test_live_ticks_are_shown_sorted_filtered_and_held_still(
    live_settings: ApiSettings, own_broker: Broker
) -> None:
    async with running(live_settings) as api:
        await following(api)
        app = Top(ApiSource(api.url, {"platform": "kalshi"}), Board())
        async with app.run_test(size=(160, 30)) as pilot:
            await api.live(subscriptions=1)
            await asyncio.to_thread(
                own_broker.publish,
                make_tick(1, market_id="KXA", outcome_id="KXA", bid=Decimal("0.1")),
                make_tick(2, market_id="KXB", outcome_id="KXB", bid=Decimal("0.3")),
                make_tick(3, market_id="KXC", outcome_id="KXC", bid=Decimal("0.2"), ask=None),
                make_tick(4, platform="manifold", market_id="m", outcome_id="m"),
            )
            await until(pilot, lambda: shown(app, "ticks", "market") == ["KXC", "KXB", "KXA"])
            assert "live" in status(app)
            assert "3 outcomes" in status(app)
            assert shown(app, "ticks", "ask") == ["-", "0.44", "0.44"]

            for _ in range(4):  # received, venue, market, outcome, bid
                await pilot.press("s")
            assert shown(app, "ticks", "bid") == ["0.3", "0.2", "0.1"]
            await pilot.press("r")
            assert shown(app, "ticks", "bid") == ["0.1", "0.2", "0.3"]

            await pilot.press("slash", *"kxb")
            assert shown(app, "ticks", "market") == ["KXB"]
            await pilot.press("enter", "p")
            await asyncio.to_thread(
                own_broker.publish,
                make_tick(5, market_id="KXB", outcome_id="KXB", bid=Decimal("0.35")),
            )
            await until(pilot, lambda: app._board.ticks == 4)
            await pilot.pause(0.7)
            assert shown(app, "ticks", "bid") == ["0.3"]
            assert "paused" in status(app)
            await pilot.press("p")
            assert shown(app, "ticks", "bid") == ["0.35"]
            await pilot.press("escape")
            assert app.query_one(Input).value == ""
            assert shown(app, "ticks", "market") == ["KXA", "KXC", "KXB"]
            await pilot.press("q")


async def test_alerts_and_gaps_are_listed_and_an_alert_is_acknowledged(
    live_settings: ApiSettings, own_broker: Broker, tables: Tables
) -> None:
    tables.insert("alerts", [ALERT], TOPIC)
    tables.insert("gaps", [make_gap()], TOPIC)
    async with running(live_settings) as api:
        app = Top(ApiSource(api.url, {}), Board(), tab="gaps")
        async with app.run_test(size=(160, 30)) as pilot:
            await until(pilot, lambda: shown(app, "gaps", "ms") == ["1,000"])
            await pilot.press("a")  # not on this tab: said, and nothing else
            await pilot.press("4")
            await until(pilot, lambda: shown(app, "alerts", "rule") == ["silence"])
            assert "1 open alerts" in status(app)
            await pilot.press("a")
            ((_, record),) = await asyncio.to_thread(read_alerts, own_broker.address, 1)
    assert (record.alert_id, record.state) == (ALERT.alert_id, "acknowledged")


@pytest.mark.parametrize("tab", ["ticks", "spreads"])
async def test_an_api_that_is_away_is_said_and_waited_for(
    live_settings: ApiSettings, tab: str
) -> None:
    port = free_port()
    app = Top(ApiSource(f"http://127.0.0.1:{port}", {}), Board(), tab=tab)
    async with app.run_test(size=(160, 30)) as pilot:
        await until(pilot, lambda: "connecting" in status(app))
        async with running(live_settings.model_copy(update={"api_port": port})) as api:
            await api.live(subscriptions=1)
            await until(pilot, lambda: "live" in status(app))
        await until(pilot, lambda: "connecting again" in status(app))


async def test_a_wrong_filter_ends_it_with_the_reason(live_settings: ApiSettings) -> None:
    async with running(live_settings) as api:
        app = Top(ApiSource(api.url, {"kind": "rumour"}), Board())
        async with app.run_test() as pilot:
            await until(pilot, lambda: app.return_value is not None)
    assert "rumour" in str(app.return_value) or "kind" in str(app.return_value)


def test_without_a_terminal_it_says_what_to_read_instead() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "echoarb", "top"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "needs a terminal" in ended.stderr


def test_ctrl_c_gives_the_terminal_back() -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "echoarb", "top", "--url", f"http://127.0.0.1:{free_port()}"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm-256color"},
    )
    os.close(theirs)
    seen = b""
    while b"connecting" not in seen:
        seen += os.read(ours, 65_536)
    os.write(ours, b"q")
    while True:
        try:
            chunk = os.read(ours, 65_536)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        seen += chunk
    assert process.wait(30) == 0
    assert seen.rstrip().endswith(b"\x1b[?1049l") or b"\x1b[?1049l" in seen
    os.close(ours)
