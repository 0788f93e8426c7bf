"""Settings of the API process."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from schemas.pairs import PairSettings
from schemas.settings import ClickHouseSettings, KafkaSettings, LogSettings, RegistrySettings


class ApiSettings(KafkaSettings, RegistrySettings, ClickHouseSettings, LogSettings, PairSettings):
    """Where the API listens, whom it lets in, and how much it does for one of them."""

    environment: Literal["development", "staging", "production"] = Field(
        "production", description="What this is; debug routes exist in development only"
    )
    sink_group: str = Field("echoarb-sink", description="Kafka consumer group of the sink")
    analytics_group: str = Field(
        "echoarb-analytics", description="Kafka consumer group of the analytics"
    )
    api_host: str = Field("127.0.0.1", description="Address that the API listens on")
    api_port: int = Field(8000, ge=0, le=65535, description="Port of the API; 0 = any free one")
    api_keys_file: str = Field(
        "", description="File of API keys (`echoarb keys`); empty = no keys, and loopback only"
    )
    api_open: bool = Field(
        False, description="Let the API listen beyond loopback without keys: a proxy decides"
    )
    api_hosts: str = Field(
        "", description="Further host names that are answered without keys, comma-separated"
    )
    api_trusted_proxies: str = Field(
        "",
        description="Addresses of proxies whose X-Forwarded-For is believed, comma-separated",
    )
    api_rate_per_minute: int = Field(
        3000, ge=1, description="Requests a minute of one key, or of one address without a key"
    )
    api_failures_per_minute: int = Field(
        20, ge=1, description="Keys that aren't valid, a minute, of one address"
    )
    api_request_seconds: float = Field(
        60, gt=0, le=3600, description="Longest time a request may take, its body included"
    )
    metrics_host: str = Field("127.0.0.1", description="Address that metrics are served on")
    metrics_port: int = Field(9091, ge=0, le=65535, description="Port of /metrics; 0 = none")
    api_cors_origins: str = Field(
        "",
        description="Browser origins allowed to read the API, comma-separated, such as "
        "https://board.example; empty = none but its own",
    )
    api_max_body_bytes: int = Field(65_536, ge=1024, description="Largest request body")
    api_clickhouse_user: str = Field(
        "", description="ClickHouse user of the API, who need only read; empty = CLICKHOUSE_USER"
    )
    api_clickhouse_password: SecretStr = Field(SecretStr(""), description="Password of that user")
    api_query_seconds: float = Field(
        10, gt=0, le=300, description="Longest time a ClickHouse query may take"
    )
    api_query_rows: int = Field(
        2_000_000_000, ge=10_000, description="Most rows a ClickHouse query may read"
    )
    api_query_memory_bytes: int = Field(
        2 << 30, ge=64 << 20, description="Most memory a ClickHouse query may take"
    )
    api_queries_at_once: int = Field(
        16, ge=1, le=1000, description="ClickHouse queries running at once; more wait their turn"
    )
    api_silence_seconds: float = Field(
        300, gt=0, description="A platform without a tick for this long can't be trusted now"
    )
    api_ws_clients: int = Field(1000, ge=1, description="WebSocket clients at once")
    api_ws_subscriptions: int = Field(50, ge=1, description="Subscriptions of one WebSocket client")
    api_ws_markets: int = Field(
        1000, ge=1, description="Markets that one WebSocket client may name in all"
    )
    api_ws_message_bytes: int = Field(
        65_536, ge=1024, description="Largest message from a WebSocket client"
    )
    api_ws_queue: int = Field(
        10_000, ge=10, description="Messages waiting for a WebSocket client before it is closed"
    )
    api_ws_tail_bytes: int = Field(
        64 << 20,
        ge=1 << 20,
        description="Newest records kept in memory, to bring clients up to date",
    )
    api_ws_readers: int = Field(
        16, ge=1, description="Pages of history read for WebSocket clients at once; more wait"
    )
    api_ws_stored_seconds: float = Field(
        10, gt=0, le=120, description="Time to wait for ticks that the sink has not stored yet"
    )
    api_ws_snapshot: int = Field(
        5000, ge=1, le=50_000, description="Outcomes that a snapshot may have"
    )
    api_ws_heartbeat_seconds: float = Field(
        15, gt=0, le=3600, description="Time between heartbeats to a WebSocket client"
    )
    api_ws_farewell_seconds: float = Field(
        5, gt=0, le=60, description="Time a slow WebSocket client has to take its last message"
    )

    def hosts(self) -> list[str]:
        """Return the further host names that are answered, in lower case."""
        return [name.strip().lower() for name in self.api_hosts.split(",") if name.strip()]

    def reader(self) -> tuple[str, str]:
        """Return the ClickHouse user of the API, and the password."""
        if self.api_clickhouse_user:
            return self.api_clickhouse_user, self.api_clickhouse_password.get_secret_value()
        return self.clickhouse_user, self.clickhouse_password.get_secret_value()

    def cors_origins(self) -> list[str]:
        """Return the allowed browser origins."""
        return [
            item.strip().rstrip("/") for item in self.api_cors_origins.split(",") if item.strip()
        ]
