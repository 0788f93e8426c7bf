"""What the latency ledger counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter

from schemas.errors import UNREADABLE
from schemas.topics import PLATFORMS

TICKS = Counter("echoarb_latency_ticks", "Ticks whose times were read", ["platform"])
UNCOUNTED = Counter(
    "echoarb_latency_uncounted",
    "Ticks, or single stages of ticks, that are in no histogram. late: the Kafka time lies far "
    "behind the partition's latest; append_time_ahead: before ours; no_append_time; time_far_off: "
    "the stage's own time lies far from the Kafka time; not_restored: the minute is older than "
    "what could be read back; else why the record can't be read",
    ["platform", "reason"],
)
STORED_FAILURES = Counter(
    "echoarb_latency_stored_failures", "Times that ClickHouse could not be asked for append_stored"
)

# Visible before there is trouble: see agents/metrics.py.
for _platform in PLATFORMS:
    for _reason in (
        *("late", "append_time_ahead", "no_append_time", "time_far_off", "not_restored"),
        *UNREADABLE,
    ):
        UNCOUNTED.labels(_platform, _reason)
