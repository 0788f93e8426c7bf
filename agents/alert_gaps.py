"""Gap records to findings: gaps open for long, many gaps, crossed books, silent platforms. Pure.

Each market in trouble gets a finding of its own, until there are too many of one platform: those
that come then have one in common, whose subject is the platform.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal
from uuid import UUID

from agents.alert_rules import Finding, Level, seconds, text
from agents.alert_settings import AlertSettings, us
from schemas.alert import Alert, Severity
from schemas.gap import Gap

Rule = Literal["gap", "crossed_book"]


@dataclass(slots=True)
class _Platform:
    """Gaps of one platform; market None is all of it."""

    open: dict[str | None, dict[UUID, int]] = field(default_factory=lambda: defaultdict(dict))
    """Since when, UTC microseconds, by market and gap."""
    silent: dict[UUID, int] = field(default_factory=dict)
    """Open gaps of the whole platform for silence or a lost connection."""
    recent: dict[str | None, dict[UUID, int]] = field(default_factory=lambda: defaultdict(dict))
    """When gaps were first told, the oldest first, by market."""
    crossed: dict[str, set[UUID]] = field(default_factory=lambda: defaultdict(set))
    named: dict[Rule, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Markets with a finding of their own."""
    crowd: dict[Rule, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Markets whose trouble the platform's finding tells."""
    told: dict[Rule, set[str | None]] = field(default_factory=lambda: defaultdict(set))
    """Subjects whose last finding was not off."""


class GapWatch:
    """What the topic gaps says."""

    def __init__(self, settings: AlertSettings) -> None:
        self._settings = settings
        self._platforms: dict[str, _Platform] = defaultdict(_Platform)

    def take(self, gap: Gap, appended_us: int) -> list[Finding]:
        """Take one record; return what it says of crossed books, which may be over at once."""
        kept = self._platforms[gap.platform]
        if gap.reason == "startup":
            return self._started(gap.platform, kept, gap.to_ts, appended_us)
        if gap.gap_id not in kept.open.get(gap.market_id, ()):
            kept.recent[gap.market_id].setdefault(gap.gap_id, appended_us)
            self._forget_old(kept, gap.market_id, appended_us)
        since = gap.from_ts if gap.from_ts is not None else appended_us
        if gap.to_ts is None:
            kept.open[gap.market_id].setdefault(gap.gap_id, min(since, appended_us))
            if gap.market_id is None and gap.reason in ("silence", "disconnect"):
                kept.silent.setdefault(gap.gap_id, min(since, appended_us))
        else:
            _discard(kept, gap.market_id, gap.gap_id)
        if gap.reason != "crossed_book" or gap.market_id is None:
            return []
        kept.crossed[gap.market_id].add(gap.gap_id)
        found = self._crossed(gap.platform, kept, appended_us)
        if gap.to_ts is not None:
            kept.crossed[gap.market_id].discard(gap.gap_id)
            if not kept.crossed[gap.market_id]:
                del kept.crossed[gap.market_id]
            found += self._crossed(gap.platform, kept, appended_us)
        return found

    def findings(self, now_us: int, open_alerts: Iterable[Alert]) -> list[Finding]:
        """Return how every platform and market in trouble stands, and those that were or have an
        open alert."""
        for alert in open_alerts:
            if alert.platform is not None and alert.rule in ("gap", "crossed_book"):
                rule: Rule = "gap" if alert.rule == "gap" else "crossed_book"
                self._platforms[alert.platform].told[rule].add(alert.market_id)
        found: list[Finding] = []
        for platform, kept in self._platforms.items():
            found += self._troubles(platform, kept, now_us)
            found += self._crossed(platform, kept, now_us)
        return found

    def silent(self) -> dict[str, int]:
        """Return since when each platform is silent or cut off as a whole, UTC microseconds."""
        return {
            platform: min(kept.silent.values())
            for platform, kept in self._platforms.items()
            if kept.silent
        }

    def _started(
        self, platform: str, kept: _Platform, started_us: int | None, appended_us: int
    ) -> list[Finding]:
        """Forget what an earlier process of the connector left open: the new one says it anew."""
        limit = started_us if started_us is not None else appended_us
        for market, gaps in list(kept.open.items()):
            for gap_id, since in list(gaps.items()):
                if since < limit:
                    _discard(kept, market, gap_id)
        kept.crossed.clear()
        return self._crossed(platform, kept, appended_us)

    def _troubles(self, platform: str, kept: _Platform, now_us: int) -> list[Finding]:
        """Return what the rule gap says."""
        settings = self._settings
        long = us(settings.alert_gap_seconds)
        for market in list(kept.recent):
            self._forget_old(kept, market, now_us)
        ages = {market: now_us - min(gaps.values()) for market, gaps in kept.open.items() if gaps}
        lasting = {market for market, age in ages.items() if age >= long}
        often = {
            market
            for market, recent in kept.recent.items()
            if len(recent) > settings.alert_gap_count
        }
        markets = {market for market in lasting | often if market is not None}
        own, crowd = self._crowd(kept, "gap", markets)
        whole = None in lasting | often
        on: set[str | None] = {*own, *((None,) if whole or crowd else ())}
        found, told = [], set(on)
        for market in sorted(on | kept.told["gap"], key=str):
            age, count = ages.get(market, 0), len(kept.recent.get(market, ()))
            level: Level = "on" if market in on else "off"
            if level == "off" and count > settings.alert_gap_count * settings.alert_clear_ratio:
                level = "between"
                told.add(market)
            if market is None and crowd and not whole:
                found.append(self._of_crowd(platform, "gap", len(markets), now_us))
            else:
                found.append(self._of_gaps(platform, market, age, count, level, now_us))
        kept.told["gap"] = told
        return found

    def _of_gaps(
        self, platform: str, market: str | None, age_us: int, count: int, level: Level, now_us: int
    ) -> Finding:
        settings = self._settings
        age, limit = seconds(age_us), Decimal(str(settings.alert_gap_seconds))
        lasting = age >= limit or level == "off"
        name = platform if market is None else f"{platform}:{market}"
        if lasting:
            state = f"can't be trusted for {text(age)} s" if age_us else "can be trusted again"
        else:
            state = f"had {count} gaps in {settings.alert_gap_minutes:g} minutes"
        return Finding(
            rule="gap",
            subject=name,
            # Since when it has been so, not when it was looked at.
            at_us=now_us - max(age_us - us(settings.alert_gap_seconds), 0) if lasting else now_us,
            level=level,
            severity="high" if market is None else "medium",
            message=f"{name} {state}",
            value=age if lasting else Decimal(count),
            threshold=limit if lasting else Decimal(settings.alert_gap_count),
            unit="s" if lasting else "gaps",
            platform=platform,
            market_id=market,
        )

    def _crossed(self, platform: str, kept: _Platform, at_us: int) -> list[Finding]:
        """Return what the rule crossed_book says."""
        markets = set(kept.crossed)
        own, crowd = self._crowd(kept, "crossed_book", markets)
        on: set[str | None] = {*own, *((None,) if crowd else ())}
        found = []
        for market in sorted(on | kept.told["crossed_book"], key=str):
            level: Level = "on" if market in on else "off"
            if market is None:
                found.append(
                    self._of_crowd(platform, "crossed_book", len(markets), at_us, level, "medium")
                )
                continue
            is_or_was = "is" if level == "on" else "was"
            found.append(
                Finding(
                    rule="crossed_book",
                    subject=f"{platform}:{market}",
                    at_us=at_us,
                    level=level,
                    severity="low",
                    message=f"the book of {platform}:{market} {is_or_was} crossed: bid at or above "
                    "ask",
                    platform=platform,
                    market_id=market,
                )
            )
        kept.told["crossed_book"] = on
        return found

    def _crowd(self, kept: _Platform, rule: Rule, markets: Set[str]) -> tuple[set[str], bool]:
        """Return the markets with a finding of their own, and whether the platform has one."""
        named, rest = kept.named[rule], kept.crowd[rule]
        named &= markets
        rest &= markets
        if len(markets) > self._settings.alert_gap_markets:
            rest |= markets - named
        # What came in a crowd stays one of it, or its end would raise an alert for each.
        named |= markets - rest
        return set(named), bool(rest)

    def _of_crowd(
        self,
        platform: str,
        rule: Rule,
        markets: int,
        at_us: int,
        level: Level = "on",
        severity: Severity = "high",
    ) -> Finding:
        limit = Decimal(self._settings.alert_gap_markets)
        what = "have crossed books" if rule == "crossed_book" else "can't be trusted"
        return Finding(
            rule=rule,
            subject=platform,
            at_us=at_us,
            level=level,
            severity=severity,
            message=f"{markets} markets of {platform} {what}",
            value=Decimal(markets),
            threshold=limit,
            unit="markets",
            platform=platform,
            change=max(limit, Decimal(markets) / 2),
        )

    def _forget_old(self, kept: _Platform, market: str | None, now_us: int) -> None:
        recent, begin = kept.recent[market], now_us - us(self._settings.alert_gap_minutes * 60)
        while recent and recent[oldest := next(iter(recent))] <= begin:
            del recent[oldest]
        if not recent:
            del kept.recent[market]


def _discard(kept: _Platform, market: str | None, gap_id: UUID) -> None:
    gaps = kept.open.get(market)
    if gaps is not None:
        gaps.pop(gap_id, None)
        if not gaps:
            del kept.open[market]
    kept.silent.pop(gap_id, None)
