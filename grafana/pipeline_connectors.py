"""The Pipeline board's panels of the connectors: venue to Kafka."""

from __future__ import annotations

from grafana_foundation_sdk.builders import timeseries

from grafana.measured import course, quantile, rate, total

HERE = 'platform=~"$platform"'


def panels() -> list[timeseries.Panel]:
    """Return them."""
    return [
        course(
            "Frames by venue",
            "Frames received on sockets and by REST. None: sockets are dead, or the venue is.",
            (rate("echoarb_frames_total", "platform", where=HERE), "{{platform}}"),
        ),
        course(
            "Ticks by venue and kind",
            "Quotes and trades given to Kafka.",
            (rate("echoarb_ticks_total", "platform", "kind", where=HERE), "{{platform}} {{kind}}"),
        ),
        course(
            "Time since data",
            "Since a frame came that said anything: acknowledgements don't count.",
            (
                f"time() - max by (platform) (echoarb_last_data_timestamp_seconds{{{HERE}}})",
                "{{platform}}",
            ),
            unit="s",
            limit=300,
        ),
        course(
            "Open sockets",
            "To each venue. Markets are spread over as many as the venue's limits ask for.",
            (total("echoarb_connected_sockets", "platform", where=HERE), "{{platform}}"),
            unit="short",
        ),
        course(
            "Connection attempts by result",
            "`connected`, a status of the venue, `breaker_open` (left alone after failures), or "
            "the name of an error.",
            (
                rate("echoarb_connects_total", "platform", "result", where=HERE),
                "{{platform}} {{result}}",
            ),
        ),
        course(
            "REST requests by status",
            "Discovery and snapshots; 429 and 5xx open the endpoint's breaker.",
            (
                rate("echoarb_requests_total", "platform", "venue_endpoint", "status", where=HERE),
                "{{platform}} {{venue_endpoint}} {{status}}",
            ),
        ),
        course(
            "Queue to Kafka",
            "How full the queue in front of the producer is. At 100 % records are dropped.",
            (
                f"max by (platform) (echoarb_queued_records{{{HERE}}} "
                f"/ echoarb_queue_limit_records{{{HERE}}})",
                "{{platform}}",
            ),
            unit="percentunit",
            limit=0.5,
        ),
        course(
            "Drops by reason",
            "Records that never reached Kafka. None is normal.",
            (
                rate("echoarb_dropped_total", "platform", "reason", where=HERE),
                "{{platform}} {{reason}}",
            ),
        ),
        course(
            "Rejected frames by reason",
            "Frames, or parts of them, that can't be used. Growth: the protocol has changed.",
            (
                rate("echoarb_rejected_total", "platform", "reason", where=HERE),
                "{{platform}} {{reason}}",
            ),
        ),
        course(
            "Gaps opened by reason",
            "Stretches that can't be trusted; the board Trust has each of them.",
            (
                rate("echoarb_gaps_total", "platform", "reason", where=HERE),
                "{{platform}} {{reason}}",
            ),
        ),
        course(
            "Time to parse a frame",
            "p50 and p99. Above the time between frames the connector falls behind.",
            (quantile(0.5, "echoarb_parse_seconds", "platform", where=HERE), "{{platform}} p50"),
            (quantile(0.99, "echoarb_parse_seconds", "platform", where=HERE), "{{platform}} p99"),
            unit="s",
        ),
        course(
            "Frames without a tick",
            "By kind: changes of a book below its top, acknowledgements, and market records.",
            (
                rate("echoarb_applied_total", "platform", "kind", where=HERE),
                "{{platform}} {{kind}}",
            ),
            (
                rate("echoarb_ignored_total", "platform", "kind", where=HERE),
                "{{platform}} {{kind}}",
            ),
            (rate("echoarb_markets_total", "platform", where=HERE), "{{platform}} market records"),
        ),
    ]
