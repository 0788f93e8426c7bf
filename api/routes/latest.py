"""GET /api/v1/latest: the newest quote and the newest trade of each outcome."""

from __future__ import annotations

from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency

from api import answer, quote_queries
from api import cursor as cursors
from api.answer import NOT_ACCEPTABLE, AnyRequest, Chosen, TableOperation
from api.errors import answers
from api.parameters import Cursor, Limit, Market, Outcome, Platform, Search, platform_of
from api.price_models import LatestPage
from api.quote_queries import OutcomeFilter
from api.store import Store


@get(
    "/api/v1/latest",
    summary="Latest quotes and trades",
    description="The newest quote and the newest trade of each outcome, in alphabetical order of "
    "platform, market and outcome. Whether a quote can still be trusted is told by /api/v1/book.",
    responses={**answers(LatestPage), **NOT_ACCEPTABLE},
    operation_class=TableOperation,
    tags=["latest"],
)
async def latest(
    request: AnyRequest,
    store: NamedDependency[Store],
    platform: Platform = None,
    market: Market = None,
    outcome: Outcome = None,
    search: Search = None,
    limit: Limit = 100,
    cursor: Cursor = None,
    format: Chosen = None,
) -> Response[bytes]:
    """Return a page of outcomes."""
    form = answer.form_of(request, format)
    chosen = OutcomeFilter(platform_of(platform), market, outcome, search)
    after = cursors.decode(cursors.OutcomeKey, cursor) if cursor else None
    table = await store.table(quote_queries.latest(chosen, after, limit + 1))
    return await answer.page(request, form, *answer.cut(table, limit, _cursor))


def _cursor(row: dict[str, Any]) -> str:
    key = cursors.OutcomeKey(row["platform"], row["market_id"], row["outcome_id"])
    return cursors.encode(key)
