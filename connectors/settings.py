"""Settings of the connector process that hold for every venue."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from schemas.settings import KafkaSettings, LogSettings, RegistrySettings


class ConnectorSettings(KafkaSettings, RegistrySettings, LogSettings):
    """One connector process. Each venue adds its own, prefixed with the venue's name."""

    metrics_host: str = Field("127.0.0.1", description="Address of the metrics port")
    metrics_port: int = Field(9091, ge=0, le=65535, description="Prometheus port; 0 = none")

    connect_timeout_seconds: float = Field(15, gt=0, description="Handshake limit per socket")
    backoff_first_seconds: float = Field(1, gt=0, description="First pause before reconnecting")
    backoff_cap_seconds: float = Field(60, gt=0, description="Longest pause before reconnecting")
    healthy_seconds: float = Field(
        30, gt=0, description="A socket that lived this long with data resets the backoff"
    )
    breaker_failures: int = Field(
        5, ge=1, description="Failures in a row that open an endpoint's circuit breaker"
    )
    breaker_open_seconds: float = Field(
        30, gt=0, description="How long an open breaker refuses before it lets one try through"
    )
    frame_limit_bytes: int = Field(
        64 * 2**20, ge=2**16, description="Longest frame or REST answer accepted"
    )

    queue_records: int = Field(
        100_000, ge=100, description="Records that may wait for Kafka; above: overflow policy"
    )
    queue_kilobytes: int = Field(
        65_536, ge=64, description="Kilobytes that may wait for Kafka; above: overflow policy"
    )
    compression: Literal["gzip", "lz4", "zstd", "none"] = Field(
        "gzip",
        description="Compression of the topics' batches; gzip is what every Kafka client reads "
        "without a plug-in, lz4 and zstd are cheaper",
    )
    linger_milliseconds: float = Field(
        5, ge=0, le=1000, description="How long a batch waits for company"
    )
    flush_seconds: float = Field(
        10, gt=0, description="How long a stopping connector waits for Kafka to take the rest"
    )

    capture_dir: Path | None = Field(None, description="Write every frame received to this folder")
    capture_file_megabytes: int = Field(
        256, ge=1, description="Uncompressed size at which a capture file is rotated"
    )
