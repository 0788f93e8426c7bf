"""GET /api/v1/pairs: which outcomes of which venues are taken to ask the same question."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from litestar import get
from litestar.di import NamedDependency
from msgspec import Meta, Struct

from api import spread_queries as queries
from api.errors import answers
from api.formats import decimal_text, rows
from api.models import Amount
from api.pairs import Pairs
from api.store import Store
from schemas.pair import Leg, Pair, PairOutcome


class PairOutcomeView(Struct):
    """One outcome of a leg, and what the venue last said of its market, if anything."""

    market_id: str
    outcome_id: str
    weight: Amount | None
    strike: Amount | None
    taken: Annotated[bool, Meta(description="Whether the transform takes it")]
    title: str | None
    slug: str | None
    status: str | None


class PairLegView(Struct):
    """One venue's side of a pair."""

    platform: str
    transform: str
    polarity: str
    threshold: Amount | None
    max_age_seconds: int
    outcomes: list[PairOutcomeView]


class VerifiedView(Struct):
    """Who confirmed that the venues settle alike, and when."""

    by: str
    at: str


class PairView(Struct):
    """A configured pair: the older system's fields, then its legs."""

    id: str
    description: str
    kalshi_tickers: list[str]
    poly_token_id: str | None
    manifold_slug: Annotated[
        str | None, Meta(description="null until the market was seen by its connector")
    ]
    alert_threshold: Amount
    resolution: str | None
    verified: VerifiedView | None
    legs: list[PairLegView]


class PairList(Struct):
    """Every configured pair."""

    pairs: list[PairView]
    count: int


@get(
    "/api/v1/pairs",
    summary="Configured pairs",
    description="The pairs of the pair file (ECHOARB_MARKET_PAIRS), read when the API started.",
    responses=answers(),
    tags=["spreads"],
)
async def pairs(store: NamedDependency[Store], pairs: NamedDependency[Pairs]) -> PairList:
    """Return every pair."""
    seen: dict[tuple[str, str], dict[str, Any]] = {}
    if places := pairs.markets():
        found = rows(await store.table(queries.pair_markets(places)))
        seen = {(row["platform"], row["market_id"]): row for row in found}
    views = [_pair(pair, seen) for pair in pairs.by_id.values()]
    return PairList(views, len(views))


_Seen = dict[tuple[str, str], dict[str, Any]]


def _pair(pair: Pair, seen: _Seen) -> PairView:
    legs = {leg.platform: leg for leg in pair.legs}
    kalshi, poly, manifold = (legs.get(name) for name in ("kalshi", "polymarket", "manifold"))
    slugs = [seen.get(("manifold", each.market_id), {}).get("slug") for each in _taken(manifold)]
    return PairView(
        id=pair.id,
        description=pair.description,
        kalshi_tickers=[each.market_id for each in _taken(kalshi)],
        poly_token_id=next((each.outcome_id for each in _taken(poly)), None),
        manifold_slug=next(iter(slugs), None),
        alert_threshold=decimal_text(pair.alert_threshold),
        resolution=pair.resolution,
        verified=VerifiedView(pair.verified.by, pair.verified.at) if pair.verified else None,
        legs=[_leg(leg, seen) for leg in pair.legs],
    )


def _taken(leg: Leg | None) -> tuple[PairOutcome, ...]:
    return () if leg is None else leg.chosen()


def _leg(leg: Leg, seen: _Seen) -> PairLegView:
    taken = set(leg.chosen())
    return PairLegView(
        platform=leg.platform,
        transform=leg.transform,
        polarity=leg.polarity,
        threshold=_amount(leg.threshold),
        max_age_seconds=leg.max_age_seconds,
        outcomes=[
            PairOutcomeView(
                market_id=each.market_id,
                outcome_id=each.outcome_id,
                weight=_amount(each.weight),
                strike=_amount(each.strike),
                taken=each in taken,
                **{
                    name: seen.get((leg.platform, each.market_id), {}).get(name)
                    for name in ("title", "slug", "status")
                },
            )
            for each in leg.outcomes
        ],
    )


def _amount(value: Decimal | None) -> str | None:
    return None if value is None else decimal_text(value)
