"""Circuit breakers, one per endpoint of a venue, the gauge that shows them and the alert that one
is open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState

from connectors import metrics
from connectors.settings import ConnectorSettings
from schemas.alert import Alert
from schemas.clock import Clock, now_us
from schemas.identity import event_id
from schemas.logs import get_logger

log = get_logger(__name__)

BreakerOpen = OpenedState
"""Raised instead of trying while an endpoint's breaker is open."""


class Breakers:
    """The breakers of one venue. ``await breakers.of(endpoint)`` gives a context manager: an
    exception inside counts as a failure, a clean exit as recovery."""

    def __init__(
        self,
        platform: str,
        settings: ConnectorSettings,
        publish: Callable[[Alert], None] | None = None,
        clock: Clock = now_us,
    ) -> None:
        """``publish`` takes an alert when a breaker opens and again when it has closed."""
        self._platform = platform
        self._settings = settings
        self._publish = publish
        self._clock = clock
        self._alerts: dict[str, Alert] = {}
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
            self._opened(endpoint)
        elif event.state == "closed":
            log.info("breaker closed", platform=self._platform, endpoint=endpoint)
            self._closed(endpoint)

    def _opened(self, endpoint: str) -> None:
        """Raise the alert, once until the endpoint has recovered: each try that fails opens the
        breaker again."""
        if endpoint in self._alerts or self._publish is None:
            return
        alert = breaker_alert(self._platform, endpoint, self._settings, self._clock())
        self._alerts[endpoint] = alert
        self._publish(alert)

    def _closed(self, endpoint: str) -> None:
        alert = self._alerts.pop(endpoint, None)
        if alert is not None and self._publish is not None:
            # A clock that was set back must not end an alert before it began.
            at = max(self._clock(), alert.raised_ts)
            self._publish(replace(alert, state="cleared", ts=at, cleared_ts=at))


def breaker_alert(platform: str, endpoint: str, settings: ConnectorSettings, at_us: int) -> Alert:
    """Return the alert that an endpoint's breaker opened at ``at_us``, UTC microseconds. One that
    is left open because the process ends is cleared by alerting at the connector's next start."""
    rule, subject = "breaker_open", f"{platform}/{endpoint}"
    return Alert(
        alert_id=event_id(rule, subject, at_us),
        ts=at_us,
        rule=rule,
        subject=subject,
        state="raised",
        severity="high",
        raised_ts=at_us,
        cleared_ts=None,
        platform=platform,
        market_id=None,
        pair_id=None,
        value=None,
        threshold=None,
        unit=None,
        message=f"endpoint {endpoint} of {platform} failed {settings.breaker_failures} times in a "
        f"row and is tried every {settings.breaker_open_seconds:g} s only",
        detail=None,
        acknowledged_by=None,
        acknowledged_ts=None,
        acknowledged_note=None,
    )
