"""What the tables say of whether a stretch can be trusted, read for api/coverage.py to judge."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from api import queries, trust_queries
from api.coverage import GapTimes, Stretch, begin_of, outages
from api.queries import GapFilter
from api.store import Store, TooExpensive

MOST_GAPS = 20_000
MINUTE_US = 60_000_000


async def starts_of(store: Store, platform: str) -> list[int]:
    """Return when the platform's connectors started, in order, UTC microseconds."""
    table = await store.table(trust_queries.starts(platform))
    return _times(table, "started")[::-1]


async def last_tick(store: Store, platform: str) -> int | None:
    """Return when the platform's newest tick came, UTC microseconds."""
    times = _times(await store.table(trust_queries.last_tick(platform)), "ingest_ts")
    return times[0] if times else None


async def gaps_between(
    store: Store, platform: str, market: str, begin: int, end: int
) -> list[GapTimes]:
    """Return the gaps of a market and of its whole platform that touch [begin, end).

    Those of starts are left out. Raises TooExpensive if there are too many.
    """
    chosen = GapFilter(platform=platform, market=market, since=begin, until=end, starts=False)
    table = await store.table(queries.gaps(chosen, None, MOST_GAPS + 1))
    if table.num_rows > MOST_GAPS:
        raise TooExpensive("the stretch has too many gaps")
    columns = [
        table.column("reason").to_pylist(),
        *(_times(table, name) for name in ("from_ts", "to_ts", "first_ts")),
    ]
    return [GapTimes(*row) for row in zip(*columns, strict=True)]


async def untrusted_at(
    store: Store,
    platform: str,
    market: str,
    at: int,
    now: int,
    silence_us: int,
) -> tuple[set[str], int]:
    """Return why the market's books could not be trusted at an instant, for each of them alike,
    and the last start of the platform's connector until then (0: none): a quote from before it
    says nothing after it."""
    starts = await starts_of(store, platform)
    found = {
        gap.reason
        for gap in await gaps_between(store, platform, market, at, at + 1)
        if (begin_of(gap, starts) or 0) <= at
    }
    before = [start for start in starts if start <= at]
    if len(before) < len(starts):  # was there anybody to notice between then and the next start?
        query = trust_queries.ticks_between(platform, at, starts[len(before)])
        if not (await store.table(query)).num_rows:
            found.add("startup")
    elif min(at, now) - (await last_tick(store, platform) or 0) > silence_us:
        found.add("silence")
    return found, before[-1] if before else 0


async def untrusted_between(
    store: Store, platform: str, market: str, begin: int, end: int
) -> dict[str, list[Stretch]]:
    """Return the stretches of [begin, end) that can't be trusted, by reason."""
    starts = await starts_of(store, platform)
    found: dict[str, list[Stretch]] = {}
    for gap in await gaps_between(store, platform, market, begin, end):
        since = begin_of(gap, starts)
        stretch = (begin if since is None else since, end if gap.end is None else gap.end)
        found.setdefault(gap.reason, []).append(stretch)
    ends = [start for start in starts if begin < start < end]
    after = [start for start in starts if start >= end]
    if after and not await _recorded_anything(store, platform, end, after[0]):
        ends.append(after[0])
    if ends:
        alive = _times(await store.table(trust_queries.minutes(platform, begin, end)), "minute")
        found["startup"] = [
            (begin if since is None else since, start)
            for since, start in outages(ends, alive, MINUTE_US)
        ]
    return found


async def _recorded_anything(store: Store, platform: str, begin: int, end: int) -> bool:
    """Return whether the platform has a minute in [begin, end) that ended before ``end`` did."""
    whole = end // MINUTE_US * MINUTE_US
    return bool((await store.table(trust_queries.minutes(platform, begin, whole, 1))).num_rows)


async def recorded_since(store: Store, market: str, platform: str | None) -> dict[str, int]:
    """Return by platform from when the market is recorded: a minute after its first one began."""
    table = await store.table(trust_queries.first_minutes(market, platform))
    begins = _times(table, "minute")
    return {
        name: begin + MINUTE_US
        for name, begin in zip(table.column("platform").to_pylist(), begins, strict=True)
    }


def _times(table: pa.Table, name: str) -> list[Any]:
    values: list[Any] = table.column(name).cast(pa.int64()).to_pylist()
    return values
