"""From findings to alerts: raised, told again, cleared. Pure, driven by event time.

A finding that stays ``on`` for its hold time raises an alert, one that stays ``off`` for the clear
time ends it. Both moments follow from the findings' own times, so any worker that reads the same
records comes to the same alert_id. Only the worker that speaks makes records; the others follow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from agents.alert_board import Board
from agents.alert_rules import Finding, Key
from schemas.alert import SEVERITIES, Alert
from schemas.identity import event_id

BREAKER = "breaker_open"
"""The rule that connectors raise and clear themselves."""
UNHEARD_US = 15 * 60 * 1_000_000
"""An open alert of whose subject nothing is heard for this long is over: a pair or platform that is
followed no more, or whose records are no longer kept."""


@dataclass(slots=True)
class _Standing:
    """How a subject stands. Times are UTC microseconds."""

    last: Finding
    on_since: int | None = None
    off_since: int | None = None


class Lifecycle:
    """Findings in, alerts out."""

    def __init__(self, clear_us: int) -> None:
        self.board = Board()
        self._clear_us = clear_us
        self._standings: dict[Key, _Standing] = {}
        self._started: dict[str, int] = {}
        self._speaking_since: int | None = None

    @property
    def speaking(self) -> bool:
        """Whether this worker makes the records."""
        return self._speaking_since is not None

    def speak(self, now_us: int | None) -> None:
        """Make records from now on, or none any more (None)."""
        self._speaking_since = now_us

    def observe(self, finding: Finding) -> list[Alert]:
        """Take a finding; return the alerts that it, or the time that passed before it, brings."""
        standing = self._standings.get(finding.key)
        if standing is None:
            if finding.level == "off" and finding.key not in self.board.open:
                return []  # nothing was wrong and nothing is
            standing = self._standings[finding.key] = _Standing(finding)
        at = max(finding.at_us, standing.last.at_us)
        alerts = self._settle(finding.key, standing, at)
        standing.last = replace(finding, at_us=at)
        if finding.level == "on":
            standing.off_since = None
            standing.on_since = at if standing.on_since is None else standing.on_since
        elif finding.level == "off":
            standing.on_since = None
            standing.off_since = at if standing.off_since is None else standing.off_since
        else:
            standing.on_since = standing.off_since = None
        # A clear may have taken the standing away; what was found since begins a new one.
        self._standings[finding.key] = standing
        return [*alerts, *self._settle(finding.key, standing, at)]

    def pass_time(self, now_us: int) -> list[Alert]:
        """Return the alerts that time alone brings."""
        alerts = []
        for key, standing in list(self._standings.items()):
            alerts += self._settle(key, standing, now_us)
        if self.speaking:
            for double in list(self.board.doubles.values()):
                alerts.append(self._clear(double, now_us, "another alert took its place"))
            alerts += self._orphaned()
            alerts += self._unheard(now_us)
        return alerts

    def restarted(self, platform: str, at_us: int) -> None:
        """Say that the platform's connector was started at that time: what its earlier process
        raised itself it can't clear any more."""
        self._started[platform] = max(at_us, self._started.get(platform, 0))

    def _settle(self, key: Key, standing: _Standing, now_us: int) -> list[Alert]:
        alert = self.board.open.get(key)
        on, off = standing.on_since, standing.off_since
        alerts: list[Alert] = []
        if alert is None:
            if off is not None and now_us - off >= self._clear_us:
                self._standings.pop(key, None)
            elif on is None and off is None:
                self._standings.pop(key, None)  # between, and nothing open
            elif on is not None and now_us - on >= standing.last.hold_us and self.speaking:
                begun = max(on + standing.last.hold_us, self.board.ended(key) + 1)
                alerts.append(self._say(_raised(standing.last, begun)))
        elif off is not None:
            if now_us - off >= self._clear_us and self.speaking:
                at = max(off + self._clear_us, alert.raised_ts)
                alerts.append(self._say(_cleared(alert, standing.last, at)))
                self._standings.pop(key, None)
        elif self.speaking and _worth_telling(alert, standing.last):
            alerts.append(self._say(_changed(alert, standing.last)))
        return alerts

    def _orphaned(self) -> list[Alert]:
        found = []
        for (rule, _), alert in list(self.board.open.items()):
            started = self._started.get(alert.platform or "", 0)
            if rule == BREAKER and alert.raised_ts < started:
                found.append(self._clear(alert, started, "the connector was started anew"))
        return found

    def _unheard(self, now_us: int) -> list[Alert]:
        assert self._speaking_since is not None
        if now_us - self._speaking_since < UNHEARD_US:
            return []
        return [
            self._clear(alert, now_us, "nothing was heard of it any more")
            for key, alert in list(self.board.open.items())
            if key not in self._standings and key[0] != BREAKER and now_us - alert.ts >= UNHEARD_US
        ]

    def _clear(self, alert: Alert, at_us: int, why: str) -> Alert:
        at = max(at_us, alert.ts)
        return self._say(
            replace(alert, state="cleared", ts=at, cleared_ts=at, message=f"{alert.message}: {why}")
        )

    def _say(self, alert: Alert) -> Alert:
        self.board.learn(alert)
        return alert


def _raised(finding: Finding, at_us: int) -> Alert:
    return Alert(
        alert_id=event_id(finding.rule, finding.subject, at_us),
        ts=at_us,
        rule=finding.rule,
        subject=finding.subject,
        state="raised",
        severity=finding.severity,
        raised_ts=at_us,
        cleared_ts=None,
        platform=finding.platform,
        market_id=finding.market_id,
        pair_id=finding.pair_id,
        value=finding.value,
        threshold=finding.threshold,
        unit=finding.unit,
        message=finding.message,
        detail=finding.detail,
        acknowledged_by=None,
        acknowledged_ts=None,
        acknowledged_note=None,
    )


def _changed(alert: Alert, finding: Finding) -> Alert:
    return replace(
        alert,
        state="raised",
        ts=max(finding.at_us, alert.ts),
        severity=finding.severity,
        value=finding.value,
        threshold=finding.threshold,
        unit=finding.unit,
        message=finding.message,
        detail=finding.detail,
    )


def _cleared(alert: Alert, finding: Finding, at_us: int) -> Alert:
    """Return the last record. It keeps the severity: how bad it was."""
    at = max(at_us, alert.ts)
    told = replace(_changed(alert, finding), severity=alert.severity)
    return replace(told, state="cleared", ts=at, cleared_ts=at)


def _worth_telling(alert: Alert, finding: Finding) -> bool:
    """Return whether an open alert has changed enough: worse at once, better only with the value,
    so that a value around the edge of a band doesn't flap."""
    if SEVERITIES.index(finding.severity) > SEVERITIES.index(alert.severity):
        return finding.level == "on"
    if finding.change is None or finding.value is None:
        return False
    return abs(finding.value - (alert.value or Decimal(0))) >= finding.change
