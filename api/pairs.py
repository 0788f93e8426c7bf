"""The configured pairs, as the API's routes need them. Read once, when the process starts."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.pair import Pair


@dataclass(frozen=True, slots=True)
class Pairs:
    """The pairs by id, in the order of their file."""

    by_id: dict[str, Pair]

    @classmethod
    def of(cls, pairs: tuple[Pair, ...]) -> Pairs:
        """Return these pairs."""
        return cls({pair.id: pair for pair in pairs})

    def markets(self) -> list[tuple[str, str]]:
        """Return every platform and market id that a leg names, each once."""
        found = {
            (leg.platform, each.market_id): None
            for pair in self.by_id.values()
            for leg in pair.legs
            for each in leg.outcomes
        }
        return list(found)
