"""GET /api/v1/ticks: stored ticks, filtered, in keyset order."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, Schema
from litestar.params import Parameter

from api import cursor as cursors
from api import formats
from api.errors import NotAcceptable, answers, problem_spec
from api.formats import MEDIA_TYPES, Format
from api.models import TickPage
from api.pages import read_ticks
from api.parameters import Cursor, Limit, Market, Platform, Since, Until, instant, platform_of
from api.queries import TickFilter
from api.store import Store

AnyRequest = Request[Any, Any, Any]
Outcome = Annotated[
    str | None,
    Parameter(description="The book within the market", min_length=1, max_length=256),
]
Kind = Annotated[Literal["quote", "trade"] | None, Parameter(description="What happened")]
Order = Annotated[Literal["desc", "asc"], Parameter(description="desc: newest first")]
Chosen = Annotated[
    Literal["json", "csv", "arrow"] | None,
    Parameter(description="Form of the answer; without it, the Accept header decides"),
]


@dataclass
class TicksOperation(Operation):
    """The route in the OpenAPI document, where Litestar allows an answer one form only."""

    def __post_init__(self) -> None:
        """Add the forms other than JSON."""
        found: Any = (self.responses or {})["200"]
        text = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))
        found.content |= {MEDIA_TYPES["csv"]: text, MEDIA_TYPES["arrow"]: OpenAPIMediaType()}


@get(
    "/api/v1/ticks",
    summary="Stored ticks",
    description="Ticks by ingest time, each stored record once. JSON, CSV, or an Arrow stream. "
    "The Link header names the next page in every form.",
    responses={**answers(TickPage), 406: problem_spec("The Accept header takes no form of ours")},
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
) -> Response[bytes]:
    """Return a page of ticks."""
    form = format or _accepted(request)
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
    content = await asyncio.to_thread(_content, form, table, next_cursor)
    headers = {"Vary": "Accept"}
    if next_cursor:
        headers["Link"] = f'<{_next_path(request, next_cursor)}>; rel="next"'
        headers["X-Next-Cursor"] = next_cursor
    return Response(content, media_type=MEDIA_TYPES[form], headers=headers)


def _content(form: Format, table: Any, next_cursor: str | None) -> bytes:
    if form == "json":
        return formats.to_json(table, next_cursor)
    return formats.to_csv(table) if form == "csv" else formats.to_arrow(table)


def _accepted(request: AnyRequest) -> Format:
    form = formats.best_form(",".join(request.headers.getall("accept", ["*/*"])))
    if form is None:
        raise NotAcceptable(f"answers come as {', '.join(MEDIA_TYPES.values())}")
    return form


def _next_path(request: AnyRequest, next_cursor: str) -> str:
    query = [item for item in request.query_params.multi_items() if item[0] != "cursor"]
    return f"{request.url.path}?{urlencode([*query, ('cursor', next_cursor)])}"
