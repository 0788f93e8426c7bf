"""What the sink counts, for Prometheus.

What counts trouble is shown before there is any: Prometheus takes a counter's first value for where
it began, so a first dead letter would never show as growth.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from schemas.errors import UNUSABLE

ROWS = Counter("echoarb_sink_rows", "Rows stored", ["table"])
SKIPPED = Counter(
    "echoarb_sink_skipped", "Records read again that were stored or buried before", ["table"]
)
DEAD_LETTERS = Counter("echoarb_sink_dead_letters", "Records published as dead letters", ["reason"])
AHEAD = Counter(
    "echoarb_sink_ahead", "Batches made ready while the one before was being stored", ["table"]
)
RETRIES = Counter("echoarb_sink_retries", "Attempts that failed and are tried again", ["table"])
ABANDONED = Counter(
    "echoarb_sink_abandoned", "Batches given up unstored because others own them now", ["table"]
)
LAG = Gauge("echoarb_sink_lag_records", "Records on the broker that are not committed yet")
WAITING = Gauge("echoarb_sink_waiting", "1 while something unreachable is being retried", ["table"])
INSERT_SECONDS = Histogram(
    "echoarb_sink_insert_seconds",
    "Time of an insert",
    ["table"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20),
)
BATCH_ROWS = Histogram(
    "echoarb_sink_batch_rows",
    "Rows of an insert",
    ["table"],
    buckets=(1, 10, 100, 1_000, 10_000, 50_000, 100_000, 500_000),
)

for _reason in (*UNUSABLE, "insert"):
    DEAD_LETTERS.labels(_reason)


def show(table: str) -> None:
    """Make the metrics of a table that is going to be stored visible."""
    for metric in (ROWS, SKIPPED, AHEAD, RETRIES, ABANDONED, WAITING, INSERT_SECONDS, BATCH_ROWS):
        metric.labels(table)
