"""The connector's metrics, each with when it is bad.

``show`` makes those that count trouble visible before there is any: Prometheus takes a counter's
first value for where it began, so a first drop would never show as growth.
"""

from __future__ import annotations

from typing import get_args

from prometheus_client import Counter, Gauge, Histogram

from schemas.gap import GapReason

FRAMES = Counter("echoarb_frames", "Frames received. Bad: no growth.", ["platform"])
LAST_DATA = Gauge(
    "echoarb_last_data_timestamp_seconds",
    "When a frame with more than acknowledgements came last; the start before that. Bad: long ago.",
    ["platform"],
)
TICKS = Counter(
    "echoarb_ticks", "Ticks handed to the producer. Bad: no growth.", ["platform", "kind"]
)
MARKETS = Counter("echoarb_markets", "Market records handed to the producer.", ["platform"])
GAPS = Counter("echoarb_gaps", "Gaps opened. Bad: growth.", ["platform", "reason"])
APPLIED = Counter(
    "echoarb_applied", "Frames that changed state without a tick.", ["platform", "kind"]
)
IGNORED = Counter("echoarb_ignored", "Frames of a kind without market data.", ["platform", "kind"])
REJECTED = Counter(
    "echoarb_rejected", "Frames, or parts, not usable. Bad: growth.", ["platform", "reason"]
)
DROPPED = Counter(
    "echoarb_dropped", "Records that never reached Kafka. Bad: any.", ["platform", "reason"]
)
QUEUED = Gauge(
    "echoarb_queued_records", "Records waiting for Kafka. Bad: near the limit.", ["platform"]
)
QUEUE_LIMIT = Gauge(
    "echoarb_queue_limit_records", "Records that may wait for Kafka at most.", ["platform"]
)
SOCKETS = Gauge("echoarb_connected_sockets", "Open sockets. Bad: 0.", ["platform"])
CONNECTS = Counter("echoarb_connects", "Connection attempts by result.", ["platform", "result"])
# "venue_endpoint": on Kubernetes the label "endpoint" belongs to the Prometheus operator.
BREAKER = Gauge(
    "echoarb_breaker_open",
    "1 while the endpoint's breaker is open.",
    ["platform", "venue_endpoint"],
)
REQUESTS = Counter(
    "echoarb_requests",
    "REST requests by endpoint and status.",
    ["platform", "venue_endpoint", "status"],
)
PARSE_SECONDS = Histogram(
    "echoarb_parse_seconds",
    "Time to parse one frame. Bad: a growing tail.",
    ["platform"],
    buckets=(0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5),
)

DROP_REASONS = ("overflow", "not_encodable", "too_large", "refused", "stopped")


def show(platform: str, queue_limit: int, now: float) -> None:
    """Make the metrics of a connector that starts visible; ``now`` in seconds since 1970."""
    LAST_DATA.labels(platform).set(now)
    QUEUE_LIMIT.labels(platform).set(queue_limit)
    SOCKETS.labels(platform)
    for reason in DROP_REASONS:
        DROPPED.labels(platform, reason)
    for reason in get_args(GapReason):
        GAPS.labels(platform, reason)
    for reason in ("shape", "not_json"):  # what every venue's parser may say
        REJECTED.labels(platform, reason)
    for result in ("connected", "breaker_open", "TimeoutError"):
        CONNECTS.labels(platform, result)
