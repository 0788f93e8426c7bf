"""Polymarket: one order book per outcome token, proved by the venue's own book hash."""

from connectors.polymarket.feed import Feed
from connectors.polymarket.parse import Parser
from connectors.polymarket.settings import PolymarketSettings as Settings

__all__ = ["Feed", "Parser", "Settings"]
