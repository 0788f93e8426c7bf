"""Which stretches are open right now, per market: turns troubles and recoveries into Gaps."""

from __future__ import annotations

from dataclasses import replace

from schemas.gap import Gap, GapReason
from schemas.identity import event_id


def make_gap(
    platform: str,
    market_id: str | None,
    connection: str,
    reason: GapReason,
    from_us: int | None,
    *,
    to_us: int | None = None,
    missed: int | None = None,
    detail: str | None = None,
) -> Gap:
    """Return a Gap whose id depends on where and when it began, not on when it ended."""
    gap_id = event_id("gap", platform, market_id, connection, reason, from_us)
    return Gap(gap_id, platform, market_id, connection, reason, from_us, to_us, missed, detail)


class GapLedger:
    """At most one open gap per market (None: the whole platform). Pure: no clock, no I/O."""

    def __init__(self, platform: str) -> None:
        self.platform = platform
        self._open: dict[str | None, Gap] = {}

    def open(
        self,
        market_id: str | None,
        connection: str,
        reason: GapReason,
        from_us: int | None,
        *,
        missed: int | None = None,
        detail: str | None = None,
    ) -> list[Gap]:
        """Begin a gap and return it; nothing if the market already has one: the first trouble
        names the stretch, whatever else happens before it can be trusted again."""
        if market_id in self._open:
            return []
        gap = make_gap(
            self.platform, market_id, connection, reason, from_us, missed=missed, detail=detail
        )
        self._open[market_id] = gap
        return [gap]

    def close(self, market_id: str | None, to_us: int) -> list[Gap]:
        """End the market's open gap and return it complete; nothing if there is none."""
        gap = self._open.pop(market_id, None)
        return [] if gap is None else [replace(gap, to_ts=to_us)]

    def is_open(self, market_id: str | None) -> bool:
        """Whether the market has an open gap."""
        return market_id in self._open
