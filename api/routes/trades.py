"""GET /api/v1/trades: stored trades, filtered, in keyset order."""

from __future__ import annotations

from litestar import Response, get
from litestar.di import NamedDependency

from api import answer
from api import cursor as cursors
from api.answer import NOT_ACCEPTABLE, AnyRequest, Chosen, TableOperation
from api.errors import answers
from api.pages import read_ticks
from api.parameters import (
    Cursor,
    Limit,
    Market,
    Order,
    Outcome,
    Platform,
    Since,
    Until,
    instant,
    platform_of,
)
from api.price_models import Trade, TradePage
from api.queries import TickFilter
from api.store import Store


@get(
    "/api/v1/trades",
    summary="Trades",
    description="Trades by ingest time, each stored record once: the ticks of kind trade, without "
    "what only quotes have.",
    responses={**answers(TradePage), **NOT_ACCEPTABLE},
    operation_class=TableOperation,
    tags=["history"],
)
async def trades(
    request: AnyRequest,
    store: NamedDependency[Store],
    platform: Platform = None,
    market: Market = None,
    outcome: Outcome = None,
    since: Since = None,
    until: Until = None,
    order: Order = "desc",
    limit: Limit = 100,
    cursor: Cursor = None,
    format: Chosen = None,
) -> Response[bytes]:
    """Return a page of trades."""
    form = answer.form_of(request, format)
    chosen = TickFilter(
        platform=platform_of(platform),
        market=market,
        outcome=outcome,
        kind="trade",
        since=instant("since", since),
        until=instant("until", until),
        order=order,
    )
    after = cursors.decode(cursors.TickKey, cursor) if cursor else None
    table, next_key = await read_ticks(store, chosen, after, limit)
    next_cursor = cursors.encode(next_key) if next_key else None
    shown = table.select(list(Trade.__struct_fields__))
    return await answer.page(request, form, shown, next_cursor)
