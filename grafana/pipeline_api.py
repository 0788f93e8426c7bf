"""The Pipeline board's panels of the API: requests (rate, errors, duration) and WebSockets."""

from __future__ import annotations

from grafana_foundation_sdk.builders import timeseries

from grafana.measured import course, quantile, rate, total

_REQUESTS = "echoarb_api_requests_total"
_SECONDS = "echoarb_api_request_seconds"


def panels() -> list[timeseries.Panel]:
    """Return rate, errors and duration of requests."""
    return [
        course(
            "Requests by route",
            "Requests answered.",
            (rate(_REQUESTS, "route", "method"), "{{method}} {{route}}"),
            unit="reqps",
        ),
        course(
            "Errors by status",
            "4xx are the clients' errors, 5xx ours or those of what we need.",
            (rate(_REQUESTS, "status", where='status=~"4..|5.."'), "{{status}}"),
            unit="reqps",
            no_data="No request has failed",
        ),
        course(
            "Duration",
            "p50, p95 and p99 of all routes, from a request's arrival to the end of its answer.",
            (quantile(0.5, _SECONDS), "p50"),
            (quantile(0.95, _SECONDS), "p95"),
            (quantile(0.99, _SECONDS), "p99"),
            unit="s",
            limit=2.5,
        ),
        course(
            "Duration by route",
            "p95 of each route.",
            (quantile(0.95, _SECONDS, "route"), "{{route}}"),
            unit="s",
        ),
        course(
            "ClickHouse queries",
            "p50 and p95 of the API's queries, waiting for their turn included.",
            (quantile(0.5, "echoarb_api_query_seconds"), "p50"),
            (quantile(0.95, "echoarb_api_query_seconds"), "p95"),
            unit="s",
        ),
        course(
            "Refused by status",
            "Before a route saw them: no valid key (401), no right to it (403), too often (429).",
            (rate("echoarb_api_refused_total", "status"), "{{status}}"),
            unit="reqps",
        ),
    ]


def sockets() -> list[timeseries.Panel]:
    """Return the live feed and its clients."""
    return [
        course(
            "WebSocket clients connected",
            "Clients, their subscriptions, and clients that are not at the live feed yet.",
            (total("echoarb_api_ws_clients"), "clients"),
            (total("echoarb_api_ws_subscriptions"), "subscriptions"),
            (total("echoarb_api_ws_behind"), "behind"),
            unit="short",
        ),
        course(
            "WebSocket messages",
            "Put into clients' queues, by type; quotes that a newer one took the place of.",
            (rate("echoarb_api_ws_messages_total", "type"), "{{type}}"),
            (rate("echoarb_api_ws_conflated_total"), "conflated"),
        ),
        course(
            "WebSocket clients closed by reason",
            "`slow`: the client did not read fast enough, and was told.",
            (rate("echoarb_api_ws_closed_total", "reason"), "{{reason}}"),
        ),
        course(
            "Stretches that resuming clients missed",
            "By reason (docs/websocket.md). Clients were told of each.",
            (rate("echoarb_api_ws_resume_gaps_total", "reason"), "{{reason}}"),
        ),
        course(
            "Live feed: records",
            "Read from Kafka, by topic, over all API processes.",
            (rate("echoarb_api_feed_records_total", "topic"), "{{topic}}"),
        ),
        course(
            "Live feed: lag",
            "Age of the record that was read last, by Kafka's time, and processes that follow.",
            ("max by (instance) (echoarb_api_feed_lag_seconds)", "{{instance}}"),
            unit="s",
            limit=10,
        ),
        course(
            "Live feed: up",
            "1 while an API process follows Kafka.",
            ("min by (instance) (echoarb_api_feed_up)", "{{instance}}"),
            unit="short",
        ),
        course(
            "Live feed: skipped and rejected",
            "Records jumped over, by topic, and records that can't be read, by reason.",
            (rate("echoarb_api_feed_skipped_total", "topic"), "{{topic}} skipped"),
            (rate("echoarb_api_feed_rejected_total", "reason"), "rejected: {{reason}}"),
        ),
    ]
