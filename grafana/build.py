"""Write grafana/dashboards/*.json and docs/boards.md from the boards' code, or compare them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana import latency, markets, pipeline, spreads, trust
from grafana.page import page

FOLDER = Path(__file__).resolve().parent / "dashboards"
PAGE = FOLDER.parent.parent / "docs" / "boards.md"
BOARDS: dict[str, Callable[[], Dashboard]] = {
    "markets": markets.make,
    "latency": latency.make,
    "spreads": spreads.make,
    "trust": trust.make,
    "pipeline": pipeline.make,
}


def text(board: Dashboard) -> str:
    """Return a board as its file holds it."""
    return json.dumps(board, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def files() -> dict[Path, str]:
    """Return what every file has to hold."""
    boards = {name: build() for name, build in BOARDS.items()}
    found = {FOLDER / f"{name}.json": text(board) for name, board in boards.items()}
    return {**found, PAGE: page(boards)}


def main() -> int:
    """Write every file; with --check return 1 if one isn't what the code makes."""
    parser = argparse.ArgumentParser(prog="python -m grafana.build", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    check = parser.parse_args().check
    wrong = []
    for path, made in files().items():
        if check:
            same = path.is_file() and path.read_text(encoding="utf-8") == made
            wrong += [] if same else [path.name]
        else:
            path.write_text(made, encoding="utf-8")
    if wrong:
        print(f"not what the code makes: {', '.join(wrong)}; run make boards", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
