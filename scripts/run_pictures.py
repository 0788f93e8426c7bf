"""Draw docs/pictures/boards-*-run.png: what asks Prometheus, over minutes of the running stack.

python -m scripts.run_pictures [MINUTES]

The local stack with simulated venues under a real Prometheus (Debian's), with faults at set parts
of the time, so that the panels have something to show. By matplotlib: Grafana draws otherwise.
"""

from __future__ import annotations

import asyncio
import re
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import matplotlib as mpl
from rich.console import Console

from grafana.build import BOARDS
from grafana.page import asks_prometheus, seeded
from scripts.board_picture import picture
from tests.deploy.board_checks import EVERYTHING
from tests.deploy.boards import Answer, ClickHouse, boards, panels
from tests.deploy.macros import Asked, expand
from tests.deploy.promql import filled_in
from tests.deploy.watched import Watched, watching
from tests.flow.stack import Stack

MINUTES = 8.0
POINTS = 240
"""Of a line, Grafana's points in a panel of that width."""
SERIES = (("time", "DateTime"), ("series", "String"), ("Value", "Float64"))
console = Console(stderr=True)


async def drop(stack: Stack) -> None:
    """Cut every socket."""
    await stack.fault("drop")


async def garbage(stack: Stack) -> None:
    """Send texts that are not JSON."""
    await stack.fault("garbage", count=40)


async def sink_sleeps(stack: Stack) -> None:
    """Stop the sink for a while: it falls behind."""
    stack.signal("sink", signal.SIGSTOP)
    await asyncio.sleep(20)
    stack.signal("sink", signal.SIGCONT)


async def bad_key(stack: Stack) -> None:
    """Cut every socket and refuse new ones: the breakers open."""
    await stack.fault("bad_key", seconds=40)
    await stack.fault("drop")


FAULTS: tuple[tuple[float, Callable[[Stack], Awaitable[None]]], ...] = (
    (0.2, drop),
    (0.35, garbage),
    (0.5, sink_sleeps),
    (0.7, bad_key),
)
"""Each at a part of the run. docs/boards.md names them too (grafana/page.py)."""


def legend_of(template: str, labels: dict[str, str]) -> str:
    """Return a series' name as Grafana makes it of its labels."""
    return re.sub(r"{{(\w+)}}", lambda name: labels.get(name[1], ""), template).strip()


async def answer(watched: Watched, target: dict[str, Any], start: float, end: float) -> Answer:
    """Return the answer of one target: long form, a row for each point of each series."""
    step = max((end - start) / POINTS, 1)
    rows: list[list[Any]] = []
    for series in await watched.prometheus.course(filled_in(target["expr"]), start, end, step):
        legend = legend_of(target["legendFormat"], series["metric"])
        for at, value in series["values"]:
            moment = datetime.fromtimestamp(at, UTC).isoformat()
            rows.append([moment, legend, float(value)])
    return Answer(SERIES, rows, 0)


def table(server: ClickHouse, target: dict[str, Any], start: float, end: float) -> Answer:
    """Return the answer of ClickHouse."""
    asked = Asked(int(start * 1000), int(end * 1000), 1000, EVERYTHING)
    return server.ask(expand(target["rawSql"], asked))


async def draw(watched: Watched, start: float, end: float) -> None:
    """Draw the panels of each board that the seeded pictures lack."""
    infrastructure = watched.stack.infrastructure
    url = f"http://127.0.0.1:{watched.stack.options.clickhouse_port}"
    with httpx.Client(trust_env=False, timeout=60) as http:
        server = ClickHouse(url, infrastructure.clickhouse.clickhouse_database, http)
        for name, board in boards().items():
            model = BOARDS[name]()
            if not asks_prometheus(model):
                continue
            answers = {}
            for panel in panels(board):
                if "expr" in panel["targets"][0]:
                    answers[panel["id"]] = [
                        await answer(watched, target, start, end) for target in panel["targets"]
                    ]
                elif not seeded(model):
                    answers[panel["id"]] = [
                        table(server, target, start, end) for target in panel["targets"]
                    ]
            picture(f"{name}-run", board["panels"], answers)


async def main(seconds: float) -> None:
    """Run the stack, disturb it, and draw."""
    with tempfile.TemporaryDirectory() as folder, console.status("starting") as status:
        async with watching(Path(folder)) as watched:
            start = time.time()
            for part, fault in (*FAULTS, (1.0, None)):
                status.update(f"running {seconds:.0f} s")
                await asyncio.sleep(max(start + part * seconds - time.time(), 0))
                if fault is not None:
                    console.print(f"{time.time() - start:.0f} s: {fault.__name__}")
                    await fault(watched.stack)
            status.update("drawing")
            await draw(watched, start, time.time())


if __name__ == "__main__":
    mpl.use("Agg")
    asyncio.run(main(60 * float(sys.argv[1] if len(sys.argv) > 1 else MINUTES)))
