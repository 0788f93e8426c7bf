"""Which markets to follow, and how to page through what the venue lists. Pure, but for one file.

The venue's cursors are exclusive times (PROTOCOL 3.1, 3.2), and rows of one millisecond are
normal, so pages overlap by one millisecond and the parser drops what it has seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from connectors.manifold.markets import MULTI, SINGLE
from connectors.manifold.settings import ManifoldSettings
from schemas.errors import Poison
from schemas.market import Market

PAGE = 1_000
"""Rows asked for at once: the venue's maximum for markets, a tenth of it for bets."""
PROBS_A_REQUEST = 100
"""The venue's maximum of ids for /market-probs."""

Query = list[tuple[str, str]]


class _Stamp(msgspec.Struct):
    # Of any type: the parser rejects a bad row, and the rows beside it are read all the same.
    id: Any = None
    createdTime: Any = None


_stamps = msgspec.json.Decoder(list[_Stamp | int | float | str | bool | list[Any] | None])
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _stamps_of(page: str) -> list[_Stamp]:
    try:
        return [row if isinstance(row, _Stamp) else _Stamp() for row in _stamps.decode(page)]
    except (ValueError, RecursionError) as error:
        raise Poison("not_json", f"a page can't be read: {type(error).__name__}") from error


def _times(stamps: Iterable[_Stamp]) -> list[int]:
    return [stamp.createdTime for stamp in stamps if type(stamp.createdTime) is int]


def check_object(answer: str) -> None:
    """Raise Poison unless the answer is a JSON object: a reading that failed settles nothing."""
    try:
        _object.decode(answer)
    except (ValueError, RecursionError) as error:
        raise Poison("not_json", f"no JSON object: {type(error).__name__}") from error


def listed_ids(page: str) -> list[str]:
    """Return the ids of a page's rows. Raises Poison."""
    return [each.id for each in _stamps_of(page) if isinstance(each.id, str) and each.id]


def newest_ms(page: str) -> int:
    """Return the newest ``createdTime`` of a page, 0 if it is empty. Raises Poison."""
    return max(_times(_stamps_of(page)), default=0)


def next_before(page: str, before: int | None, limit: int = PAGE) -> int | None:
    """Return the ``beforeTime`` of the page after this one of markets, newest first; None at the
    end. Every cursor is smaller than the one before, so that no answer can make a loop.
    Raises Poison.
    """
    stamps = _stamps_of(page)
    if len(stamps) < limit or not (times := _times(stamps)):
        return None
    oldest = min(times)
    cursor = oldest + 1
    if before is not None and cursor >= before:
        cursor = oldest  # a whole page of one millisecond: ties beyond it can't be reached
    return cursor if cursor > 0 and (before is None or cursor < before) else None


def next_after(page: str, after: int, limit: int = PAGE) -> int | None:
    """Return the ``afterTime`` of the page after this one of bets, oldest first; None at the
    end. Every cursor is greater than the one before. Raises Poison."""
    stamps = _stamps_of(page)
    if len(stamps) < limit or not (times := _times(stamps)):
        return None
    newest = max(times)
    cursor = newest - 1 if newest - 1 > after else newest
    return cursor if cursor > after else None


def markets_query(settings: ManifoldSettings, before: int | None) -> Query:
    """Return the parameters of a page of /search-markets: open markets, newest first."""
    query = [
        ("term", settings.manifold_term),
        ("filter", "open"),
        ("sort", "newest"),
        ("limit", str(PAGE)),
        ("includeLiteAnswers", "true"),
    ]
    if settings.manifold_token != "MANA":  # noqa: S105
        query.append(("token", settings.manifold_token))
    if settings.manifold_topic:
        query.append(("topicSlug", settings.manifold_topic))
    if settings.manifold_contract_type != "ALL":
        query.append(("contractType", settings.manifold_contract_type))
    if before is not None:
        query.append(("beforeTime", str(before)))
    return query


def bets_query(after: int, market_ids: Iterable[str] = ()) -> Query:
    """Return the parameters of a page of /bets after a time in milliseconds, oldest first, with
    the rows that move the siblings of an answer."""
    return [
        ("afterTime", str(after)),
        ("order", "asc"),
        ("limit", str(PAGE)),
        ("includeZeroShareRedemptions", "true"),
        *(("contractId", market_id) for market_id in market_ids),
    ]


def probs_query(market_ids: Iterable[str]) -> Query:
    """Return the parameters of /market-probs: in brackets, since one bare id is refused."""
    return [("ids[]", market_id) for market_id in market_ids]


def is_wanted(market: Market, settings: ManifoldSettings) -> bool:
    """Whether an open market with prices passes the filters that the venue does not apply."""
    return (
        market.status == "open"
        and market.mechanism in (SINGLE, MULTI)
        and (market.volume or 0) >= settings.manifold_minimum_volume
    )


def in_batches(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Yield the items, ``size`` at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def is_slug(name: str) -> bool:
    """Whether an entry of the list can only be a slug: ids are letters and digits, which a slug
    of one word is too."""
    return not name.isalnum()
