"""GET /api/v1/candles: a market's minutes, hours or days, from trades and from quotes."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import Parameter

from api import answer, candle_queries
from api import cursor as cursors
from api.answer import NOT_ACCEPTABLE, AnyRequest, Chosen, TableOperation
from api.candle_queries import CandleFilter, Interval
from api.errors import answers
from api.parameters import (
    Cursor,
    Limit,
    OneMarket,
    Order,
    Outcome,
    Platform,
    Since,
    Until,
    instant,
    platform_of,
)
from api.price_models import CandlePage
from api.store import Store
from schemas.clock import parse_rfc3339

Width = Annotated[Interval, Parameter(description="How long a candle is: a UTC minute, hour, day")]


@get(
    "/api/v1/candles",
    summary="Candles",
    description="Candles of a market's outcomes by start, by our clock (ingest time): trades as "
    "open, high, low, close, volume and count; mids of two-sided quotes likewise; the last bid "
    "and ask. since and until bound the start. Where nothing happened there is no candle; "
    "/api/v1/coverage tells that from nothing being recorded. The newest candle may still grow.",
    responses={**answers(CandlePage), **NOT_ACCEPTABLE},
    operation_class=TableOperation,
    tags=["history"],
)
async def candles(
    request: AnyRequest,
    store: NamedDependency[Store],
    market: OneMarket,
    platform: Platform = None,
    outcome: Outcome = None,
    interval: Width = "1m",
    since: Since = None,
    until: Until = None,
    order: Order = "desc",
    limit: Limit = 100,
    cursor: Cursor = None,
    format: Chosen = None,
) -> Response[bytes]:
    """Return a page of candles."""
    form = answer.form_of(request, format)
    chosen = CandleFilter(
        market=market,
        platform=platform_of(platform),
        outcome=outcome,
        interval=interval,
        since=instant("since", since),
        until=instant("until", until),
        order=order,
    )
    after = cursors.decode(cursors.CandleKey, cursor) if cursor else None
    table = await store.table(candle_queries.candles(chosen, after, limit + 1))
    return await answer.page(request, form, *answer.cut(table, limit, _cursor))


def _cursor(row: dict[str, Any]) -> str:
    start = parse_rfc3339(row["start_ts"])
    return cursors.encode(cursors.CandleKey(start, row["platform"], row["outcome_id"]))
