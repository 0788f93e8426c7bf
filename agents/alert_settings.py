"""Settings of the alerts: what is worth one, when it is over, and who is told."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field, SecretStr

from schemas.latency import Stage
from schemas.settings import KafkaSettings, LogSettings, RegistrySettings

SECOND_US = 1_000_000


class AlertSettings(KafkaSettings, RegistrySettings, LogSettings):
    """Thresholds, how long something has to stand or be over, and webhooks."""

    alert_group: str = Field(
        "echoarb-alerts", description="Kafka consumer group of the workers that decide on alerts"
    )
    alert_session_seconds: float = Field(
        10, ge=1, le=300, description="Silence of the worker that decides after which another does"
    )
    alert_clear_ratio: Decimal = Field(
        Decimal("0.8"),
        gt=0,
        le=1,
        description="A value has to fall to this part of its threshold to be over",
    )
    alert_clear_seconds: float = Field(
        30, ge=0, description="How long it has to be over before the alert is cleared"
    )
    alert_change_ratio: Decimal = Field(
        Decimal("0.25"),
        gt=0,
        description="An open alert is told again when its value moves by this part of its "
        "threshold",
    )

    alert_spread_seconds: float = Field(
        0, ge=0, description="How long a spread has to stay above its pair's threshold"
    )

    alert_latency_source_ingest_ms: float = Field(
        5000, gt=0, description="p99 from the venue's clock to ours that is an alert"
    )
    alert_latency_ingest_emit_ms: float = Field(
        250, gt=0, description="p99 from receipt to the producer that is an alert"
    )
    alert_latency_emit_append_ms: float = Field(
        1000, gt=0, description="p99 from the producer to Kafka that is an alert"
    )
    alert_latency_append_stored_ms: float = Field(
        10_000, gt=0, description="p99 from Kafka to ClickHouse that is an alert"
    )
    alert_latency_minutes: int = Field(3, ge=1, le=60, description="Minutes that p99 is taken over")
    alert_latency_ticks: int = Field(
        20, ge=1, description="Ticks in that time without which p99 says nothing"
    )
    alert_latency_seconds: float = Field(
        30, ge=0, description="How long a p99 has to stay above its threshold"
    )

    alert_age_slots: int = Field(
        5, ge=2, le=60, description="Minutes in a row in which the shortest latency has to rise"
    )
    alert_age_ms: float = Field(
        2000, gt=0, description="Rise in all that makes a growing age an alert"
    )

    alert_silence_seconds: float = Field(
        300, gt=0, description="A platform without a tick for this long is an alert"
    )

    alert_gap_seconds: float = Field(
        120, gt=0, description="A gap that stays open for this long is an alert"
    )
    alert_gap_count: int = Field(
        20, ge=1, description="More gaps of one market or platform than this are an alert"
    )
    alert_gap_minutes: float = Field(10, gt=0, le=120, description="Time in which gaps are counted")
    alert_gap_markets: int = Field(
        10,
        ge=1,
        description="Markets of one platform that get an alert each; more get one for all",
    )

    alert_lag_records: int = Field(
        100_000, ge=1, description="Records a consumer group may be behind"
    )
    alert_lag_seconds: float = Field(60, ge=0, description="How long it has to be behind")
    alert_lag_groups: str = Field(
        "echoarb-sink,echoarb-analytics", description="Groups whose lag is watched, comma separated"
    )
    alert_lag_check_seconds: float = Field(15, gt=0, description="How often lag is measured")

    alert_webhooks: SecretStr = Field(
        SecretStr(""),
        description="URLs that alerts are posted to, comma separated or a JSON list; empty = none",
    )
    alert_webhook_secret: SecretStr = Field(
        SecretStr(""),
        description="Key of the posts' signatures, whsec_ and base64 (Standard Webhooks)",
    )
    alert_webhook_timeout_seconds: float = Field(
        10, gt=0, le=60, description="How long a receiver may take to answer"
    )
    alert_webhook_give_up_seconds: float = Field(
        600, gt=0, description="Age at which an alert is not worth delivering any more"
    )
    alert_webhook_backoff_cap_seconds: float = Field(
        30, gt=0, description="Longest pause before a delivery is tried again"
    )
    alert_webhook_queue: int = Field(
        1000, ge=1, description="Alerts that wait for one receiver; more drop the oldest"
    )
    alert_webhook_failures: int = Field(
        5, ge=1, description="Failures in a row after which a receiver is left alone for a while"
    )
    alert_webhook_open_seconds: float = Field(30, gt=0, description="How long that is")

    def latency_ms(self, stage: Stage) -> Decimal:
        """Return the threshold of a stage's p99, milliseconds."""
        thresholds: dict[Stage, float] = {
            "source_ingest": self.alert_latency_source_ingest_ms,
            "ingest_emit": self.alert_latency_ingest_emit_ms,
            "emit_append": self.alert_latency_emit_append_ms,
            "append_stored": self.alert_latency_append_stored_ms,
        }
        return Decimal(str(thresholds[stage]))

    def lag_groups(self) -> list[str]:
        """Return the groups whose lag is watched."""
        return [name.strip() for name in self.alert_lag_groups.split(",") if name.strip()]


def us(seconds: float) -> int:
    """Return microseconds."""
    return round(seconds * SECOND_US)
