"""A page of rows in the form that the client likes: JSON, CSV or an Arrow stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import pyarrow as pa
from litestar import Request, Response
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, Schema
from litestar.params import Parameter

from api import formats
from api.errors import NotAcceptable, problem_spec
from api.formats import MEDIA_TYPES, Format

AnyRequest = Request[Any, Any, Any]
Chosen = Annotated[
    Literal["json", "csv", "arrow"] | None,
    Parameter(description="Form of the answer; without it, the Accept header decides"),
]
NOT_ACCEPTABLE = {406: problem_spec("The Accept header takes no form of ours")}


@dataclass
class TableOperation(Operation):
    """Such a route in the OpenAPI document, where Litestar allows an answer one form only."""

    def __post_init__(self) -> None:
        """Add the forms other than JSON."""
        found: Any = (self.responses or {})["200"]
        text = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))
        found.content |= {MEDIA_TYPES["csv"]: text, MEDIA_TYPES["arrow"]: OpenAPIMediaType()}


@dataclass
class OptionalBody(Operation):
    """A route whose body may be left out, which Litestar takes for one that may not."""

    def __post_init__(self) -> None:
        """Say so."""
        found: Any = self.request_body
        found.required = False


def form_of(request: AnyRequest, chosen: Format | None) -> Format:
    """Return the form to answer in. Raises NotAcceptable."""
    form = chosen or formats.best_form(",".join(request.headers.getall("accept", ["*/*"])))
    if form is None:
        raise NotAcceptable(f"answers come as {', '.join(MEDIA_TYPES.values())}")
    return form


async def page(
    request: AnyRequest, form: Format, table: pa.Table, next_cursor: str | None
) -> Response[bytes]:
    """Return the page, with a Link header that names the next one."""
    content = await asyncio.to_thread(_content, form, table, next_cursor)
    return Response(
        content, media_type=MEDIA_TYPES[form], headers=page_headers(request, next_cursor)
    )


def cut(
    table: pa.Table, limit: int, cursor_of: Callable[[dict[str, Any]], str]
) -> tuple[pa.Table, str | None]:
    """Return at most ``limit`` rows, and the cursor to go on from if the table had more."""
    if table.num_rows <= limit:
        return table, None
    return table.slice(0, limit), cursor_of(formats.rows(table.slice(limit - 1, 1))[0])


def page_headers(request: AnyRequest, next_cursor: str | None) -> dict[str, str]:
    """Return the headers of a page: what it varies by and where it goes on."""
    headers = {"Vary": "Accept"}
    if next_cursor:
        query = [item for item in request.query_params.multi_items() if item[0] != "cursor"]
        path = f"{request.url.path}?{urlencode([*query, ('cursor', next_cursor)])}"
        headers |= {"Link": f'<{path}>; rel="next"', "X-Next-Cursor": next_cursor}
    return headers


def _content(form: Format, table: pa.Table, next_cursor: str | None) -> bytes:
    if form == "json":
        return formats.to_json(table, next_cursor)
    return formats.to_csv(table) if form == "csv" else formats.to_arrow(table)
