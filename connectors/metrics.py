"""The connector's metrics, each with when it is bad."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

FRAMES = Counter("echoarb_frames", "Frames received. Bad: no growth.", ["platform"])
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
SOCKETS = Gauge("echoarb_connected_sockets", "Open sockets. Bad: 0.", ["platform"])
CONNECTS = Counter("echoarb_connects", "Connection attempts by result.", ["platform", "result"])
BREAKER = Gauge(
    "echoarb_breaker_open", "1 while the endpoint's breaker is open.", ["platform", "endpoint"]
)
REQUESTS = Counter(
    "echoarb_requests", "REST requests by endpoint and status.", ["platform", "endpoint", "status"]
)
PARSE_SECONDS = Histogram(
    "echoarb_parse_seconds",
    "Time to parse one frame. Bad: a growing tail.",
    ["platform"],
    buckets=(0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5),
)
