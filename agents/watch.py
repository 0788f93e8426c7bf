"""Which outcomes the configured pairs rest on, looked up by record keys. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from schemas.pair import Pair
from schemas.topics import ticks_topic


class Watch:
    """The markets and outcomes of the pairs."""

    def __init__(self, pairs: Iterable[Pair]) -> None:
        outcomes: dict[tuple[str, bytes], dict[str, list[tuple[str, str]]]] = {}
        markets: dict[bytes, set[str]] = defaultdict(set)
        platforms: dict[str, set[str]] = defaultdict(set)
        for pair in pairs:
            for leg in pair.legs:
                platforms[leg.platform].add(pair.id)
                for each in leg.chosen():
                    markets[f"{leg.platform}:{each.market_id}".encode()].add(pair.id)
                    place = (ticks_topic(leg.platform), each.market_id.encode())
                    watched = outcomes.setdefault(place, {}).setdefault(each.outcome_id, [])
                    watched.append((pair.id, leg.platform))
        self._outcomes = outcomes
        self._markets = {key: tuple(sorted(ids)) for key, ids in markets.items()}
        self._platforms = {
            f"{name}:*".encode(): tuple(sorted(ids)) for name, ids in platforms.items()
        }

    @property
    def platforms(self) -> set[str]:
        """The venues of the pairs."""
        return {key.decode().removesuffix(":*") for key in self._platforms}

    def outcomes(self, topic: str, key: bytes) -> dict[str, list[tuple[str, str]]] | None:
        """Return (pair, platform) by outcome id for the key of a tick; None if it isn't watched."""
        return self._outcomes.get((topic, key))

    def pairs(self, key: bytes) -> tuple[str, ...]:
        """Return the pairs that the key of a gap or market record concerns."""
        return self._markets.get(key) or self._platforms.get(key, ())
