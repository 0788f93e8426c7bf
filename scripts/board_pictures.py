"""Draw docs/pictures/boards-*.png: what the boards' queries to ClickHouse answer over sample data.

python -m scripts.board_pictures [BOARD ...]

By matplotlib: Grafana itself draws otherwise. scripts/run_pictures.py draws what asks Prometheus.
"""

from __future__ import annotations

import re
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import clickhouse_connect
import httpx
import matplotlib as mpl

from echoarb.stack import services
from echoarb.stack.ports import free_port
from grafana.build import BOARDS
from grafana.page import seeded
from schemas.migrate import RetentionSettings, migrate
from scripts.board_picture import NO_GAPS, picture
from tests.api.support import Tables
from tests.deploy import board_data
from tests.deploy.board_checks import EVERYTHING
from tests.deploy.boards import Answer, ClickHouse, boards, panels
from tests.deploy.macros import Asked, expand

DATABASE = "pictures"
HOUR_US = 3_600_000_000
END = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOURS, MARKETS = 6, 3
"""Of the samples; the board's time is that of its own, up to END."""


def ask(server: ClickHouse, sql: str, hours: int) -> Answer:
    """Return a query's answer, as if it were END now."""
    end = int(END.timestamp())
    asked = Asked((end - hours * 3600) * 1000, end * 1000, hours * 12_000, EVERYTHING)
    then = f"toDateTime64({end}, 3, 'UTC')"
    return server.ask(expand(re.sub(r"\bnow(64)?\(\d?\)", then, sql), asked))


def gaps_of(server: ClickHouse, board: dict[str, Any], hours: int) -> Answer:
    """Return the gaps that the board draws under its lines."""
    for annotation in board["annotations"]["list"]:
        if annotation["name"] == "Gaps":
            return ask(server, annotation["target"]["rawSql"], hours)
    return NO_GAPS


def draw(server: ClickHouse, name: str, board: dict[str, Any]) -> None:
    """Ask a board's queries and draw the answers."""
    hours = min(int(board["time"]["from"].removeprefix("now-").removesuffix("h")), HOURS)
    answers = {
        panel["id"]: [ask(server, target["rawSql"], hours) for target in panel["targets"]]
        for panel in panels(board)
        if all("rawSql" in target for target in panel["targets"])
    }
    picture(name, board["panels"], answers, gaps_of(server, board, hours))


def main() -> None:
    """Fill an engine, and draw the boards that are named, or all."""
    end = int(END.timestamp()) * 1_000_000
    begin = end - HOURS * HOUR_US
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        engine = services.start_clickhouse(port, Path(folder) / "data", Path(folder) / "log")
        try:
            url = f"http://127.0.0.1:{port}"
            client = clickhouse_connect.get_client(dsn=url, autogenerate_session_id=False)
            migrate(client, DATABASE, RetentionSettings.load().by_table())
            client.database = DATABASE
            board_data.samples(client, DATABASE, begin, end, MARKETS)
            tables = Tables(client)
            board_data.gaps(tables, begin, end)
            board_data.alert(tables, end)
            with httpx.Client(trust_env=False, timeout=60) as http:
                server = ClickHouse(url, DATABASE, http)
                for name in sys.argv[1:] or BOARDS:
                    if seeded(BOARDS[name]()):
                        draw(server, name, boards()[name])
        finally:
            engine.stop()


if __name__ == "__main__":
    mpl.use("Agg")
    main()
