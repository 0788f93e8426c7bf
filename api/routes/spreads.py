"""GET /api/v1/spreads: where the venues of each configured pair stand, now and before."""

from __future__ import annotations

import asyncio
from typing import Annotated
from uuid import UUID

import msgspec
import pyarrow as pa
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import Parameter

from api import answer, formats, spread_table
from api import cursor as cursors
from api import spread_queries as queries
from api.answer import NOT_ACCEPTABLE, AnyRequest, Chosen, TableOperation
from api.errors import Declined, answers, problem_spec
from api.formats import MEDIA_TYPES, Format
from api.pairs import Pairs
from api.parameters import Cursor, Limit, Since, Until, instant
from api.spread_view import Spread, micros, record_of, view
from api.store import Store

PairId = Annotated[
    str, Parameter(description="The pair's id in the pair file", min_length=1, max_length=64)
]
_UNKNOWN = problem_spec("No such pair is configured")


class SpreadPage(msgspec.Struct):
    """Spreads of one pair, the newest first; next_cursor is null at the end."""

    data: list[Spread]
    next_cursor: str | None


@get(
    "/api/v1/spreads",
    summary="Latest spreads",
    description="The latest spread of each configured pair that has one, by pair id. A number is "
    "null where a leg can't be used; legs say why.",
    responses=answers(),
    tags=["spreads"],
)
async def spreads(store: NamedDependency[Store], pairs: NamedDependency[Pairs]) -> list[Spread]:
    """Return the latest spread of each pair."""
    if not pairs.by_id:
        return []
    table = await store.table(queries.latest(list(pairs.by_id)))
    return await asyncio.to_thread(_views, table)


@get(
    "/api/v1/spreads/{pair_id:str}",
    summary="Latest spread of a pair",
    responses={**answers(), 404: _UNKNOWN},
    tags=["spreads"],
)
async def spread(
    store: NamedDependency[Store], pairs: NamedDependency[Pairs], pair_id: PairId
) -> Spread:
    """Return the pair's latest spread."""
    if pair_id not in pairs.by_id:
        raise Declined(404, "unknown-pair", "no such pair is configured; /api/v1/pairs lists them")
    found = _views(await store.table(queries.latest([pair_id])))
    if not found:
        raise Declined(
            503,
            "not-computed",
            "no spread of this pair was computed yet: no quote of its legs was seen since the pair "
            "was configured, or no `python -m agents analytics` is running",
            retry_after=5,
        )
    return found[0]


@get(
    "/api/v1/spreads/{pair_id:str}/history",
    summary="Spreads of a pair",
    description="Every published spread of the pair, the newest first. JSON as /api/v1/spreads "
    "has it, or flat as CSV or an Arrow stream. A pair that is configured no more keeps its "
    "history. The Link header names the next page in every form.",
    responses={
        **answers(SpreadPage),
        404: _UNKNOWN,
        **NOT_ACCEPTABLE,
    },
    operation_class=TableOperation,
    tags=["spreads"],
)
async def spread_history(
    request: AnyRequest,
    store: NamedDependency[Store],
    pairs: NamedDependency[Pairs],
    pair_id: PairId,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
    cursor: Cursor = None,
    format: Chosen = None,
) -> Response[bytes]:
    """Return a page of the pair's spreads."""
    chosen = queries.SpreadFilter(pair_id, instant("since", since), instant("until", until))
    after = cursors.decode(cursors.SpreadKey, cursor) if cursor else None
    form = answer.form_of(request, format)
    table = await store.table(queries.history(chosen, after, limit + 1))
    if not table.num_rows and pair_id not in pairs.by_id:
        raise Declined(
            404, "unknown-pair", "no such pair is configured, nor had one this id before"
        )
    next_cursor = _cursor(table, limit) if table.num_rows > limit else None
    content = await asyncio.to_thread(_content, form, table.slice(0, limit), next_cursor)
    headers = answer.page_headers(request, next_cursor)
    return Response(content, media_type=MEDIA_TYPES[form], headers=headers)


def _views(table: pa.Table) -> list[Spread]:
    return [view(record_of(row)) for row in table.to_pylist()]


def _content(form: Format, table: pa.Table, next_cursor: str | None) -> bytes:
    if form == "json":
        return msgspec.json.encode(SpreadPage(_views(table), next_cursor))
    flat = spread_table.table([record_of(row) for row in table.to_pylist()])
    return formats.to_csv(flat) if form == "csv" else formats.to_arrow(flat)


def _cursor(table: pa.Table, limit: int) -> str:
    """Return the cursor that continues after the page's last row."""
    [row] = table.select(list(queries.KEY)).slice(limit - 1, 1).to_pylist()
    key = cursors.SpreadKey(
        micros(row["ts"]), UUID(str(row["topic_id"])), row["kafka_partition"], row["kafka_offset"]
    )
    return cursors.encode(key)
