"""GET /api/v1/ticks: stored ticks, filtered, in keyset order."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pyarrow as pa
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import Parameter

from api import answer, formats, plain
from api import cursor as cursors
from api.answer import NOT_ACCEPTABLE, AnyRequest, Chosen, TableOperation
from api.errors import InvalidParameter, answers
from api.formats import MEDIA_TYPES
from api.models import ClassicTickPage, TickPage
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

View = Annotated[
    Literal["full", "classic"], Parameter(description="classic: the older system's fields")
]
Source = Annotated[
    str | None,
    Parameter(description="platform, in any case", min_length=1, max_length=32),
]


@dataclass
class TicksOperation(TableOperation):
    """The route in the OpenAPI document: an empty page is one of either view."""

    def __post_init__(self) -> None:
        """Let a page be of any view, not of exactly one."""
        super().__post_init__()
        found: Any = (self.responses or {})["200"]
        pages = found.content[MEDIA_TYPES["json"]].schema
        pages.any_of, pages.one_of = pages.one_of, None


@get(
    "/api/v1/ticks",
    summary="Stored ticks",
    description="Ticks by ingest time, each stored record once. JSON, CSV, or an Arrow stream. "
    "The Link header names the next page in every form. view=classic gives the older system's "
    "fields, as JSON, numbers for decimals.",
    responses={**answers(TickPage | ClassicTickPage), **NOT_ACCEPTABLE},
    operation_class=TicksOperation,
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
    view: View = "full",
    source: Source = None,
) -> Response[bytes]:
    """Return a page of ticks."""
    form = answer.form_of(request, format)
    if view == "classic" and form != "json":
        raise InvalidParameter("format", "has to be json for view=classic")
    if source is not None:
        if platform not in (None, source.lower()):
            raise InvalidParameter("source", "contradicts platform")
        platform = source.lower()
    chosen = TickFilter(
        platform=platform_of(platform, "platform" if source is None else "source"),
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
    if view == "classic":
        content = await asyncio.to_thread(_classic, table, next_cursor)
        headers = answer.page_headers(request, next_cursor)
        return Response(content, media_type=MEDIA_TYPES["json"], headers=headers)
    return await answer.page(request, form, table, next_cursor)


def _classic(table: pa.Table, next_cursor: str | None) -> bytes:
    data = [plain.tick(row) for row in formats.rows(table)]
    return plain.number_text({"data": data, "next_cursor": next_cursor}).encode()
