"""Alerting: spreads, latency, gaps and the alerts themselves to new alert records. Pure.

Every worker feeds it all partitions of these topics, so all know the same; one of them speaks, by
the rule of docs/decisions/0009-who-raises-alerts.md, and only its records are made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

from agents.alert_gaps import GapWatch
from agents.alert_latency import LatencyWatch
from agents.alert_lifecycle import Lifecycle
from agents.alert_metrics import OPEN, UNUSABLE
from agents.alert_rules import Finding, of_lag, of_silence, of_spread
from agents.alert_settings import AlertSettings, us
from agents.processor import Outgoing, Place
from agents.transport import Batch
from schemas.alert import Alert
from schemas.codec import Record, decode_framed
from schemas.errors import Poison
from schemas.gap import Gap
from schemas.latency import Latency
from schemas.spread import Spread
from schemas.topics import ALERTS, GAPS, LATENCY, SPREADS, TOPICS

SchemaOf = Callable[[int], Any]
"""The writer's schema of an id, as Registry.schema: may raise Poison or Transient."""


class Alerting:
    """One Processor, which must be given every partition of its topics.

    Of a group of records read together, those of the topic alerts have to come first: they say
    what the others mustn't raise again.
    """

    name = "alerts"
    topics = (ALERTS.name, GAPS.name, LATENCY.name, SPREADS.name)
    rebuilt = True

    def __init__(self, settings: AlertSettings, schema_of: SchemaOf) -> None:
        self._settings = settings
        self._schema_of = schema_of
        self._lifecycle = Lifecycle(us(settings.alert_clear_seconds))
        self._latency = LatencyWatch(settings)
        self._gaps = GapWatch(settings)
        self._watching_since = 0
        self._lags: list[Finding] = []

    @property
    def open_alerts(self) -> list[Alert]:
        """The alerts that are open."""
        return list(self._lifecycle.board.open.values())

    @property
    def speaking(self) -> bool:
        """Whether this worker makes the records."""
        return self._lifecycle.speaking

    def speak(self, now_us: int) -> None:
        """Make records from now on. The topic alerts must have been read to its end before."""
        self._watching_since = now_us
        self._lifecycle.speak(now_us)

    def be_silent(self) -> None:
        """Follow only: another worker decides."""
        self._lifecycle.speak(None)

    def process(self, batch: Batch, *, live: bool) -> list[Outgoing]:
        """Take one batch; return what its records bring, if this worker speaks."""
        alerts: list[Alert] = []
        for kafka_record in batch.records:
            appended = max(int(kafka_record.timestamp), 0) * 1000
            record = self._read(batch.topic, kafka_record.value)
            if isinstance(record, Alert):
                self._lifecycle.board.learn(record)
            elif isinstance(record, Spread):
                alerts += self._lifecycle.observe(of_spread(record, self._settings))
            elif isinstance(record, Latency):
                self._latency.take(record, appended)
            elif isinstance(record, Gap):
                alerts += self._take_gap(record, appended)
        return [outgoing(alert) for alert in alerts]

    def pass_time(self, now_us: int) -> list[Outgoing]:
        """Return what time brings: called about once a second, UTC microseconds."""
        known = self.open_alerts
        findings = [
            *self._silences(known, now_us),
            *self._latency.findings(now_us, known),
            *self._gaps.findings(now_us, known),
            *self._lags,
        ]
        self._lags = []
        alerts = [alert for finding in findings for alert in self._lifecycle.observe(finding)]
        alerts += self._lifecycle.pass_time(now_us)
        self._show()
        return [outgoing(alert) for alert in alerts]

    def measured(self, lags: Mapping[str, int], at_us: int) -> None:
        """Take how many records each consumer group was behind at a time, UTC microseconds."""
        self._lags += [of_lag(group, lag, at_us, self._settings) for group, lag in lags.items()]

    def revoked(self, places: Collection[Place]) -> None:
        """Do nothing: partitions aren't shared out among those who follow all of them."""

    def _take_gap(self, gap: Gap, appended_us: int) -> list[Alert]:
        alerts = [
            alert
            for finding in self._gaps.take(gap, appended_us)
            for alert in self._lifecycle.observe(finding)
        ]
        if gap.reason == "startup" and gap.to_ts is not None:
            self._lifecycle.restarted(gap.platform, gap.to_ts)
        return alerts

    def _silences(self, known: Collection[Alert], now_us: int) -> list[Finding]:
        """Judge each platform's silence. None counts before this worker began to watch, for until
        then nobody may have counted ticks."""
        limit_us = us(self._settings.alert_silence_seconds)
        cut_off, ticks = self._gaps.silent(), self._latency.last_ticks
        # Of one that is open already the last tick may be too long ago to have been read.
        open_since = {
            alert.subject: alert.raised_ts - limit_us for alert in known if alert.rule == "silence"
        }
        found = []
        for platform in sorted(ticks.keys() | cut_off.keys() | open_since.keys()):
            last = ticks.get(platform, open_since.get(platform))
            if last is not None and platform not in open_since:
                last = max(last, self._watching_since)
            found.append(of_silence(platform, last, cut_off.get(platform), now_us, self._settings))
        return found

    def _read(self, topic: str, value: bytes | None) -> Record | None:
        """Return the record in a value; None, counted, if it can't be used. Raises Transient."""
        try:
            if value is None:
                raise Poison("null", "no value")
            return decode_framed(TOPICS[topic].schema, value, self._schema_of)
        except Poison as error:
            UNUSABLE.labels(topic, error.reason).inc()
            return None

    def _show(self) -> None:
        OPEN.clear()
        for (rule, severity), count in Counter(
            (alert.rule, alert.severity) for alert in self.open_alerts
        ).items():
            OPEN.labels(rule, severity).set(count)


def outgoing(alert: Alert) -> Outgoing:
    """Return how an alert is published."""
    return Outgoing(ALERTS.name, f"{alert.rule}:{alert.subject}", alert)
