"""Spreads: the topic legs to where each pair stands.

A pair's legs lie in one partition, so one worker has all that it needs, from the partition's
beginning. A spread is published when something of it changed, at most once per ``interval`` a pair:
what came meanwhile is published when time passes, and only as it is then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from agents.legs import SchemaOf, read
from agents.pair_state import PairState
from agents.processor import Outgoing, Place
from agents.spread_metrics import HELD_BACK, PAIRS, PUBLISHED, UNUSABLE_LEGS, UNUSABLE_REASONS
from agents.transport import Batch
from schemas.legupdate import LegUpdate
from schemas.pair import Pair
from schemas.spread import Spread
from schemas.topics import LEGS, SPREADS

QUIET_US = 3_000_000
"""A partition that is being caught up with and brings nothing for this long has no more."""
AHEAD_US = 5_000_000
"""How far a batch's own time may run ahead of the last passing of time."""


@dataclass(slots=True)
class _Kept:
    """A pair that this worker has. Times are UTC microseconds."""

    state: PairState
    place: Place
    changed: bool = True
    until: int | None = None
    last: Spread | None = None


class Spreads:
    """The topic legs to spreads."""

    name = "spreads"
    topics: tuple[str, ...] = (LEGS.name,)
    rebuilt = True

    def __init__(
        self, pairs: Iterable[Pair], schema_of: SchemaOf, interval_us: int = 250_000
    ) -> None:
        self._pairs = {pair.id: pair for pair in pairs}
        self._schema_of = schema_of
        self._interval = interval_us
        self._kept: dict[str, _Kept] = {}
        self._catching_up: dict[Place, int] = {}  # since when it brings nothing, 0: just did
        self._now = 0  # when time last passed

    def process(self, batch: Batch, *, live: bool) -> list[Outgoing]:
        """Take one batch; return the spreads that it changed and that are due."""
        place = (batch.topic, batch.partition)
        touched: dict[str, _Kept] = {}
        for record in batch.records:
            update = read("legupdate", record.value, self._schema_of, self.name)
            if not isinstance(update, LegUpdate) or update.pair_id not in self._pairs:
                continue
            kept = self._kept.get(update.pair_id)
            if kept is None:
                kept = _Kept(PairState(self._pairs[update.pair_id]), place)
                self._kept[update.pair_id] = kept
            kept.place = place
            if kept.state.apply(update):
                kept.changed = True
                touched[update.pair_id] = kept
        if not live:
            self._catching_up[place] = 0
            return []
        self._catching_up.pop(place, None)
        if not self._now:
            return []  # nobody said what time it is
        now = self._time_of(batch)
        due = {key: kept for key, kept in touched.items() if self._is_due(kept, now)}
        HELD_BACK.inc(len(touched) - len(due))
        return self._evaluate(due, now)

    def pass_time(self, now_us: int) -> list[Outgoing]:
        """Return the spreads that wait, or that time alone changed."""
        self._now = now_us
        for place, since in list(self._catching_up.items()):
            if not since:
                self._catching_up[place] = now_us
            elif now_us - since >= QUIET_US:
                del self._catching_up[place]
        due = {
            pair_id: kept
            for pair_id, kept in self._kept.items()
            if kept.place not in self._catching_up and self._is_due(kept, now_us)
        }
        found = self._evaluate(due, now_us)
        self._show()
        return found

    def revoked(self, places: Collection[Place]) -> None:
        """Forget the pairs of these partitions."""
        gone = set(places)
        self._kept = {key: kept for key, kept in self._kept.items() if kept.place not in gone}
        for place in gone:
            self._catching_up.pop(place, None)

    def _time_of(self, batch: Batch) -> int:
        """Return when the batch's last record was appended, as far as that can be."""
        appended = max(int(record.timestamp) for record in batch.records) * 1000
        return min(max(self._now, appended), self._now + AHEAD_US)

    def _is_due(self, kept: _Kept, now_us: int) -> bool:
        if kept.last is not None and 0 <= now_us - kept.last.ts < self._interval:
            return False
        return kept.changed or (kept.until is not None and now_us >= kept.until)

    def _evaluate(self, due: Mapping[str, _Kept], now_us: int) -> list[Outgoing]:
        found: list[Outgoing] = []
        for pair_id, kept in due.items():
            spread, kept.until = kept.state.spread(now_us)
            kept.changed = False
            if kept.last is not None and replace(spread, ts=kept.last.ts) == kept.last:
                continue
            kept.last = spread
            PUBLISHED.labels(pair_id).inc()
            found.append(Outgoing(SPREADS.name, pair_id, spread))
        return found

    def _show(self) -> None:
        PAIRS.set(len(self._kept))
        reasons = Counter(
            leg.unusable
            for kept in self._kept.values()
            if kept.last is not None
            for leg in kept.last.legs
            if leg.unusable is not None
        )
        for reason in (*UNUSABLE_REASONS, *reasons):
            UNUSABLE_LEGS.labels(reason).set(reasons[reason])
