"""What is wrong, or worth a look, in pairs, given the markets that were seen. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Literal

from echoarb.pairing.markets import Seen
from schemas.pair import Leg, Pair

FAR_APART = timedelta(days=2)
"""Markets of one question usually close together; further apart is worth a look."""


@dataclass(frozen=True, slots=True)
class Finding:
    """An error keeps a pair from working; a warning is for a person to weigh."""

    level: Literal["error", "warning"]
    pair: str
    where: str
    text: str

    def plain(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return asdict(self)


def unverified(pairs: Iterable[Pair]) -> list[Finding]:
    """Return what can be said without any market."""
    found = []
    for pair in pairs:
        if pair.verified is None:
            found.append(
                Finding(
                    "warning",
                    pair.id,
                    "verified",
                    "nobody has confirmed that the venues settle alike: its edges may be no edges",
                )
            )
        elif pair.resolution is None:
            found.append(Finding("warning", pair.id, "resolution", "doesn't say what was compared"))
    return found


def against(pairs: Iterable[Pair], markets: Iterable[Seen]) -> list[Finding]:
    """Return what the markets say of the pairs."""
    seen = {(each.platform, each.market_id): each for each in markets}
    return [finding for pair in pairs for finding in _pair(pair, seen)]


_Markets = dict[tuple[str, str], Seen]


def _pair(pair: Pair, seen: _Markets) -> Iterator[Finding]:
    closes = []
    for at, leg in enumerate(pair.legs):
        yield from _leg(pair, at, leg, seen)
        for each in leg.chosen():
            market = seen.get((leg.platform, each.market_id))
            if market is not None and market.close is not None:
                closes.append(market.close)
    if closes and max(closes) - min(closes) > FAR_APART:
        days = (max(closes) - min(closes)).days
        yield Finding("warning", pair.id, "legs", f"their markets close {days} days apart")


def _leg(pair: Pair, at: int, leg: Leg, seen: _Markets) -> Iterator[Finding]:
    for number, each in enumerate(leg.outcomes):
        where = f"legs[{at}].outcomes[{number}]"
        market = seen.get((leg.platform, each.market_id))
        if market is None:
            text = f"{leg.platform} market {each.market_id} was never seen: is the id right, and "
            yield Finding("error", pair.id, f"{where}.market_id", text + "does its connector run?")
            continue
        if each.outcome_id not in dict(market.outcomes):
            known = ", ".join(f"{key} ({label})" for key, label in market.outcomes[:20]) or "none"
            text = f"is no outcome of {each.market_id}; known: {known}"
            yield Finding("error", pair.id, f"{where}.outcome_id", text)
        if market.status in ("closed", "resolved"):
            text = f"{leg.platform} market {each.market_id} is {market.status}: remove the pair"
            yield Finding("error", pair.id, f"{where}.market_id", text)
        elif market.status != "open":
            text = f"{leg.platform} market {each.market_id} is {market.status}"
            yield Finding("warning", pair.id, f"{where}.market_id", text)
        if leg.platform != "manifold" and not market.fee_known and leg.fee is None:
            text = f"{leg.platform} doesn't say the market's fee: no edge is computed without fee"
            yield Finding("warning", pair.id, f"legs[{at}].fee", text)
