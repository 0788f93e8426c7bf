"""Pairs over the simulated venues' questions, with the ids that they have under a seed. Pure."""

from __future__ import annotations

import json
import random
import string
from typing import Any

from echoarb.simulators.market import QUESTIONS
from echoarb.simulators.polymarket.market import digits, hexadecimal

THROUGH_NO = "harbour-bridge"
"""The question whose Polymarket leg is the outcome No, so that an inverse leg is seen at work."""


def document(seed: int) -> str:
    """Return the pair file, as JSON text, of simulated venues that were given this seed."""
    pairs = [_pair(slug, title, seed) for slug, title in QUESTIONS]
    file = {"$schema": "../schemas/pairs.schema.json", "pairs": pairs}
    return json.dumps(file, indent=2) + "\n"


def _pair(slug: str, title: str, seed: int) -> dict[str, Any]:
    through_no = slug == THROUGH_NO
    ticker = f"KX{slug.replace('-', '').upper()}-29DEC31-Y"
    letters = random.Random(f"{seed}/manifold/{slug}")
    contract = "".join(letters.choices(string.ascii_letters + string.digits, k=10))
    return {
        "id": slug,
        "description": title,
        "legs": [
            {
                "platform": "kalshi",
                "outcomes": [{"market_id": ticker, "outcome_id": ticker}],
                "fee": {"type": "quadratic", "rate": 1, "at": "2026-09-01"},
            },
            {
                "platform": "polymarket",
                "outcomes": [
                    {
                        "market_id": hexadecimal("condition", seed, slug),
                        "outcome_id": digits("no" if through_no else "yes", seed, slug),
                    }
                ],
                **({"transform": "inverse"} if through_no else {}),
            },
            {
                "platform": "manifold",
                "outcomes": [{"market_id": contract, "outcome_id": contract}],
            },
        ],
        "resolution": "Simulated: the venues draw on one belief and never settle it.",
    }
