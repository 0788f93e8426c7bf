"""Write grafana/dashboards/*.json from the boards' code, or compare: `python -m grafana.build`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana import latency, markets, spreads, trust

FOLDER = Path(__file__).resolve().parent / "dashboards"
BOARDS: dict[str, Callable[[], Dashboard]] = {
    "markets": markets.make,
    "latency": latency.make,
    "spreads": spreads.make,
    "trust": trust.make,
}


def text(board: Dashboard) -> str:
    """Return a board as its file holds it."""
    return json.dumps(board, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> int:
    """Write every board; with --check return 1 if a file isn't what the code makes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    check = parser.parse_args().check
    wrong = []
    for name, build in BOARDS.items():
        path, made = FOLDER / f"{name}.json", text(build())
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
