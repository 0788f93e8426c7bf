"""A spread as JSON: the older system's fields by their names, then ours. One shape for REST and
WebSocket; the document calls it Spread."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from msgspec import Meta, Struct

from api.formats import decimal_text
from api.models import Amount, Instant
from schemas.clock import isoformat
from schemas.spread import Spread as SpreadRecord
from schemas.spread import SpreadEdge, SpreadLeg


class Leg(Struct):
    """One venue's side of a pair, after its transform."""

    platform: str
    probability: Annotated[Amount | None, Meta(description="Mid; null if it can't be told")]
    bid: Annotated[Amount | None, Meta(description="What selling the pair's YES brings")]
    bid_size: Amount | None
    ask: Annotated[Amount | None, Meta(description="What buying the pair's YES costs")]
    ask_size: Amount | None
    quote_ts: Instant | None
    unusable: Annotated[
        str | None,
        Meta(
            description="Why the leg takes no part: closed, no_quote, untrusted, stale, "
            "one_sided, out_of_range",
            examples=[None],
        ),
    ]


class Edge(Struct):
    """The better direction between two venues, after fees."""

    buy: Annotated[str, Meta(description="Where YES is bought", examples=["kalshi"])]
    sell: Annotated[str, Meta(description="Where YES is sold", examples=["polymarket"])]
    difference: Annotated[Amount | None, Meta(description="Absolute difference of the mids")]
    edge: Annotated[
        Amount | None,
        Meta(description="Bid at sell less ask at buy less both taker fees, per contract"),
    ]
    fee_buy: Annotated[Amount | None, Meta(description="null: not known")]
    fee_sell: Annotated[Amount | None, Meta(description="null: not known")]
    size: Annotated[Amount | None, Meta(description="Contracts for which edge holds")]
    play_money: Annotated[bool, Meta(description="Whether a venue pays no real money")]


class Spread(Struct):
    """Where the venues of one pair stand."""

    pair_id: Annotated[str, Meta(examples=["rate-cut"])]
    description: str
    kalshi_prob: Amount | None
    poly_prob: Amount | None
    manifold_prob: Amount | None
    kalshi_poly_spread: Amount | None
    kalshi_manifold_spread: Amount | None
    poly_manifold_spread: Amount | None
    max_spread: Amount | None
    max_spread_pair: Annotated[str | None, Meta(examples=["KALSHI-POLYMARKET"])]
    timestamp: Instant
    data_completeness: Annotated[
        Amount, Meta(description="Legs that take part, of those the pair has: 0..1")
    ]
    verified: Annotated[
        bool, Meta(description="Whether somebody confirmed that the venues settle alike")
    ]
    threshold: Annotated[Amount, Meta(description="Difference that raises an alert")]
    best_edge: Annotated[Amount | None, Meta(description="Largest edge between real-money venues")]
    best_edge_pair: Annotated[
        str | None, Meta(description="Bought-sold", examples=["KALSHI-POLYMARKET"])
    ]
    legs: list[Leg]
    edges: list[Edge]


def view(spread: SpreadRecord) -> Spread:
    """Return the record as clients see it."""
    probabilities = {leg.platform: leg.probability for leg in spread.legs}
    differences = {frozenset((edge.buy, edge.sell)): edge.difference for edge in spread.edges}

    def between(one: str, other: str) -> str | None:
        return _amount(differences.get(frozenset((one, other))))

    return Spread(
        pair_id=spread.pair_id,
        description=spread.description,
        kalshi_prob=_amount(probabilities.get("kalshi")),
        poly_prob=_amount(probabilities.get("polymarket")),
        manifold_prob=_amount(probabilities.get("manifold")),
        kalshi_poly_spread=between("kalshi", "polymarket"),
        kalshi_manifold_spread=between("kalshi", "manifold"),
        poly_manifold_spread=between("polymarket", "manifold"),
        max_spread=_amount(spread.max_spread),
        max_spread_pair=spread.max_spread_pair,
        timestamp=isoformat(spread.ts),
        data_completeness=decimal_text(spread.completeness),
        verified=spread.verified,
        threshold=decimal_text(spread.threshold),
        best_edge=_amount(spread.best_edge),
        best_edge_pair=spread.best_edge_pair,
        legs=[_leg(leg) for leg in spread.legs],
        edges=[_edge(edge) for edge in spread.edges],
    )


def record_of(row: dict[str, Any]) -> SpreadRecord:
    """Return the record in a row of the table spreads, as Arrow gives its values."""
    return SpreadRecord(
        ts=micros(row["ts"]),
        pair_id=row["pair_id"],
        description=row["description"],
        verified=bool(row["verified"]),
        legs=tuple(
            SpreadLeg(**{**leg, "quote_ts": leg["quote_ts"] and micros(leg["quote_ts"])})
            for leg in row["legs"]
        ),
        edges=tuple(SpreadEdge(**edge) for edge in row["edges"]),
        max_spread=row["max_spread"],
        max_spread_pair=row["max_spread_pair"],
        best_edge=row["best_edge"],
        best_edge_pair=row["best_edge_pair"],
        completeness=row["completeness"],
        threshold=row["threshold"],
    )


def _leg(leg: SpreadLeg) -> Leg:
    return Leg(
        platform=leg.platform,
        probability=_amount(leg.probability),
        bid=_amount(leg.bid),
        bid_size=_amount(leg.bid_size),
        ask=_amount(leg.ask),
        ask_size=_amount(leg.ask_size),
        quote_ts=None if leg.quote_ts is None else isoformat(leg.quote_ts),
        unusable=leg.unusable,
    )


def _edge(edge: SpreadEdge) -> Edge:
    return Edge(
        buy=edge.buy,
        sell=edge.sell,
        difference=_amount(edge.difference),
        edge=_amount(edge.edge),
        fee_buy=_amount(edge.fee_buy),
        fee_sell=_amount(edge.fee_sell),
        size=_amount(edge.size),
        play_money=edge.play_money,
    )


def _amount(value: Decimal | None) -> str | None:
    return None if value is None else decimal_text(value)


def micros(moment: datetime) -> int:
    """Return UTC microseconds of an aware datetime, exactly."""
    return int(moment.replace(microsecond=0).timestamp()) * 1_000_000 + moment.microsecond
