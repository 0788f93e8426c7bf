"""GET /api/v1/book: the top of a market's books at any time, and whether it can be trusted."""

from __future__ import annotations

from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import Parameter

from api import quote_queries
from api.errors import answers
from api.formats import rows
from api.parameters import OneMarket, Outcome, Platform, instant, platform_of
from api.price_models import Book, Books
from api.quote_queries import OutcomeFilter
from api.settings import ApiSettings
from api.store import Store
from api.trust import untrusted_at
from schemas.clock import isoformat, now_us, parse_rfc3339

At = Annotated[
    str | None,
    Parameter(
        description="RFC 3339 instant, UTC if it names no offset; without it, now",
        max_length=40,
        schema_extra={"format": "date-time"},
    ),
]


@get(
    "/api/v1/book",
    summary="Top of book at an instant",
    description="For each outcome of a market the last quote at or before an instant, by our clock "
    "(ingest time), and whether it can be trusted: not while a gap covered the instant, not if the "
    "recording was away, and not if no quote came since it was. At most 1,000 outcomes.",
    responses=answers(),
    tags=["history"],
)
async def book(
    store: NamedDependency[Store],
    settings: NamedDependency[ApiSettings],
    market: OneMarket,
    platform: Platform = None,
    outcome: Outcome = None,
    at: At = None,
) -> Books:
    """Return the books."""
    now = now_us()
    asked = instant("at", at)
    moment = now if asked is None else asked
    chosen = OutcomeFilter(platform_of(platform), market, outcome)
    quotes = rows(await store.table(quote_queries.quotes_at(chosen, moment)))
    silence_us = int(settings.api_silence_seconds * 1_000_000)
    why = {
        name: await untrusted_at(store, name, market, moment, now, silence_us)
        for name in sorted({row["platform"] for row in quotes})
    }
    found = []
    for row in quotes:
        reasons, started = why[row["platform"]]
        stale = {"startup"} if parse_rfc3339(row["quote_ts"]) < started else set()
        untrusted = sorted(reasons | stale)
        found.append(Book(**row, at=isoformat(moment), trusted=not untrusted, untrusted=untrusted))
    return Books(found)
