"""docs/boards.md: what each board answers, panel by panel, in the panels' own words."""

from __future__ import annotations

from collections.abc import Mapping

from grafana_foundation_sdk.models.dashboard import Dashboard, Panel, RowPanel

from grafana.clickhouse import ClickHouseQuery

HEAD = """\
# Boards

Grafana's boards, made by code (`grafana/`), written to `grafana/dashboards/*.json` by `make
boards`, and provisioned by `grafana/provisioning/`. They need Grafana 11.6 or newer with the
plugin `grafana-clickhouse-datasource` 4.20 or newer, which asks ClickHouse; some panels ask
Prometheus. This page is written by `python -m grafana.build` too.

The pictures show what the panels' own queries answered over [sample data](#sample-data), drawn by
matplotlib. They are not Grafana's: colours, legends and tables look different there. Panels that
ask Prometheus are drawn over [some minutes of the simulated stack](#sample-data).

All boards keep time and variables when you go from one to another; platform, market, outcome and
others take several values or all, and the text box narrows markets down by words of their titles.
Times are UTC. Red regions are gaps, in which what is drawn can't be trusted; they are drawn on
every panel over time, as the start of a connector is.

Queries are bounded by the board's time, which prunes partitions, and by a number of rows or
lines, which the panel states. Over 8 million ticks of 9,000 outcomes and 1.7 million spreads of
20 pairs in 24 hours, on two cores that others used too, every query of the first four boards took
at most 1.1 s (2026-11-25). Values of variables reach SQL percent-encoded and are decoded there:
Grafana's own `sqlstring` leaves backslashes, which ClickHouse takes as escapes. A value with a
comma counts as two. `tests/deploy/test_boards_sql.py` runs every query for no, one, several and
all values, a quote and a hostile value; `tests/deploy/test_boards_truth.py` holds quantiles,
coverage, gaps and volume against the code that computes them elsewhere;
`tests/flow/test_faults.py` runs them over the simulated stack.
"""
TAIL = """\
## Sample data

`python -m scripts.board_pictures` fills an engine of its own with `echoarb seed`'s samples and
some gaps, runs the queries and draws the pictures. What asks Prometheus is drawn by `python -m
scripts.run_pictures`, over eight minutes of the local stack under a real Prometheus: after a fifth
of the time every venue's sockets are cut, after a third come frames that are not JSON, at half the
sink stands still for 20 s, and at seven tenths the venues refuse every login for 40 s. To see the
boards move in Grafana, use the compose file or the chart.

## Provisioning

| variable | what |
|---|---|
| `ECHOARB_GRAFANA_CLICKHOUSE_HOST`, `_PORT` | ClickHouse over HTTP: `clickhouse`, `8123` |
| `ECHOARB_GRAFANA_CLICKHOUSE_USER` | a user who may only read, as below |
| `ECHOARB_GRAFANA_CLICKHOUSE_DATABASE` | such as `echoarb` |
| `ECHOARB_GRAFANA_PROMETHEUS_URL` | such as `http://prometheus:9090` |
| `ECHOARB_GRAFANA_BOARDS` | the folder in which `grafana/dashboards` lies |

The boards only read: give them a user like that of [security](security.md), which may also select
from `system.parts`. The tests run every query with `readonly = 1`; the user has 2, since the plugin
sends limits with each query, which 1 would refuse.

The password is read from `/run/secrets/clickhouse_grafana_password`. The datasources' uids are
`clickhouse` and `prometheus`; boards take others by their variables. Boards can't be saved in the
browser: copy one to change it.
"""


def _asks_clickhouse(panel: Panel) -> bool:
    return any(isinstance(target, ClickHouseQuery) for target in panel.targets or [])


def _sources(board: Dashboard) -> list[bool]:
    """Return of each panel whether it asks ClickHouse; else it asks Prometheus."""
    panels = [panel for panel in board.panels or [] if isinstance(panel, Panel)]
    return [_asks_clickhouse(panel) for panel in panels]


def seeded(board: Dashboard) -> bool:
    """Return whether sample data in ClickHouse shows most of the board's panels."""
    sources = _sources(board)
    return 2 * sum(sources) > len(sources)


def asks_prometheus(board: Dashboard) -> bool:
    """Return whether some panel needs a run under Prometheus to be shown."""
    return not all(_sources(board))


def page(boards: Mapping[str, Dashboard]) -> str:
    """Return the page."""
    return "\n".join([HEAD, *(_board(name, each) for name, each in boards.items()), TAIL])


def _board(name: str, board: Dashboard) -> str:
    panels = board.panels or []
    lines = [
        f"## {(board.title or '').removeprefix('EchoArb / ')}",
        "",
        board.description or "",
        "",
    ]
    if seeded(board):
        lines += [f"![{name}](pictures/boards-{name}.png)", ""]
    if asks_prometheus(board):
        lines += [f"![{name}, what asks Prometheus](pictures/boards-{name}-run.png)", ""]
    for panel in panels:
        if isinstance(panel, RowPanel):
            lines += [f"### {panel.title}", ""] if not lines[-1] else ["", f"### {panel.title}", ""]
        else:
            source = "" if _asks_clickhouse(panel) else ", Prometheus"
            lines.append(f"- **{panel.title}** ({panel.type_val}{source}): {panel.description}")
    return "\n".join([*lines, ""])
