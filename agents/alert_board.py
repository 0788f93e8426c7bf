"""Which alerts are open, as the topic alerts tells it. Pure state.

Of one rule and subject at most one is open. An alert that has ended stays ended, whatever comes
late; an acknowledgement stays until it has.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from uuid import UUID

from agents.alert_rules import Key
from schemas.alert import Alert

ENDED_KEPT = 50_000
"""Rules and subjects whose last end is remembered, so that late records don't open them again."""


class Board:
    """The open alerts. Feed it every record of the topic in order, and our own as we make them."""

    def __init__(self) -> None:
        self.open: dict[Key, Alert] = {}
        self.doubles: dict[UUID, Alert] = {}
        """Open ones whose place a later one of the same rule and subject took: to be cleared."""
        self._ended: OrderedDict[Key, int] = OrderedDict()

    def ended(self, key: Key) -> int:
        """Return when the last alert of this rule and subject ended, UTC microseconds; -1: none."""
        return self._ended.get(key, -1)

    def learn(self, alert: Alert) -> None:
        """Take one record."""
        key = (alert.rule, alert.subject)
        current = self.open.get(key)
        if alert.state == "cleared":
            self._end(key, alert)
        elif alert.raised_ts <= self.ended(key):
            return  # of one that is over
        elif current is None:
            self.open[key] = alert
        elif current.alert_id == alert.alert_id:
            self.open[key] = _merged(current, alert)
        elif alert.raised_ts >= current.raised_ts:
            self.doubles[current.alert_id] = current
            self.open[key] = alert
        else:
            self.doubles[alert.alert_id] = alert

    def _end(self, key: Key, alert: Alert) -> None:
        double = self.doubles.pop(alert.alert_id, None)
        current = self.open.get(key)
        if current is not None and current.alert_id == alert.alert_id:
            del self.open[key]
        elif double is not None or current is not None:
            return  # another one is open: it has the word
        ended = alert.cleared_ts if alert.cleared_ts is not None else alert.ts
        self._ended[key] = max(ended, self.ended(key))
        self._ended.move_to_end(key)
        while len(self._ended) > ENDED_KEPT:
            self._ended.popitem(last=False)


def _merged(current: Alert, news: Alert) -> Alert:
    """Return the alert after a further record of it."""
    first = current if current.acknowledged_ts is not None else news
    base = current if news.state == "acknowledged" else news
    return replace(
        base,
        acknowledged_by=first.acknowledged_by,
        acknowledged_ts=first.acknowledged_ts,
        acknowledged_note=first.acknowledged_note,
    )
