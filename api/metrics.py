"""Every metric of the API."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from schemas.errors import UNUSABLE

REQUESTS = Counter(
    "echoarb_api_requests_total",
    "HTTP requests answered, by route template, method and status",
    ["route", "method", "status"],
)
REQUEST_SECONDS = Histogram(
    "echoarb_api_request_seconds",
    "Seconds from a request's arrival to the end of its answer, by route template",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
REFUSED = Counter(
    "echoarb_api_refused_total",
    "Connections refused before a route saw them, by status",
    ["status"],
)
QUERY_SECONDS = Histogram(
    "echoarb_api_query_seconds",
    "Seconds that ClickHouse queries took, waiting for their turn included",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
WS_CLIENTS = Gauge("echoarb_api_ws_clients", "WebSocket clients connected")
WS_SUBSCRIPTIONS = Gauge("echoarb_api_ws_subscriptions", "WebSocket subscriptions in force")
WS_MESSAGES = Counter(
    "echoarb_api_ws_messages_total", "Messages put in WebSocket clients' queues, by type", ["type"]
)
WS_CONFLATED = Counter(
    "echoarb_api_ws_conflated_total", "Quotes that a newer one took the place of in a queue"
)
WS_BEHIND = Gauge("echoarb_api_ws_behind", "WebSocket clients that are not at the live feed yet")
WS_RESUME_GAPS = Counter(
    "echoarb_api_ws_resume_gaps_total",
    "Stretches that could not be brought to a client, by reason",
    ["reason"],
)
WS_CLOSED = Counter(
    "echoarb_api_ws_closed_total",
    "WebSocket clients gone, by reason: client, slow, refused, too_many_errors",
    ["reason"],
)
FEED_UP = Gauge("echoarb_api_feed_up", "1 while the live feed follows Kafka")
FEED_RECORDS = Counter(
    "echoarb_api_feed_records_total", "Records that the live feed read, by topic", ["topic"]
)
FEED_REJECTED = Counter(
    "echoarb_api_feed_rejected_total", "Records that the live feed could not decode", ["reason"]
)
FEED_SKIPPED = Counter(
    "echoarb_api_feed_skipped_total", "Records that the live feed jumped over, by topic", ["topic"]
)
FEED_LAG = Gauge(
    "echoarb_api_feed_lag_seconds",
    "Age of the record that the live feed read last, by its Kafka time, when it was read",
)

# What counts trouble is shown before there is any: Prometheus takes a counter's first value for
# where it began, so a first slow client would never show as growth.
for _reason in ("client", "slow", "refused", "unavailable", "too_many_errors"):
    WS_CLOSED.labels(_reason)
for _reason in ("ahead", "expired", "made_anew", "missing", "not_stored", "too_many_gaps"):
    WS_RESUME_GAPS.labels(_reason)
for _reason in UNUSABLE:
    FEED_REJECTED.labels(_reason)
for _status in ("401", "403", "429"):
    REFUSED.labels(_status)
