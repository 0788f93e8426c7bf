"""GET /api/v1/ticks: stored ticks, filtered, in keyset order."""

from __future__ import annotations

from litestar import Response, get
from litestar.di import NamedDependency

from api import answer
from api import cursor as cursors
from api.answer import NOT_ACCEPTABLE, AnyRequest, Chosen, TableOperation
from api.errors import answers
from api.models import TickPage
from api.pages import read_ticks
from api.parameters import (
    Cursor,
    Kind,
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
from api.queries import TickFilter
from api.store import Store


@get(
    "/api/v1/ticks",
    summary="Stored ticks",
    description="Ticks by ingest time, each stored record once. JSON, CSV, or an Arrow stream. "
    "The Link header names the next page in every form.",
    responses={**answers(TickPage), **NOT_ACCEPTABLE},
    operation_class=TableOperation,
    tags=["history"],
)
async def ticks(
    request: AnyRequest,
    store: NamedDependency[Store],
    platform: Platform = None,
    market: Market = None,
    outcome: Outcome = None,
    kind: Kind = None,
    since: Since = None,
    until: Until = None,
    order: Order = "desc",
    limit: Limit = 100,
    cursor: Cursor = None,
    format: Chosen = None,
) -> Response[bytes]:
    """Return a page of ticks."""
    form = answer.form_of(request, format)
    chosen = TickFilter(
        platform=platform_of(platform),
        market=market,
        outcome=outcome,
        kind=kind,
        since=instant("since", since),
        until=instant("until", until),
        order=order,
    )
    after = cursors.decode(cursors.TickKey, cursor) if cursor else None
    table, next_key = await read_ticks(store, chosen, after, limit)
    next_cursor = cursors.encode(next_key) if next_key else None
    return await answer.page(request, form, table, next_cursor)
