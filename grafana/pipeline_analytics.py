"""The Pipeline board's panels of analytics: latencies, spreads, and who is told of what."""

from __future__ import annotations

from grafana_foundation_sdk.builders import timeseries

from grafana.measured import course, quantile, rate, total


def panels() -> list[timeseries.Panel]:
    """Return latencies and spreads in the making."""
    return [
        course(
            "Records by step",
            "What each step has dealt with: each reads topics of its own.",
            (rate("echoarb_analytics_records_total", "step"), "{{step}}"),
        ),
        course(
            "Published by topic",
            "What analytics writes back to Kafka.",
            (rate("echoarb_analytics_published_total", "topic"), "{{topic}}"),
        ),
        course(
            "Analytics: lag",
            "Records that no step has dealt with and committed yet.",
            ("echoarb:analytics_lag_records:sum", "records {{namespace}}"),
            unit="short",
            limit=100_000,
        ),
        course(
            "Batch time by step",
            "p50 and p99, from a batch's arrival to the publication of what it brought.",
            (quantile(0.5, "echoarb_analytics_batch_seconds", "step"), "{{step}} p50"),
            (quantile(0.99, "echoarb_analytics_batch_seconds", "step"), "{{step}} p99"),
            unit="s",
        ),
        course(
            "Analytics: retries and refusals",
            "Attempts that failed and are tried again, by step; results that fit no schema, by "
            "topic.",
            (rate("echoarb_analytics_retries_total", "step"), "{{step}} retried"),
            (rate("echoarb_analytics_refused_total", "topic"), "{{topic}} refused"),
        ),
        course(
            "Latencies counted and left out",
            "Ticks whose times were read, by venue, and what is in no histogram, by reason "
            "(docs/latency.md).",
            (rate("echoarb_latency_ticks_total", "platform"), "{{platform}}"),
            (rate("echoarb_latency_uncounted_total", "reason"), "left out: {{reason}}"),
            (rate("echoarb_latency_stored_failures_total"), "ClickHouse not asked"),
        ),
        course(
            "Spreads published",
            "By pair, and changes that waited for the pair's next publication.",
            (rate("echoarb_spreads_published_total", "pair_id"), "{{pair_id}}"),
            (rate("echoarb_spreads_held_back_total"), "held back"),
        ),
        course(
            "Pairs, and legs that can't be used",
            "Pairs whose spreads are computed; legs that have no usable price now, by reason.",
            (total("echoarb_spreads_pairs"), "pairs"),
            (total("echoarb_spreads_unusable_legs", "reason"), "legs: {{reason}}"),
            unit="short",
        ),
        course(
            "Unusable records",
            "Records that steps and alerting left out. The sink makes dead letters of them.",
            (rate("echoarb_spreads_unusable_total", "step", "reason"), "{{step}} {{reason}}"),
            (rate("echoarb_alerts_unusable_total", "topic", "reason"), "{{topic}} {{reason}}"),
        ),
    ]


def alerting() -> list[timeseries.Panel]:
    """Return how alerts are decided on and delivered."""
    return [
        course(
            "Who speaks",
            "How many workers decide on alerts. It has to be one.",
            (total("echoarb_alerts_speaking"), "workers"),
            unit="short",
        ),
        course(
            "Open alerts",
            "By rule and severity, as the worker that speaks knows them.",
            (total("echoarb_alerts_open", "rule", "severity"), "{{rule}} {{severity}}"),
            unit="short",
        ),
        course(
            "Alerts published",
            "By rule and state: raised, updated, cleared.",
            (rate("echoarb_alerts_published_total", "rule", "state"), "{{rule}} {{state}}"),
        ),
        course(
            "Webhooks",
            "Alerts by how delivery ended, and posts that failed and are tried again.",
            (rate("echoarb_alert_webhooks_total", "receiver", "result"), "{{receiver}} {{result}}"),
            (rate("echoarb_alert_webhook_failures_total", "receiver"), "{{receiver}} tried again"),
            no_data="No webhooks are configured",
        ),
        course(
            "Waiting for webhooks",
            "Alerts that wait for each receiver. At the queue's limit the oldest are dropped.",
            (total("echoarb_alert_webhook_queue", "receiver"), "{{receiver}}"),
            unit="short",
            no_data="No webhooks are configured",
        ),
        course(
            "Alerting begun anew",
            "Times that connections were lost and topics read anew, by what did so.",
            (rate("echoarb_alerts_restarts_total", "reason"), "{{reason}}"),
        ),
    ]
