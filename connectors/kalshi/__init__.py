"""Kalshi: one signed socket for books, trades, tickers and lifecycle; REST to list markets."""

from connectors.kalshi.feed import Feed
from connectors.kalshi.parse import Parser
from connectors.kalshi.settings import KalshiSettings as Settings

__all__ = ["Feed", "Parser", "Settings"]
