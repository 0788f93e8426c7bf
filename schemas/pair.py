"""Pair: which outcomes of which venues ask the same question. The shape of the pair file.

Whether two outcomes settle alike is for a person to say: ``verified`` names who said so, and
``resolution`` what was compared. What a leg's outcomes become is its transform:

identity          the one outcome
inverse           one less the one outcome
sum               all outcomes, of which at most one pays
sum_above         the outcomes whose strike is the threshold or above it; a strike is the lower
                  bound of the range for which the outcome pays
sum_below         the outcomes whose strike is below the threshold: the rest of sum_above
weighted_average  all outcomes by their weights, for several that ask the same

Polarity ``opposite`` then takes the result from one: the leg's YES is the pair's NO.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from schemas.topics import PLATFORMS

Transform = Literal["identity", "sum", "inverse", "sum_above", "sum_below", "weighted_average"]
Polarity = Literal["same", "opposite"]

MAX_PAIRS = 2000
MAX_OUTCOMES = 100
"""Bounds of a file's pairs and of a leg's outcomes."""

PairId = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="Letters, digits, dots, dashes and underscores; part of URLs and record keys",
    ),
]
Text = Annotated[str, Meta(min_length=1, max_length=2000)]
Short = Annotated[str, Meta(min_length=1, max_length=256)]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base: unknown fields are mistakes."""


class Verified(_Part, frozen=True):
    """Who confirmed that the legs settle alike, and when (a date)."""

    by: Short
    at: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$", examples=["2026-11-25"])]


class ReviewedFee(_Part, frozen=True):
    """What the venue's fee schedule said, for a venue whose market records don't say it."""

    type: Short
    rate: Decimal
    at: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$", description="When it was read")]


class PairOutcome(_Part, frozen=True):
    """One outcome, by the ids of its ticks."""

    market_id: Short
    outcome_id: Short
    weight: Decimal | None = None
    strike: Decimal | None = None


class Leg(_Part, frozen=True):
    """One venue's side of a pair."""

    platform: Annotated[str, Meta(extra_json_schema={"enum": list(PLATFORMS)})]
    outcomes: Annotated[tuple[PairOutcome, ...], Meta(min_length=1, max_length=MAX_OUTCOMES)]
    transform: Transform = "identity"
    polarity: Polarity = "same"
    threshold: Decimal | None = None
    max_age_seconds: Annotated[
        int, Meta(ge=1, le=30 * 86_400, description="Age at which a quote counts no more")
    ] = 900
    fee: ReviewedFee | None = None

    def chosen(self) -> tuple[PairOutcome, ...]:
        """Return the outcomes that the transform takes."""
        at = self.threshold
        if self.transform == "sum_above":
            return tuple(each for each in self.outcomes if _strike(each) >= _known(at))
        if self.transform == "sum_below":
            return tuple(each for each in self.outcomes if _strike(each) < _known(at))
        return self.outcomes


class Pair(_Part, frozen=True):
    """One question as several venues ask it."""

    id: PairId
    description: Text
    legs: Annotated[tuple[Leg, ...], Meta(min_length=2, max_length=len(PLATFORMS))]
    alert_threshold: Annotated[
        Decimal, Meta(description="Difference of mids that raises an alert, 0..1")
    ] = Decimal("0.05")
    resolution: Annotated[
        str | None, Meta(description="How the venues' rules of resolution compare")
    ] = None
    verified: Verified | None = None


class PairFile(_Part, frozen=True):
    """The file; $schema may name this schema, for editors."""

    pairs: Annotated[tuple[Pair, ...], Meta(max_length=MAX_PAIRS)]
    schema: str | None = msgspec.field(name="$schema", default=None)


def _strike(outcome: PairOutcome) -> Decimal:
    return _known(outcome.strike)


def _known(value: Decimal | None) -> Decimal:
    assert value is not None  # pair_rules.py saw to it
    return value


def json_schema() -> str:
    """Return the text of pairs.schema.json: decimals are numbers, or texts that hold one."""
    schema = msgspec.json.schema(PairFile)

    def plain(node: Any) -> Any:
        if isinstance(node, list):
            return [plain(each) for each in node]
        if not isinstance(node, dict):
            return node
        if node.get("format") == "decimal":
            kept = {key: value for key, value in node.items() if key != "format"}
            return kept | {"type": ["number", "string"]}
        return {key: plain(value) for key, value in node.items()}

    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Market pairs"}
    return json.dumps(dialect | plain(schema), indent=2) + "\n"
