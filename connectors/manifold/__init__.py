"""Manifold Markets: play money, an automated market maker, no order book to quote."""

from connectors.manifold.feed import Feed
from connectors.manifold.parse import Parser
from connectors.manifold.settings import ManifoldSettings as Settings

__all__ = ["Feed", "Parser", "Settings"]
