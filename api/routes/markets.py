"""GET /api/v1/markets: what the venues last said of their markets."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import Parameter

from api import cursor as cursors
from api import queries
from api.errors import answers
from api.formats import listing
from api.models import MarketPage
from api.parameters import Cursor, Limit, Market, Platform, Search, platform_of
from api.queries import MarketFilter
from api.store import Store

Status = Annotated[
    Literal["unknown", "upcoming", "open", "paused", "closed", "resolved"] | None,
    Parameter(description="The venue's status in common words"),
]
Event = Annotated[
    str | None, Parameter(description="The venue's event id", min_length=1, max_length=256)
]


@get(
    "/api/v1/markets",
    summary="Markets",
    description="Markets in alphabetical order of platform and market id.",
    responses=answers(MarketPage),
    tags=["history"],
)
async def markets(
    store: NamedDependency[Store],
    platform: Platform = None,
    market: Market = None,
    event: Event = None,
    status: Status = None,
    search: Search = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response[bytes]:
    """Return a page of markets."""
    after = cursors.decode(cursors.MarketKey, cursor) if cursor else None
    chosen = MarketFilter(platform_of(platform), market, event, status, search)
    table = await store.table(queries.markets(chosen, after, limit + 1))
    content = await asyncio.to_thread(
        listing,
        table,
        limit,
        lambda row: cursors.encode(cursors.MarketKey(row["platform"], row["market_id"])),
    )
    return Response(content, media_type="application/json")
