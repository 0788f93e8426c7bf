"""What the alerts count, for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from schemas.topics import ALERTS, GAPS, LATENCY, SPREADS

PUBLISHED = Counter("echoarb_alerts_published", "Alert records published", ["rule", "state"])
OPEN = Gauge("echoarb_alerts_open", "Open alerts that this worker knows of", ["rule", "severity"])
SPEAKING = Gauge("echoarb_alerts_speaking", "1 while this worker decides on alerts")
UNUSABLE = Counter(
    "echoarb_alerts_unusable",
    "Records left out because they can't be used; the sink makes dead letters of them",
    ["topic", "reason"],
)
RESTARTS = Counter("echoarb_alerts_restarts", "Times that the topics were read anew", ["reason"])
WEBHOOKS = Counter(
    "echoarb_alert_webhooks",
    "Alerts per receiver by how it ended: delivered, refused, gave_up, queue_full, expired",
    ["receiver", "result"],
)
WEBHOOK_FAILURES = Counter(
    "echoarb_alert_webhook_failures", "Attempts that failed and are tried again", ["receiver"]
)
WEBHOOK_QUEUE = Gauge("echoarb_alert_webhook_queue", "Alerts waiting for a receiver", ["receiver"])


# Visible before there is trouble: see agents/metrics.py.
for _what in ("follow", "share", "lag"):
    RESTARTS.labels(_what)
for _topic in (ALERTS, GAPS, LATENCY, SPREADS):
    UNUSABLE.labels(_topic.name, "framing")


def show(receiver: str) -> None:
    """Make the metrics of a webhook receiver visible."""
    WEBHOOK_FAILURES.labels(receiver)
    WEBHOOK_QUEUE.labels(receiver)
    for result in ("delivered", "refused", "gave_up", "queue_full", "expired"):
        WEBHOOKS.labels(receiver, result)
