"""Board 5, Pipeline: whether the machinery works, from sockets to clients."""

from __future__ import annotations

from grafana_foundation_sdk.builders import stat, statetimeline
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana import (
    board,
    pipeline_analytics,
    pipeline_api,
    pipeline_connectors,
    pipeline_processes,
    pipeline_sink,
    prometheus,
    variables,
)
from grafana.board import Row
from grafana.measured import figure, rate, total
from grafana.panels import RED, named, states
from grafana.prometheus import promql

ABOUT = (
    "The machinery, from sockets to clients: rates, lag, errors, resources. The rows follow the "
    "way of a record. Red lines are the thresholds of deploy/prometheus/alerts.yml; "
    "docs/runbook.md has a section for each alert."
)


def make() -> Dashboard:
    """Return the board."""
    return board.board(
        board.PIPELINE,
        "EchoArb / Pipeline",
        ABOUT,
        [variables.clickhouse_source(), variables.prometheus_source(), variables.platform()],
        [
            Row("Now", [*_numbers(), _firing()]),
            Row("Connectors", pipeline_connectors.panels()),
            Row("Sink", pipeline_sink.panels()),
            Row("ClickHouse", pipeline_sink.tables()),
            Row("Analytics", pipeline_analytics.panels()),
            Row("Alerting", pipeline_analytics.alerting()),
            Row("API", pipeline_api.panels()),
            Row("WebSockets", pipeline_api.sockets()),
            Row("Processes", pipeline_processes.panels()),
        ],
        since="now-3h",
        refresh="30s",
    )


def _numbers() -> list[stat.Panel]:
    """Return the numbers on top: one of each part."""
    return [
        figure(
            "Ticks in",
            "Ticks that connectors gave to Kafka.",
            rate("echoarb_ticks_total"),
            unit="cps",
        ),
        figure("Rows stored", "Rows of all tables.", rate("echoarb_sink_rows_total"), unit="cps"),
        figure(
            "Sink behind",
            "Records on Kafka that are not stored yet.",
            total("echoarb_sink_lag_records"),
            unit="short",
            bad=100_000,
        ),
        figure(
            "Analytics behind",
            "Records on Kafka that analytics has not worked on yet.",
            total("echoarb_analytics_lag_records"),
            unit="short",
            bad=100_000,
        ),
        figure(
            "Records lost",
            "Records that never reached Kafka: the highest rate in this time. None is normal.",
            rate("echoarb_dropped_total"),
            unit="cps",
            bad=0.0001,
            worst=True,
        ),
        figure(
            "Dead letters",
            "Records that could not be stored: the highest rate in this time. None is normal.",
            rate("echoarb_sink_dead_letters_total"),
            unit="cps",
            bad=0.0001,
            worst=True,
        ),
        figure(
            "API errors",
            "Share of requests that were answered with a server error (5xx).",
            "max(echoarb:api_errors:ratio_rate5m)",
            unit="percentunit",
            bad=0.05,
        ),
        figure(
            "WebSocket clients", "Connected now.", total("echoarb_api_ws_clients"), unit="short"
        ),
    ]


def _firing() -> statetimeline.Panel:
    query = promql(
        'max by (alertname, severity) (ALERTS{alertname=~"EchoArb.*",alertstate="firing"})',
        "{{alertname}} ({{severity}})",
    )
    panel = states(
        "Alerts firing",
        "Alerts of deploy/prometheus/alerts.yml while they fire; docs/runbook.md has a section for "
        "each.",
        [query],
        unit="short",
        height=6,
        source=prometheus.SOURCE,
        no_data="No alert has fired, if Prometheus has the rules",
    )
    return panel.mappings([named({"1": ("firing", RED)})])
