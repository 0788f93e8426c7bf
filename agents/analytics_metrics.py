"""What the analytics worker counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from schemas.topics import ALERTS, LATENCY, LEGS, SPREADS

RECORDS = Counter("echoarb_analytics_records", "Records that a step has dealt with", ["step"])
PUBLISHED = Counter("echoarb_analytics_published", "Records published", ["topic"])
REFUSED = Counter(
    "echoarb_analytics_refused", "Records that could not be encoded", ["topic", "reason"]
)
RETRIES = Counter("echoarb_analytics_retries", "Attempts that failed and are tried again", ["step"])
SECONDS = Histogram(
    "echoarb_analytics_batch_seconds",
    "Time from a batch's arrival to the publication of what it brought",
    ["step"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
LAG = Gauge("echoarb_analytics_lag_records", "Records on the broker that are not committed yet")

# Visible before there is trouble: see agents/metrics.py.
for _topic in (LEGS, LATENCY, SPREADS, ALERTS):
    PUBLISHED.labels(_topic.name)
    REFUSED.labels(_topic.name, "value")
