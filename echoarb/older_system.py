"""docs/api.md: what the older EchoArb had, and where it is here; and every route, from the app.

    python -m echoarb.older_system > docs/api.md

Each place is looked up where it has to be (routes in the running application, topics, tables,
commands, files), so a name that is no more ends this with an error; a test holds the file to it.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from litestar import Litestar

from api.app import create_app
from api.feed import Feed
from api.gate import needed
from api.hub import Hub
from api.settings import ApiSettings
from api.store import Store
from schemas.topics import TOPICS

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that the older system had. ``here`` are places: ``GET /path``, ``WS /path``,
    ``topic NAME``, ``table NAME``, ``command NAME``, ``file PATH``."""

    had: str
    here: tuple[str, ...]
    note: str = ""


ROUTES = (
    Row("GET /", ("GET /",)),
    Row(
        "GET /health",
        ("GET /health", "GET /ready"),
        "always 200; redis_connected has become kafka_connected; /ready asks dependencies",
    ),
    Row("GET /metrics", ("file api/metrics.py",), "on a port of its own, ECHOARB_METRICS_PORT"),
    Row("GET /api/v1/ticks", ("GET /api/v1/ticks",), "view=classic gives the old fields"),
    Row("GET /api/v1/stats/consumer", ("GET /api/v1/stats/consumer",)),
    Row("GET /api/v1/stats/stream", ("GET /api/v1/stats/stream",), "by topic, too"),
    Row(
        "POST /api/v1/debug/tick",
        ("POST /api/v1/debug/tick",),
        "in development only; scope debug; the market is called debug:...",
    ),
    Row("GET /api/v1/spreads", ("GET /api/v1/spreads",)),
    Row("GET /api/v1/spreads/{pair_id}", ("GET /api/v1/spreads/{pair_id}",), "404 with a reason"),
    Row("GET /api/v1/alerts", ("GET /api/v1/alerts",), "a page; min_threshold as before"),
    Row("GET /api/v1/pairs", ("GET /api/v1/pairs",)),
    Row("GET /api/v1/subscriptions", ("GET /api/v1/subscriptions",)),
    Row("GET /api/v1/stats/cache", ("GET /api/v1/stats/cache",)),
    Row("GET /api/v1/stats/latency", ("GET /api/v1/stats/latency",), "no stub any more"),
    Row(
        "POST /api/v1/debug/update_price",
        ("POST /api/v1/debug/update_price",),
        "query or JSON body; publishes a tick",
    ),
    Row("WS /ws/spreads", ("WS /ws/spreads",), "initial_spreads, spread_update"),
    Row("WS /ws/ticks", ("WS /ws/ticks",), "plain for a client that asks for nothing"),
    Row("GET /ws/stats", ("GET /ws/stats",)),
    Row(
        "close codes 1008, 1011",
        ("file docs/websocket.md",),
        "1013 for too many clients, after a message that says so",
    ),
    Row("Go :9090 /metrics, /health", ("file connectors/metrics.py",), "ECHOARB_METRICS_PORT"),
)
FEATURES = (
    Row("Kalshi, signed", ("file connectors/kalshi/feed.py", "topic ticks.kalshi")),
    Row("Polymarket", ("file connectors/polymarket/feed.py", "topic ticks.polymarket")),
    Row("Manifold", ("file connectors/manifold/feed.py", "topic ticks.manifold")),
    Row("discovery and explicit subscriptions", ("topic markets", "GET /api/v1/markets")),
    Row("normalised tick with source, ingest and emit times", ("file schemas/tick.avsc",)),
    Row("stream", ("topic ticks.kalshi", "table ticks")),
    Row("latest", ("GET /api/v1/latest", "table latest")),
    Row("recent ticks", ("GET /api/v1/ticks",)),
    Row("pair file with transforms", ("file docs/spreads.md", "command pairs check")),
    Row("spreads of every venue pair", ("topic spreads", "GET /api/v1/spreads")),
    Row("completeness, severity bands, thresholds", ("GET /api/v1/alerts", "topic alerts")),
    Row(
        "alert list with acknowledge",
        ("GET /api/v1/alerts", "POST /api/v1/alerts/{alert_id}/acknowledge"),
    ),
    Row(
        "history tables", ("table spreads", "table alerts", "GET /api/v1/spreads/{pair_id}/history")
    ),
    Row("hourly aggregates", ("table candles", "GET /api/v1/candles")),
    Row("retention 30/90 days", ("command migrate",), "ECHOARB_RETENTION_*"),
    Row("market metadata", ("table markets", "GET /api/v1/markets")),
    Row("live socket for ticks", ("WS /ws/ticks",)),
    Row("live socket for spreads", ("WS /ws/spreads",)),
    Row("stats: consumer", ("GET /api/v1/stats/consumer",)),
    Row("stats: stream", ("GET /api/v1/stats/stream",)),
    Row("stats: cache", ("GET /api/v1/stats/cache",)),
    Row("stats: latency percentiles", ("GET /api/v1/stats/latency", "GET /api/v1/latency")),
    Row("stats: sockets", ("GET /ws/stats",)),
    Row("Prometheus metrics", ("file api/metrics.py", "file connectors/metrics.py")),
    Row(
        "dashboard: status, ticks/s, tick table, pairs, alerts, latency",
        ("file grafana/dashboards/markets.json", "file docs/boards.md", "command top"),
        "five Grafana boards; `echoarb top` in a terminal",
    ),
    Row(
        "alert rules for Prometheus",
        ("file deploy/prometheus/alerts.yml", "file docs/runbook.md"),
        "it had none",
    ),
    Row(
        "compose file with a monitoring profile",
        ("file docker-compose.kafka.yml",),
        "Prometheus and Grafana always come along, provisioned",
    ),
    Row(
        "deployment to Kubernetes",
        ("file deploy/helm/echoarb/Chart.yaml",),
        "it had a workflow, and no manifests",
    ),
    Row("debug injection", ("POST /api/v1/debug/tick",)),
    Row("seed data", ("command seed",)),
    Row("key generation", ("file scripts/generate_kalshi_keys.sh",)),
    Row("setup script", ("file Makefile",), "`make up`"),
    Row("CI that really tests", ("file .ci/run", "file .github/workflows/ci.yml")),
)


def application() -> Litestar:
    """Return the application with every route it can have."""
    settings = ApiSettings.load(environment="development", api_keys_file="")
    return create_app(settings, Store(settings), Feed(settings, Hub(settings)))


def served(app: Litestar) -> dict[str, Any]:
    """Return every served ``METHOD /path``, and what the OpenAPI document says of it."""
    document = app.openapi_schema.to_schema()
    found: dict[str, Any] = {}
    for route in app.routes:
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)
        for method in getattr(route, "methods", None) or {"WS"}:
            if method != "OPTIONS":
                said = document["paths"].get(path, {}).get(str(method).lower())
                found[f"{method} {path}"] = said
    return found


def is_there(place: str, routes: dict[str, Any], tables: set[str], commands: set[str]) -> bool:
    """Return whether a place exists."""
    kind, _, name = place.partition(" ")
    if kind == "topic":
        return name in TOPICS
    if kind == "table":
        return name in tables
    if kind == "command":
        return name in commands
    if kind == "file":
        return (ROOT / name).is_file()
    return place in routes


def tables_there() -> set[str]:
    """Return the tables that the migrations make."""
    folder = files("schemas") / "clickhouse"
    texts = [each.read_text(encoding="utf-8") for each in folder.iterdir()]
    made = re.compile(r"CREATE TABLE IF NOT EXISTS \{database\}\.(\w+)")
    return {name for text in texts for name in made.findall(text)}


def commands_there() -> set[str]:
    """Return the commands of ``echoarb``, those of groups with the group's name."""
    import typer

    from echoarb.cli import app

    root: Any = typer.main.get_command(app)
    found = set(root.commands)
    for name, group in root.commands.items():
        found |= {f"{name} {each}" for each in getattr(group, "commands", {})}
    return found


def document() -> str:
    """Return docs/api.md. Raises LookupError if a place is not where it is said to be."""
    routes = served(application())
    tables, commands = tables_there(), commands_there()
    for row in (*ROUTES, *FEATURES):
        for place in row.here:
            if not is_there(place, routes, tables, commands):
                raise LookupError(f"{row.had}: there is no {place}")
    lines = [
        "# The API, and what became of the older system",
        "",
        "Generated by `python -m echoarb.older_system`; a test holds it to the application.",
        "Parameters, answers and examples of each route: `/docs` and `/schema/openapi.json`.",
        "Sockets: [websocket.md](websocket.md). Keys and limits: [security.md](security.md).",
        "",
        "## Every route",
        "",
        "| route | scope | what it is |",
        "|---|---|---|",
    ]
    for name, said in sorted(routes.items(), key=lambda item: item[0].split()[::-1]):
        method, path = name.split()
        if path.startswith(("/schema", "/docs")):
            continue
        scope = needed("GET" if method == "WS" else method, path) or "-"
        summary = said["summary"] if said else "[protocol](websocket.md)"
        lines.append(f"| `{name}` | {scope} | {summary} |")
    for title, rows in (
        ("Routes of the older system (its section 6)", ROUTES),
        ("Features of the older system (its section 14)", FEATURES),
    ):
        lines += ["", f"## {title}", "", "| it had | here | note |", "|---|---|---|"]
        for row in rows:
            here = ", ".join(f"`{place}`" for place in row.here)
            lines.append(f"| {row.had} | {here} | {row.note} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.stdout.write(document())
