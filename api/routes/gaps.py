"""GET /api/v1/gaps: stretches during which a stream could not be trusted."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from uuid import UUID

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import Parameter

from api import cursor as cursors
from api import queries
from api.errors import answers
from api.formats import listing
from api.models import GapPage
from api.parameters import Cursor, Limit, Market, Platform, Since, Until, instant, platform_of
from api.store import Store
from schemas.clock import parse_rfc3339
from schemas.gap import GapReason

Reason = Annotated[GapReason | None, Parameter(description="Why the stream could not be trusted")]
Open = Annotated[bool | None, Parameter(description="true: not over yet; false: over")]


@get(
    "/api/v1/gaps",
    summary="Gaps",
    description="Each gap once, in its last known state, the one published last first. since and "
    "until name a stretch that the gap touches. A market's gaps include those of its whole "
    "platform (market_id null).",
    responses=answers(GapPage),
    tags=["history"],
)
async def gaps(
    store: NamedDependency[Store],
    platform: Platform = None,
    market: Market = None,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    open: Open = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response[bytes]:
    """Return a page of gaps."""
    chosen = queries.GapFilter(
        platform=platform_of(platform),
        market=market,
        reason=reason,
        since=instant("since", since),
        until=instant("until", until),
        open=open,
    )
    after = cursors.decode(cursors.GapKey, cursor) if cursor else None
    table = await store.table(queries.gaps(chosen, after, limit + 1))
    content = await asyncio.to_thread(listing, table, limit, _cursor)
    return Response(content, media_type="application/json")


def _cursor(row: dict[str, Any]) -> str:
    return cursors.encode(cursors.GapKey(parse_rfc3339(row["first_ts"]), UUID(row["gap_id"])))
