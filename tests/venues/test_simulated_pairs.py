"""The pairs that come along for the simulated venues name markets that those have."""

from __future__ import annotations

from pathlib import Path

import pytest

from echoarb.simulators.kalshi import Simulator as Kalshi
from echoarb.simulators.manifold import Simulator as Manifold
from echoarb.simulators.pairs import document
from echoarb.simulators.polymarket import Simulator as Polymarket
from schemas.pairs import parse_pairs

ROOT = Path(__file__).resolve().parents[2]
VENUES = {"kalshi": Kalshi, "polymarket": Polymarket, "manifold": Manifold}


@pytest.mark.parametrize("seed", [1, 7])
def test_every_leg_is_a_book_of_its_venue(seed: int) -> None:
    books = {
        (platform, book["market_id"], book["outcome_id"])
        for platform, simulator in VENUES.items()
        for book in simulator(seed=seed).books()
    }
    pairs = parse_pairs(document(seed).encode())
    legs = {
        (leg.platform, each.market_id, each.outcome_id)
        for pair in pairs
        for leg in pair.legs
        for each in leg.outcomes
    }
    assert len(pairs) == 8
    assert len(legs) == 24
    assert legs <= books


def test_the_committed_file_is_that_of_the_usual_seed() -> None:
    assert (ROOT / "config" / "market_pairs.simulated.json").read_text() == document(1)
