"""Query parameters: their types and bounds, and the refusal of what isn't known."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.params import Parameter

from api.errors import InvalidParameter
from schemas.clock import parse_rfc3339
from schemas.topics import PLATFORMS

MAX_LIMIT = 10_000
_LATEST_US = 4_102_444_800_000_000  # 2100-01-01
_NOT_FROM_QUERY = frozenset(
    {
        "request",
        "socket",
        "store",
        "feed",
        "settings",
        "pairs",
        "publisher",
        "streams",
        "keyring",
        "data",
    }
)

Platform = Annotated[
    str | None,
    Parameter(description="Venue", required=False, schema_extra={"enum": list(PLATFORMS)}),
]
Market = Annotated[
    str | None,
    Parameter(description="The venue's market id", min_length=1, max_length=256),
]
OneMarket = Annotated[
    str,
    Parameter(description="The venue's market id", min_length=1, max_length=256),
]
Outcome = Annotated[
    str | None,
    Parameter(description="The book within the market", min_length=1, max_length=256),
]
Kind = Annotated[Literal["quote", "trade"] | None, Parameter(description="What happened")]
Order = Annotated[Literal["desc", "asc"], Parameter(description="desc: newest first")]
Search = Annotated[
    str | None,
    Parameter(
        description="Words to be found in title, slug or market id, in any case and order",
        min_length=1,
        max_length=100,
    ),
]
Since = Annotated[
    str | None,
    Parameter(
        description="RFC 3339 instant, inclusive; UTC if it names no offset",
        max_length=40,
        schema_extra={"format": "date-time"},
    ),
]
Until = Annotated[
    str | None,
    Parameter(
        description="RFC 3339 instant, exclusive; UTC if it names no offset",
        max_length=40,
        schema_extra={"format": "date-time"},
    ),
]
Limit = Annotated[int, Parameter(description="Most rows in the answer", ge=1, le=MAX_LIMIT)]
Cursor = Annotated[
    str | None,
    Parameter(description="next_cursor of the page before", min_length=1, max_length=1024),
]


def refuse_unknown(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """Refuse parameters that the route does not know, or that are given twice: a guard.

    A parameter that is silently ignored gives an answer to another question.
    """
    if connection.scope["type"] != ScopeType.HTTP:
        return  # /ws/ticks reads its own
    taken = _NOT_FROM_QUERY | connection.path_params.keys()
    known = sorted(
        getattr(parameter.kwarg_definition, "name", None) or name
        for name, parameter in handler.parsed_fn_signature.parameters.items()
        if name not in taken
    )
    given = [name for name, _ in connection.query_params.multi_items()]
    for name in given:
        if name not in known:
            detail = f"is not known here; known: {', '.join(known) or 'none'}"
            raise InvalidParameter(name[:64], detail)
        if given.count(name) > 1:
            raise InvalidParameter(name, "is given more than once")


def platform_of(text: str | None, name: str = "platform") -> str | None:
    """Return a platform. Raises InvalidParameter."""
    if text is not None and text not in PLATFORMS:
        raise InvalidParameter(name, f"has to be one of {', '.join(PLATFORMS)}")
    return text


def instant(name: str, text: str | None) -> int | None:
    """Return the UTC microseconds of an RFC 3339 text. Raises InvalidParameter."""
    if text is None:
        return None
    try:
        moment = parse_rfc3339(text)
    except (ValueError, OverflowError):
        moment = -1
    if not 0 <= moment <= _LATEST_US:
        raise InvalidParameter(
            name, "has to be an RFC 3339 instant between 1970 and 2100, like 2026-08-10T22:45:00Z"
        )
    return moment
