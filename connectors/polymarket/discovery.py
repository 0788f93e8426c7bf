"""Which markets to follow, and how to page through Gamma's listings. Pure, but for one file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from connectors.json import decode
from connectors.polymarket.commands import in_batches
from connectors.polymarket.metadata import Listed, entries, read_listed
from connectors.polymarket.settings import PolymarketSettings
from connectors.polymarket.wire import text
from schemas.errors import Poison

PAGE = 100
"""Markets asked for at once: the most that the venue gives (PROTOCOL section 3)."""
NAMES_A_REQUEST = 20
"""Condition ids or slugs in one query string: 20 ids have 1,600 characters."""

Query = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a listing: the markets that could be read, the rows there were, and the
    cursor of the next page, None at the end."""

    markets: tuple[Listed, ...]
    rows: int
    next_cursor: str | None


def read_page(answer: str) -> Page:
    """Return a page of Gamma, keyset or older. Raises Poison if it is no page at all."""
    value = decode(answer)
    cursor = text(value.get("next_cursor")) if isinstance(value, dict) else None
    found = entries(value)
    markets = []
    for entry in found:
        try:
            markets.append(read_listed(entry, 0))
        except Poison:
            # The parser, which is given the same answer, counts it as rejected.
            continue
    return Page(tuple(markets), len(found), cursor)


def listing_query(settings: PolymarketSettings) -> Query:
    """Return the filters of the listing that the venue applies."""
    query = [("limit", str(PAGE)), ("active", "true"), ("closed", "false")]
    if settings.polymarket_tag_id:
        query.append(("tag_id", settings.polymarket_tag_id))
    if settings.polymarket_minimum_volume:
        query.append(("volume_num_min", format(settings.polymarket_minimum_volume, ".15g")))
    return query


def named_queries(names: Sequence[str], *, closed: bool) -> Iterator[Query]:
    """Yield the queries that ask for markets by condition id or slug."""
    for key, wanted in (
        ("condition_ids", [name for name in names if is_condition_id(name)]),
        ("slug", [name for name in names if not is_condition_id(name)]),
    ):
        for batch in in_batches(wanted, NAMES_A_REQUEST):
            yield [
                ("limit", str(PAGE)),
                ("closed", "true" if closed else "false"),
                *((key, name) for name in batch),
            ]


def is_condition_id(name: str) -> bool:
    """Whether a name is a condition id (0x and hex digits) and not a slug."""
    return name.startswith("0x")


def is_wanted(listed: Listed, settings: PolymarketSettings) -> bool:
    """Whether the market has books that move and passes the filters."""
    market = listed.market
    return (
        listed.followable
        and (market.volume or 0) >= settings.polymarket_minimum_volume
        and settings.polymarket_slug_contains in (market.slug or "")
    )


def token_ids(markets: Iterable[Listed]) -> set[str]:
    """Return what to subscribe to: every token of the markets."""
    return {outcome.outcome_id for listed in markets for outcome in listed.market.outcomes}
