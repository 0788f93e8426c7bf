"""Circuit breakers, one per endpoint of a venue, and the gauge that shows them."""

from __future__ import annotations

import asyncio
from typing import Any

from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState

from connectors import metrics
from connectors.settings import ConnectorSettings
from schemas.logs import get_logger

log = get_logger(__name__)

BreakerOpen = OpenedState
"""Raised instead of trying while an endpoint's breaker is open."""


class Breakers:
    """The breakers of one venue. ``await breakers.of(endpoint)`` gives a context manager: an
    exception inside counts as a failure, a clean exit as recovery."""

    def __init__(self, platform: str, settings: ConnectorSettings) -> None:
        self._platform = platform
        self._factory = AsyncCircuitBreakerFactory(
            default_threshold=settings.breaker_failures,
            default_ttl=settings.breaker_open_seconds,
            # Being told to stop is not the endpoint's failure.
            exclude=[asyncio.CancelledError],
        )
        self._factory.add_listener(self._changed)

    async def of(self, endpoint: str) -> Any:
        """Return the breaker of ``endpoint``."""
        metrics.BREAKER.labels(self._platform, endpoint)
        return await self._factory.get_breaker(endpoint)

    def _changed(self, endpoint: str, what: str, event: Any) -> None:
        if what != "state_changed":
            return
        metrics.BREAKER.labels(self._platform, endpoint).set(event.state == "opened")
        if event.state == "opened":
            log.warning("breaker open", platform=self._platform, endpoint=endpoint)
        elif event.state == "closed":
            log.info("breaker closed", platform=self._platform, endpoint=endpoint)
