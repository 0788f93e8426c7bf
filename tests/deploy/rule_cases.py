"""For each alert: what is measured when, and when it has to be silent, to fire and to be over.

Values are promtool's, one a minute: 5+0x10 is 5, eleven times; 0+60x10 grows by 60 a minute. Alerts
are looked at while what they count goes on: when that is over, Prometheus 3 makes less of it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Case:
    """``before``, ``during`` and ``after`` are minutes; ``labels`` are those beside severity."""

    alert: str
    series: dict[str, str]
    before: int
    during: int
    after: int
    labels: dict[str, str]
    text: str


def _build(component: str, values: str = "1+0x60", **labels: str) -> dict[str, str]:
    """Return the series that says which component answers at job j, instance i."""
    return {f'echoarb_build_info{{component="{component}",job="j",instance="i"}}': values}


_J_I = '{job="j",instance="i"}'
_AT_I = {"component": "api", "instance": "i"}
_TICKS = 'echoarb_ticks_total{platform="kalshi",kind="quote"}'
_ROWS = 'echoarb_sink_rows_total{table="ticks"}'
_FRAMES = 'echoarb_frames_total{platform="kalshi"}'
_KALSHI = {"platform": "kalshi"}
_BREAKER = 'echoarb_breaker_open{platform="kalshi",venue_endpoint="markets"}'

CASES = (
    Case(
        "TargetDown",
        {'up{job="echoarb-api",instance="api:9091"}': "1+0x4 0+0x9 1+0x9"},
        *(4, 8, 16),
        {"job": "echoarb-api", "instance": "api:9091"},
        "echoarb-api at api:9091 has not answered Prometheus for two minutes.",
    ),
    Case(  # whatever the job is called
        "TargetDown",
        {
            'up{job="j",instance="i"}': "1+0x4 0+0x9 1+0x9",
            'up{job="j",instance="not ours"}': "0+0x60",
            **_build("api", "1+0x4 stale _x9 1+0x9"),
        },
        *(4, 8, 16),
        {"job": "j", "instance": "i"},
        "j at i has not answered Prometheus for two minutes.",
    ),
    Case(
        "ServiceAbsent",
        {
            **_build("connector"),
            **_build("analytics"),
            **_build("api"),
            **_build("sink", "1+0x4 stale _x12 1+0x9"),
        },
        *(4, 12, 20),
        {"component": "sink"},
        "Prometheus has seen no sink for five minutes: none runs, or none is scraped.",
    ),
    Case(
        "Restarting",
        {
            **_build("api"),
            'process_start_time_seconds{job="j",instance="i"}': "1+0x4 2+0x1 3+0x1 4+0x40",
        },
        *(6, 12, 40),
        _AT_I,
        "api at i has restarted 3 times in 15 minutes.",
    ),
    Case(
        "MemoryHigh",
        {
            **_build("api"),
            f"process_resident_memory_bytes{_J_I}": "2e8+0x4 1073741824+0x20 2e8+0x9",
        },
        *(15, 22, 30),
        _AT_I,
        "api at i has held 1GiB for 15 minutes.",
    ),
    Case(
        "FileDescriptors",
        {
            **_build("api"),
            'process_open_fds{job="j",instance="i"}': "20+0x4 900+0x9 20+0x9",
            'process_max_fds{job="j",instance="i"}': "1000+0x60",
        },
        *(8, 12, 18),
        _AT_I,
        "api at i uses 90% of its file descriptors.",
    ),
    Case(
        "ConnectorGone",
        {
            'echoarb_connected_sockets{platform="kalshi"}': "3+0x4 stale _x12 3+0x9",
            'echoarb_connected_sockets{platform="manifold"}': "1+0x60",
        },
        *(4, 12, 20),
        _KALSHI,
        "A connector of kalshi ran within the last hour, and Prometheus has seen none for five "
        "minutes.",
    ),
    Case(
        "NoSockets",
        {'echoarb_connected_sockets{platform="kalshi"}': "3+0x4 0+0x9 3+0x9"},
        *(4, 8, 16),
        _KALSHI,
        "The connector of kalshi has had no open socket for two minutes: nothing is recorded.",
    ),
    Case(
        "NoFrames",
        {_FRAMES: "0+60x9 540+0x19 540+60x19"},
        *(12, 25, 36),
        _KALSHI,
        "Not a single frame has come from kalshi for ten minutes, on sockets or by REST.",
    ),
    Case(
        "FeedSilent",
        {'echoarb_last_data_timestamp_seconds{platform="kalshi"}': "0+60x9 540+0x9 1200+60x9"},
        *(13, 17, 22),
        _KALSHI,
        "The last frame of kalshi that said anything came 8m 0s ago.",
    ),
    Case(
        "ConnectFailing",
        {
            'echoarb_connects_total{platform="kalshi",result="connected"}': "1+0x60",
            'echoarb_connects_total{platform="kalshi",result="403"}': "0+0x9 0+2x19 38+0x30",
        },
        *(10, 25, 55),
        _KALSHI,
        "20 attempts to connect to kalshi have failed in ten minutes.",
    ),
    Case(
        "BreakerOpen",
        {_BREAKER: "0+0x4 1 0 1 0 1 0+0x9"},
        *(4, 8, 16),
        {"platform": "kalshi", "venue_endpoint": "markets"},
        "The endpoint markets of kalshi has kept failing for two minutes and is tried every 30 s "
        "only.",
    ),
    Case(
        "RecordsDropped",
        {'echoarb_dropped_total{platform="kalshi",reason="overflow"}': "0+0x4 10+0x30"},
        *(4, 6, 20),
        {"platform": "kalshi", "reason": "overflow"},
        "10 records of kalshi did not reach Kafka in five minutes: overflow.",
    ),
    Case(
        "FramesRejected",
        {
            _FRAMES: "0+600x80",
            'echoarb_rejected_total{platform="kalshi",reason="shape"}': "0+0x19 0+6x19 114+0x40",
        },
        *(20, 35, 75),
        _KALSHI,
        "1% of the frames of kalshi could not be read in 15 minutes.",
    ),
    Case(  # not when a thousand markets lose their socket, once
        "GapsGrowing",
        {
            'echoarb_gaps_total{platform="kalshi",reason="startup"}': "0+100x80",
            'echoarb_gaps_total{platform="kalshi",reason="sequence"}': (
                "0+0x1 1000+0x17 1000+6x29 1174+0x30"
            ),
        },
        *(6, 42, 60),
        _KALSHI,
        "30 gaps of kalshi were opened in five minutes, and this has gone on for 15.",
    ),
    Case(
        "QueueNearLimit",
        {
            'echoarb_queued_records{platform="kalshi"}': "5+0x4 75000+0x5 5+0x9",
            'echoarb_queue_limit_records{platform="kalshi"}': "100000+0x60",
        },
        *(4, 8, 14),
        _KALSHI,
        "The queue to Kafka of kalshi is 75% full; at 100 % records are dropped.",
    ),
    Case(
        "NothingStored",
        {_TICKS: "0+600x60", _ROWS: "0+600x9 5400+0x19 5400+600x19"},
        *(12, 25, 36),
        {},
        "The connectors send 10 ticks/s, and none has reached ClickHouse for ten minutes.",
    ),
    Case(
        "SinkLag",
        {"echoarb_sink_lag_records": "50+0x4 250000+0x5 50+0x9"},
        *(4, 8, 14),
        {},
        "250k records on Kafka are not stored yet.",
    ),
    Case(
        "SinkLagGrowing",
        {"echoarb_sink_lag_records": "0+0x9 600+600x50 30000-3000x9 0+0x20"},
        *(30, 60, 78),
        {},
        "The sink's lag has grown for 15 minutes, by 10 records/s: it will never catch up.",
    ),
    Case(
        "SinkWaiting",
        {'echoarb_sink_waiting{table="ticks"}': "0+0x4 1 0 1 0 1 0 1 0+0x9"},
        *(4, 10, 20),
        {"table": "ticks"},
        "Storing in ticks has been tried in vain for some minutes: ClickHouse, Kafka or the "
        "registry can't be reached.",
    ),
    Case(
        "SinkRetrying",
        {'echoarb_sink_retries_total{table="ticks"}': "0+0x14 0+5x9 45+0x30"},
        *(15, 26, 45),
        {"table": "ticks"},
        "45 attempts to store in ticks have failed in 15 minutes.",
    ),
    Case(
        "DeadLetters",
        {'echoarb_sink_dead_letters_total{reason="truncated"}': "0+0x14 9+0x30"},
        *(14, 20, 30),
        {"reason": "truncated"},
        "9 records became dead letters in ten minutes: truncated.",
    ),
    Case(
        "BatchesAbandoned",
        {'echoarb_sink_abandoned_total{table="ticks"}': "0+0x14 0+2x29 58+0x40"},
        *(25, 40, 70),
        {},
        "30 batches were given up in 15 minutes because their partitions went to another sink, and "
        "this goes on.",
    ),
    Case(
        "InsertSlow",
        {
            'echoarb_sink_insert_seconds_bucket{table="ticks",le="5"}': "0+60x9 540+0x29 540+60x40",
            'echoarb_sink_insert_seconds_bucket{table="ticks",le="10"}': "0+60x80",
            'echoarb_sink_insert_seconds_bucket{table="ticks",le="+Inf"}': "0+60x80",
        },
        *(9, 36, 75),
        {"table": "ticks"},
        "One insert in twenty into ticks takes more than 9.75s.",
    ),
    Case(
        "AnalyticsLag",
        {"echoarb_analytics_lag_records": "50+0x4 250000+0x5 50+0x9"},
        *(4, 8, 14),
        {},
        "250k records are not worked on yet: latencies, spreads and alerts are late.",
    ),
    Case(
        "AnalyticsLagGrowing",
        {"echoarb_analytics_lag_records": "0+0x9 600+600x50 30000-3000x9 0+0x20"},
        *(30, 60, 78),
        {},
        "The lag of analytics has grown for 15 minutes, by 10 records/s: it will never catch up.",
    ),
    Case(
        "AnalyticsRetrying",
        {'echoarb_analytics_retries_total{step="spreads"}': "0+0x14 0+5x9 45+0x30"},
        *(15, 26, 45),
        {"step": "spreads"},
        "45 attempts of the step spreads have failed in 15 minutes.",
    ),
    Case(
        "AnalyticsRefused",
        {'echoarb_analytics_refused_total{topic="spreads",reason="value"}': "0+0x14 9+0x30"},
        *(14, 20, 30),
        {"topic": "spreads"},
        "9 records for the topic spreads could not be encoded in ten minutes and are left out.",
    ),
    Case(
        "StoredLatencyUnknown",
        {"echoarb_latency_stored_failures_total": "0+0x14 0+6x9 54+0x30"},
        *(14, 26, 45),
        {},
        "Asking ClickHouse for the latency append_stored has failed 54 times in 15 minutes.",
    ),
    Case(
        "NobodySpeaks",
        {
            'echoarb_alerts_speaking{instance="a"}': "1+0x4 0+0x20",
            'echoarb_alerts_speaking{instance="b"}': "0+0x12 1+0x12",
        },
        *(4, 9, 16),
        {},
        "No analytics worker has decided on alerts for two minutes: none will be raised or "
        "cleared.",
    ),
    Case(
        "TwoSpeak",
        {
            'echoarb_alerts_speaking{instance="a"}': "1+0x30",
            'echoarb_alerts_speaking{instance="b"}': "0+0x4 1+0x6 0+0x9",
        },
        *(4, 9, 16),
        {},
        "2 workers have decided on alerts for two minutes: alerts may come twice.",
    ),
    Case(
        "AlertsRestarting",
        {'echoarb_alerts_restarts_total{reason="follow"}': "0+0x14 0+2x9 18+0x30"},
        *(14, 26, 45),
        {"reason": "follow"},
        "Alerting (follow) has begun anew 18 times in 15 minutes.",
    ),
    Case(
        "WebhookFailing",
        {'echoarb_alert_webhook_failures_total{receiver="ops"}': "0+0x14 0+2x9 18+0x30"},
        *(14, 24, 45),
        {"receiver": "ops"},
        "18 posts to ops have failed in ten minutes; they are tried again.",
    ),
    Case(
        "AlertsNotDelivered",
        {
            'echoarb_alert_webhooks_total{receiver="ops",result="delivered"}': "0+9x60",
            'echoarb_alert_webhooks_total{receiver="ops",result="gave_up"}': "0+0x19 3+0x40",
        },
        *(19, 30, 50),
        {"receiver": "ops", "result": "gave_up"},
        "3 alerts did not reach ops in 15 minutes: gave_up.",
    ),
    Case(
        "ApiErrors",
        {
            'echoarb_api_requests_total{route="/health",method="GET",status="200"}': "0+90x60",
            'echoarb_api_requests_total{route="/ready",method="GET",status="503"}': (
                "0+0x9 0+10x19 190+0x30"
            ),
        },
        *(10, 25, 45),
        {},
        "10% of the requests were answered with a server error.",
    ),
    Case(
        "ApiSlow",
        {
            'echoarb_api_request_seconds_bucket{route="/",le="2.5"}': "0+60x9 540+0x29 540+60x40",
            'echoarb_api_request_seconds_bucket{route="/",le="5"}': "0+60x80",
            'echoarb_api_request_seconds_bucket{route="/",le="+Inf"}': "0+60x80",
        },
        *(9, 36, 75),
        {},
        "One request in a hundred takes more than 4.975s.",
    ),
    Case(
        "FeedDown",
        {'echoarb_api_feed_up{instance="i"}': "1+0x4 0+0x9 1+0x9"},
        *(4, 8, 16),
        {"instance": "i"},
        "The API at i has not followed Kafka for two minutes: WebSocket clients get nothing.",
    ),
    Case(
        "FeedLag",
        {
            'echoarb_api_feed_lag_seconds{instance="i"}': "0.2+0x4 30+0x30",
            'echoarb_api_feed_records_total{instance="i",topic="gaps"}': "0+60x14 900+0x30",
        },
        *(8, 12, 24),
        {"instance": "i"},
        "WebSocket clients of i get records 30s after Kafka had them.",
    ),
    Case(
        "FeedSkipped",
        {'echoarb_api_feed_skipped_total{instance="i",topic="gaps"}': "0+0x14 9+0x30"},
        *(14, 20, 30),
        {"instance": "i", "topic": "gaps"},
        "The live feed of i jumped over 9 records of gaps; clients were told.",
    ),
    Case(
        "FeedRejected",
        {'echoarb_api_feed_rejected_total{reason="value"}': "0+0x14 9+0x30"},
        *(14, 20, 30),
        {"reason": "value"},
        "9 records could not be decoded for WebSocket clients in ten minutes: value.",
    ),
    Case(
        "SlowClients",
        {
            'echoarb_api_ws_closed_total{reason="client"}': "0+9x60",
            'echoarb_api_ws_closed_total{reason="slow"}': "0+0x14 0+2x9 18+0x30",
        },
        *(14, 26, 45),
        {},
        "18 WebSocket clients were closed in 15 minutes because they did not read fast enough.",
    ),
    Case(
        "ClientsRefused",
        {'echoarb_api_refused_total{status="401"}': "0+0x14 0+30x9 270+0x30"},
        *(14, 24, 45),
        {"status": "401"},
        "270 connections were refused with 401 in ten minutes.",
    ),
)
