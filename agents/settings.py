"""Settings of the workers."""

from __future__ import annotations

from pydantic import Field

from agents.alert_settings import AlertSettings
from agents.app import GroupOptions
from schemas.pairs import PairSettings
from schemas.settings import ClickHouseSettings, KafkaSettings, LogSettings, RegistrySettings


class SinkSettings(KafkaSettings, RegistrySettings, ClickHouseSettings, LogSettings):
    """One sink process: topics to ClickHouse."""

    metrics_host: str = Field("127.0.0.1", description="Address of the metrics port")
    metrics_port: int = Field(9091, ge=0, le=65535, description="Prometheus port; 0 = none")

    sink_group: str = Field("echoarb-sink", description="Kafka consumer group of the sink")
    sink_flush_rows: int = Field(
        50_000, ge=1, le=500_000, description="Rows that are inserted at once at most"
    )
    sink_flush_seconds: float = Field(
        0.4, gt=0, le=10, description="How long a row waits for company before it is inserted"
    )
    sink_fetch_records: int = Field(
        20_000, ge=1, le=100_000, description="Records taken from the fetched ones at once"
    )
    sink_fetch_kilobytes: int = Field(
        2048, ge=64, description="Kilobytes fetched ahead per partition"
    )
    sink_session_seconds: float = Field(
        30, ge=1, le=300, description="Silence after which Kafka gives the partitions to others"
    )
    sink_commit_seconds: float = Field(1, gt=0, description="How often offsets are committed")
    sink_insert_timeout_seconds: float = Field(
        20, gt=0, le=50, description="How long an insert may take; below the rebalance timeout"
    )
    sink_backoff_cap_seconds: float = Field(
        10, gt=0, description="Longest pause before something unreachable is tried again"
    )
    sink_poison_limit: int = Field(
        1000, ge=1, description="Dead letters without one good row between that end the sink"
    )
    sink_stall_seconds: float = Field(
        120, ge=5, description="Records waiting and none committed for this long ends the sink"
    )
    sink_stop_seconds: float = Field(
        25, gt=0, description="How long a stopping sink may take to store what is in hand"
    )

    def group_options(self) -> GroupOptions:
        """Return what the settings say of the consumer group."""
        return GroupOptions(
            group=self.sink_group,
            session_seconds=self.sink_session_seconds,
            commit_seconds=self.sink_commit_seconds,
            fetch_records=self.sink_fetch_records,
            fetch_kilobytes=self.sink_fetch_kilobytes,
            stall_seconds=self.sink_stall_seconds,
            stop_seconds=self.sink_stop_seconds,
        )


class AnalyticsSettings(AlertSettings, ClickHouseSettings, PairSettings):
    """One analytics process: topics to spreads and alerts."""

    metrics_host: str = Field("127.0.0.1", description="Address of the metrics port")
    metrics_port: int = Field(9091, ge=0, le=65535, description="Prometheus port; 0 = none")

    analytics_group: str = Field(
        "echoarb-analytics", description="Kafka consumer group of the analytics"
    )
    analytics_session_seconds: float = Field(
        30, ge=1, le=300, description="Silence after which Kafka gives the partitions to others"
    )
    analytics_stall_seconds: float = Field(
        120, ge=5, description="Records waiting and none committed for this long ends the worker"
    )

    def group_options(self) -> GroupOptions:
        """Return what the settings say of the consumer group."""
        return GroupOptions(
            group=self.analytics_group,
            session_seconds=self.analytics_session_seconds,
            commit_seconds=1,
            fetch_records=20_000,
            fetch_kilobytes=2048,
            stall_seconds=self.analytics_stall_seconds,
            stop_seconds=25,
        )
