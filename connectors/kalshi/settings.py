"""Settings of the Kalshi connector."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from pydantic import Field

from schemas.settings import Settings


class KalshiSettings(Settings):
    """What to follow at Kalshi, and with which key."""

    kalshi_rest_url: str = Field(
        "https://external-api.kalshi.com/trade-api/v2",
        description="Kalshi REST base URL; demo: https://external-api.demo.kalshi.co/trade-api/v2",
    )
    kalshi_ws_url: str = Field(
        "wss://external-api-ws.kalshi.com/trade-api/ws/v2",
        description="Kalshi WebSocket URL; "
        "demo: wss://external-api-ws.demo.kalshi.co/trade-api/ws/v2",
    )
    kalshi_key_id: str = Field("", description="Id of the Kalshi API key, a UUID")
    kalshi_private_key_file: Path | None = Field(
        None, description="PEM file of that key's private half, RSA or Ed25519; a secret"
    )
    kalshi_markets_file: Path = Field(
        Path("config/markets.toml"),
        description="TOML file; [kalshi] markets = [tickers] follows only these",
    )
    kalshi_series: str = Field(
        "", description="Follow only open markets of these series, comma separated"
    )
    kalshi_events: str = Field(
        "", description="Follow only open markets of these events, comma separated"
    )
    kalshi_minimum_volume: Decimal = Field(
        Decimal(0), ge=0, description="Follow only markets with this many contracts traded"
    )
    kalshi_combos: bool = Field(False, description="List combo (multivariate) markets too")
    kalshi_markets_refresh_seconds: float = Field(
        300, gt=0, description="Pause between two listings of the open markets"
    )
    kalshi_requests_per_second: float = Field(
        10, gt=0, description="REST requests a second; the Basic tier allows about 20"
    )
    kalshi_markets_per_socket: int = Field(
        500, ge=1, description="Markets per subscription; halved when the venue refuses as many"
    )
    kalshi_sockets: int = Field(
        190, ge=1, description="Most sockets; the venue allows 200 per user and up"
    )
    kalshi_silence_seconds: float = Field(
        60, gt=0, description="No data for this long: ask the socket for a snapshot"
    )
    kalshi_probe_seconds: float = Field(
        5, gt=0, description="A snapshot that takes longer than this to come means a dead socket"
    )
    kalshi_snapshot_retry_seconds: float = Field(
        5, gt=0, description="Pause before an untrusted book's snapshot is asked for again"
    )
