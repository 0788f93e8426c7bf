"""Settings of the Manifold connector."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from schemas.settings import Settings

ContractType = Literal["ALL", "BINARY", "MULTIPLE_CHOICE", "PSEUDO_NUMERIC", "STONK", "NUMBER"]


class ManifoldSettings(Settings):
    """What to follow at Manifold, and how fast to ask.

    Without list and filters every public market is followed by the venue's global topics;
    with them, each market by topics of its own.
    """

    manifold_rest_url: str = Field(
        "https://api.manifold.markets/v0", description="Manifold REST base URL"
    )
    manifold_ws_url: str = Field(
        "wss://api.manifold.markets/ws", description="Manifold WebSocket URL"
    )
    manifold_markets_file: Path = Field(
        Path("config/markets.toml"),
        description="TOML file; [manifold] markets = [ids or slugs] follows only these",
    )
    manifold_term: str = Field("", description="Follow only open markets found by these words")
    manifold_topic: str = Field("", description="Follow only open markets of this topic's slug")
    manifold_contract_type: ContractType = Field(
        "ALL", description="Follow only open markets of this outcome type"
    )
    manifold_minimum_volume: float = Field(
        0, ge=0, description="Follow only markets with this much volume, in their own unit"
    )
    manifold_token: Literal["MANA", "CASH", "ALL"] = Field(
        "MANA", description="List markets of this unit; CASH exists on old ones only"
    )
    manifold_markets_refresh_seconds: float = Field(
        600, gt=0, description="Pause between two listings of the open markets"
    )
    manifold_sweep_seconds: float = Field(
        300, gt=0, description="Pause between two comparisons of all prices with /market-probs"
    )
    manifold_settle_seconds: float = Field(
        2, ge=0, description="Wait before a doubtful price is read, for the venue's caches"
    )
    manifold_requests_per_minute: float = Field(
        400, gt=0, description="REST requests a minute; the venue allows 500 per address"
    )
    manifold_topics_per_socket: int = Field(
        5_000, ge=5, description="Topics per socket when single markets are followed"
    )
    manifold_ping_seconds: float = Field(
        10, gt=0, le=50, description="Pause between JSON pings; the venue cuts after 60 s"
    )
    manifold_ack_seconds: float = Field(
        5, gt=0, description="A ping not acknowledged for this long ends the connection"
    )
    manifold_silence_seconds: float = Field(
        120, gt=0, description="No bet for this long: ask by REST whether the stream is broken"
    )

    @property
    def filtered(self) -> bool:
        """Whether only some of the open markets are wanted."""
        return bool(
            self.manifold_term
            or self.manifold_topic
            or self.manifold_contract_type != "ALL"
            or self.manifold_minimum_volume
        )
