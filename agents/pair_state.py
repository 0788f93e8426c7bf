"""What is known of one pair's legs: a fold over LegUpdates, the newest of each key. Pure."""

from __future__ import annotations

from collections import defaultdict

from agents.edges import spread_of
from agents.leg_state import Known, leg_state
from agents.transforms import Quote
from schemas.legupdate import LegUpdate
from schemas.pair import Pair, PairOutcome
from schemas.spread import Spread


class PairState:
    """The state of one pair: what its topic said last of each thing, in any order."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self._outcomes: dict[tuple[str, str | None, str | None], PairOutcome] = {
            (leg.platform, each.market_id, each.outcome_id): each
            for leg in pair.legs
            for each in leg.chosen()
        }
        self._markets_of = {
            leg.platform: {each.market_id for each in leg.chosen()} for leg in pair.legs
        }
        self._quotes: dict[str, dict[PairOutcome, Quote]] = defaultdict(dict)
        self._markets: dict[str, dict[str, LegUpdate]] = defaultdict(dict)
        self._gaps: dict[str, dict[tuple[str | None, str | None], LegUpdate]] = defaultdict(dict)

    def apply(self, update: LegUpdate) -> bool:
        """Take an update; return whether it concerns the pair as it is configured now."""
        platform, market_id = update.platform, update.market_id
        if update.what == "quote":
            outcome = self._outcomes.get((platform, market_id, update.outcome_id))
            if outcome is not None:
                self._quotes[platform][outcome] = Quote(
                    update.bid, update.bid_size, update.ask, update.ask_size, update.ts
                )
            return outcome is not None
        ours = self._markets_of.get(platform, set())
        if not ours or (market_id is not None and market_id not in ours):
            return False
        if update.what == "gap":
            self._gaps[platform][market_id, update.reason] = update
        elif market_id is not None:
            self._markets[platform][market_id] = update
        return True

    def spread(self, now_us: int) -> tuple[Spread, int | None]:
        """Return where the pair stands at ``now_us``, and when time alone will change that."""
        legs = [leg_state(leg, self._known(leg.platform), now_us) for leg in self.pair.legs]
        moments = [leg.until for leg in legs if leg.until is not None]
        return spread_of(self.pair, legs, now_us), min(moments, default=None)

    def _known(self, platform: str) -> Known:
        gaps: dict[str | None, list[LegUpdate]] = defaultdict(list)
        for (market_id, _), gap in self._gaps[platform].items():
            gaps[market_id].append(gap)
        return Known(self._quotes[platform], self._markets[platform], gaps)
