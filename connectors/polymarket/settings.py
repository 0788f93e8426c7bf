"""Settings of the Polymarket connector."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from schemas.settings import Settings


class PolymarketSettings(Settings):
    """What to follow at Polymarket, and how fast to ask.

    Without list and filters every open market with an order book is followed.
    """

    polymarket_clob_url: str = Field(
        "https://clob.polymarket.com", description="Polymarket order book REST URL"
    )
    polymarket_gamma_url: str = Field(
        "https://gamma-api.polymarket.com", description="Polymarket catalogue (Gamma) URL"
    )
    polymarket_ws_url: str = Field(
        "wss://ws-subscriptions-clob.polymarket.com/ws/market",
        description="Polymarket market WebSocket URL",
    )
    polymarket_markets_file: Path = Field(
        Path("config/markets.toml"),
        description="TOML file; [polymarket] markets = [condition ids or slugs] follows only these",
    )
    polymarket_minimum_volume: float = Field(
        0, ge=0, description="Follow only markets with this much volume, in USDC"
    )
    polymarket_tag_id: str = Field(
        "", description="Follow only markets with this tag's number", pattern=r"^[0-9]{0,12}$"
    )
    polymarket_slug_contains: str = Field(
        "", description="Follow only markets whose slug holds this text, such as btc-updown-5m"
    )
    polymarket_most_markets: int = Field(
        50_000, ge=1, description="Follow at most this many markets; more are left out, with a log"
    )
    polymarket_markets_refresh_seconds: float = Field(
        300, gt=0, description="Pause between two listings of the open markets"
    )
    polymarket_tokens_per_socket: int = Field(
        200, ge=2, le=400, description="Tokens per socket; far above, the venue sends no snapshots"
    )
    polymarket_tokens_per_frame: int = Field(
        100, ge=1, le=500, description="Tokens per subscription frame and per POST /books"
    )
    polymarket_ping_seconds: float = Field(10, gt=0, description="Pause between text PINGs")
    polymarket_pong_seconds: float = Field(
        30, gt=0, description="A socket that does not even answer PING for this long is given up"
    )
    polymarket_snapshot_seconds: float = Field(
        5, gt=0, description="A token without a snapshot for this long is read by REST"
    )
    polymarket_quiet_seconds: float = Field(
        120, gt=0, description="A token without data for this long is compared with REST"
    )
    polymarket_silence_seconds: float = Field(
        60, gt=0, description="A socket without data for this long is compared with REST"
    )
    polymarket_books_per_second: float = Field(
        25, gt=0, description="POST /books requests a second; the venue allows 50"
    )
    polymarket_listings_per_second: float = Field(
        15, gt=0, description="Gamma requests a second; the venue allows 30 for markets"
    )
