"""POST /api/v1/debug/tick: a tick by hand, to see it pass. Only there in development.

Such a tick is real in every way but one: its market is called ``debug:<contract>``, so no pair, no
candle and no latest state of a venue's market can take it for one of the venue's.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated

from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody, Parameter
from msgspec import Meta, Struct

from api.answer import OptionalBody
from api.errors import InvalidParameter, answers
from api.publish import Publisher
from schemas.clock import isoformat, now_us
from schemas.identity import event_id
from schemas.tick import Tick
from schemas.topics import PLATFORMS, TOPICS, ticks_topic

PREFIX = "debug:"
Source = Annotated[
    str | None, Parameter(description="Platform, in any case", min_length=1, max_length=32)
]
Contract = Annotated[
    str | None, Parameter(description="What the market is called", min_length=1, max_length=200)
]
Price = Annotated[
    str | None, Parameter(description="0 to 1, at most 8 places", min_length=1, max_length=20)
]


class DebugTick(Struct, forbid_unknown_fields=True):
    """A tick to be made; ``price`` may be a text, which is exact, or a number."""

    source: Annotated[str, Meta(min_length=1, max_length=32, examples=["KALSHI"])]
    contract_id: Annotated[str, Meta(min_length=1, max_length=200, examples=["TEST"])]
    price: Annotated[str, Meta(max_length=20, examples=["0.42"])] | float | int


class DebugAnswer(Struct):
    """The tick that was published."""

    success: bool
    source: str
    contract_id: str
    market_id: str
    price: str
    timestamp: str


@post(
    ["/api/v1/debug/tick", "/api/v1/debug/update_price"],
    status_code=200,
    summary="Publish a tick by hand",
    description="A trade of market debug:<contract_id>, by query parameters or as JSON. "
    "update_price is its older name.",
    responses=answers(),
    operation_class=OptionalBody,
    tags=["debug"],
)
async def debug_tick(
    publisher: NamedDependency[Publisher],
    source: Source = None,
    contract_id: Contract = None,
    price: Price = None,
    data: JSONBody[DebugTick | None] = None,
) -> DebugAnswer:
    """Publish a tick and return it. Raises InvalidParameter, Transient."""
    asked = {"source": source, "contract_id": contract_id, "price": price}
    if data is not None:
        for name, value in asked.items():
            if value is not None:
                raise InvalidParameter(name, "is in the body already")
        asked = {
            "source": data.source,
            "contract_id": data.contract_id,
            "price": str(data.price),
        }
    for name, value in asked.items():
        if value is None:
            raise InvalidParameter(name, "has to be given")
    platform, contract = str(asked["source"]).lower(), str(asked["contract_id"])
    if platform not in PLATFORMS:
        raise InvalidParameter("source", f"has to be one of {', '.join(PLATFORMS)}")
    worth = _price(str(asked["price"]))
    now, market = now_us(), PREFIX + contract
    tick = Tick(
        ingest_ts=now,
        emit_ts=now,
        source_ts=now,
        platform=platform,
        market_id=market,
        outcome_id=market,
        outcome=None,
        kind="trade",
        price=worth,
        size=None,
        bid=None,
        bid_size=None,
        ask=None,
        ask_size=None,
        side=None,
        volume=None,
        open_interest=None,
        sequence=None,
        tick_id=event_id("debug", platform, market, now),
    )
    await publisher.publish(TOPICS[ticks_topic(platform)], market, tick)
    return DebugAnswer(
        success=True,
        source=platform.upper(),
        contract_id=contract,
        market_id=market,
        price=f"{worth.normalize():f}",
        timestamp=isoformat(now),
    )


def _price(text: str) -> Decimal:
    """Raises InvalidParameter."""
    try:
        price = Decimal(text)
    except InvalidOperation:
        price = Decimal(-1)
    places = price.as_tuple().exponent
    if not price.is_finite() or not 0 <= price <= 1 or not isinstance(places, int) or places < -8:
        raise InvalidParameter("price", "has to be a number from 0 to 1 of at most 8 places")
    return price
