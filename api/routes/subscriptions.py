"""GET /api/v1/subscriptions: what this deployment records, and who listens."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import get
from litestar.di import NamedDependency

from api import cursor as cursors
from api import queries
from api.errors import answers
from api.feed import Feed
from api.formats import rows
from api.models import Live, PlatformTotals, RecordedMarket, Subscriptions
from api.parameters import Cursor, Limit, Platform, platform_of
from api.store import Store

_NEVER = "1970-01-01T00:00:00.000000Z"  # ClickHouse's maxIf over nothing


@get(
    "/api/v1/subscriptions",
    summary="What is recorded",
    description="Totals per platform, the recorded markets page by page, and the WebSocket "
    "clients of this process.",
    responses=answers(),
    tags=["status"],
)
async def subscriptions(
    store: NamedDependency[Store],
    feed: NamedDependency[Feed],
    platform: Platform = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Subscriptions:
    """Return totals and a page of recorded markets."""
    chosen = platform_of(platform)
    after = cursors.decode(cursors.MarketKey, cursor) if cursor else None
    platforms, recent, listed = await asyncio.gather(
        store.table(queries.recorded_platforms(chosen)),
        store.table(queries.recent_ticks()),
        store.table(queries.recorded_markets(chosen, after, limit + 1)),
    )
    ticks = {row["platform"]: row["ticks"] for row in rows(recent)}
    totals = [
        PlatformTotals(**row, recent_ticks=ticks.get(row["platform"], 0)) for row in rows(platforms)
    ]
    found = [_market(row) for row in rows(listed)]
    page = found[:limit]
    more = len(found) > limit
    last = page[-1] if more else None
    return Subscriptions(
        platforms=totals,
        data=page,
        next_cursor=cursors.encode(cursors.MarketKey(last.platform, last.market_id))
        if last
        else None,
        count=sum(each.markets for each in totals),
        live=Live(len(feed.hub.clients), feed.hub.subscriptions()),
    )


def _market(row: dict[str, Any]) -> RecordedMarket:
    quote, trade = (None if row[key] == _NEVER else row[key] for key in ("quote_ts", "trade_ts"))
    return RecordedMarket(row["platform"], row["market_id"], row["outcomes"], quote, trade)
