"""Latency records to findings: p99 over a threshold, age growing; and when ticks came last. Pure.

Of each platform and stage the last minutes are kept, and of each minute the newest histogram of
each part; a minute is the sum of its parts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise

from agents.alert_rules import Finding, level_of, severity_by_ratio, text
from agents.alert_settings import AlertSettings, us
from agents.latency_slots import MINUTE_US, histogram_of
from schemas.alert import Alert
from schemas.histogram import Histogram
from schemas.latency import STAGES, Latency, Stage

AHEAD_US = 5 * MINUTE_US

_Slots = dict[int, dict[str, Latency]]
"""Newest record by minute and part."""


def quantile_us(records: Iterable[Latency], quantile: float) -> int | None:
    """Return the nearest-rank quantile of merged histograms, microseconds, at most 2 % off; None if
    they are empty."""
    (found,) = sum(map(histogram_of, records), Histogram()).quantiles([quantile])
    return found


class LatencyWatch:
    """What the topic latency says of the last minutes."""

    def __init__(self, settings: AlertSettings) -> None:
        self._settings = settings
        self._kept = max(settings.alert_latency_minutes, settings.alert_age_slots) + 2
        self._slots: dict[tuple[str, Stage], _Slots] = defaultdict(dict)
        self.last_ticks: dict[str, int] = {}
        """When ticks of each platform were counted last, UTC microseconds."""
        self._changed: set[tuple[str, Stage]] = set()
        self._minute = 0

    def take(self, record: Latency, appended_us: int) -> None:
        """Take one record, which Kafka has since ``appended_us``."""
        if record.slot_ts > appended_us + AHEAD_US:
            return  # of a clock that runs far ahead: it would push out every other minute
        key = (record.platform, record.stage)
        slots = self._slots[key]
        parts = slots.setdefault(record.slot_ts, {})
        known = parts.get(record.part)
        if known is not None and known.version > record.version:
            return
        parts[record.part] = record
        for slot in sorted(slots)[: -self._kept]:
            del slots[slot]
        self._changed.add(key)
        # A ledger that starts anew publishes its minutes again: only a higher count is a new tick.
        before = known.count + known.missing if known is not None else 0
        rose = record.count + record.missing > before and record.slot_ts in slots
        if rose and record.stage != "append_stored":
            seen = self.last_ticks.get(record.platform, 0)
            self.last_ticks[record.platform] = max(seen, min(record.emit_ts, appended_us))

    def findings(self, now_us: int, open_alerts: Iterable[Alert]) -> list[Finding]:
        """Return how every platform and stage stands now that changed, or has an open alert."""
        for alert in open_alerts:
            platform, _, stage = alert.subject.partition("/")
            if alert.rule == "age_growing":
                self._changed.add((platform, STAGES[0]))
            elif alert.rule == "latency" and stage in STAGES:
                self._changed.add((platform, stage))
        if now_us // MINUTE_US != self._minute:
            self._minute = now_us // MINUTE_US
            self._changed.update(self._slots)
        found = []
        for platform, stage in sorted(self._changed):
            slots = self._slots[platform, stage]
            found.append(self._latency(platform, stage, slots, now_us))
            if stage == STAGES[0]:
                found.append(self._age(platform, slots, now_us))
        self._changed.clear()
        return found

    def _latency(self, platform: str, stage: Stage, slots: _Slots, now_us: int) -> Finding:
        settings = self._settings
        begin = now_us - (settings.alert_latency_minutes + 1) * MINUTE_US
        records = [
            record for slot, parts in slots.items() if slot > begin for record in parts.values()
        ]
        ticks = sum(record.count for record in records)
        p99 = quantile_us(records, 0.99) if ticks >= settings.alert_latency_ticks else None
        threshold = settings.latency_ms(stage)
        value = None if p99 is None else Decimal(p99) / 1000
        shown = "can't be told from so few ticks" if value is None else f"is {text(value)} ms"
        return Finding(
            rule="latency",
            subject=f"{platform}/{stage}",
            at_us=now_us,
            level="off" if value is None else level_of(value, threshold, settings),
            severity="medium" if value is None else severity_by_ratio(value, threshold),
            message=f"p99 of {platform} {stage} {shown}",
            value=value,
            threshold=threshold,
            unit="ms",
            platform=platform,
            hold_us=us(settings.alert_latency_seconds),
            change=threshold * settings.alert_change_ratio,
        )

    def _age(self, platform: str, slots: _Slots, now_us: int) -> Finding:
        """Look at the shortest latency of each minute that is over, the newest last.

        Not at ``floor_us``: of ten minutes, it begins to rise ten minutes after they did.
        """
        settings = self._settings
        lowest = [
            min(known)
            for slot, parts in sorted(slots.items())
            if slot <= now_us - MINUTE_US
            and (known := [one.min_us for one in parts.values() if one.min_us is not None])
        ][-settings.alert_age_slots - 1 :]
        threshold = Decimal(str(settings.alert_age_ms))
        rising = len(lowest) > settings.alert_age_slots and all(a < b for a, b in pairwise(lowest))
        rise = Decimal(lowest[-1] - lowest[0]) / 1000 if lowest else Decimal(0)
        still = len(lowest) > 1 and lowest[-1] > lowest[-2]
        return Finding(
            rule="age_growing",
            subject=platform,
            at_us=now_us,
            level="on" if rising and rise > threshold else "between" if still else "off",
            severity="high",
            message=f"ticks of {platform} grow older: by {text(rise)} ms in "
            f"{max(len(lowest) - 1, 0)} minutes; something reads too slowly",
            value=rise,
            threshold=threshold,
            unit="ms",
            platform=platform,
            change=threshold * settings.alert_change_ratio,
        )
