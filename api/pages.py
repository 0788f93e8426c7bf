"""Pages of ticks: read in keyset order, every record once."""

from __future__ import annotations

from typing import Any, Protocol
from uuid import UUID

import pyarrow as pa

from api import queries
from api.cursor import TickKey
from api.queries import TickFilter
from api.sql import Query


class Tables(Protocol):
    """What can answer a query with a table."""

    async def table(self, query: Query) -> pa.Table:
        """Return the query's rows."""
        ...


async def read_ticks(
    store: Tables, chosen: TickFilter, after: TickKey | None, limit: int
) -> tuple[pa.Table, TickKey | None]:
    """Return up to ``limit`` ticks after the key, and the key to go on from; None at the end.

    A record that is stored twice, and not merged yet, comes out once; a page that doubles made too
    short is filled up with further queries.
    """
    wanted = limit + 1  # one more, to know whether anything follows
    parts: list[pa.Table] = []
    have = 0
    while True:
        # Always a whole page: asking for what is lacking only would halve it time after time.
        table = await store.table(queries.ticks(chosen, after, wanted))
        keys = _keys(table)
        first = [at for at, key in enumerate(keys) if at == 0 or key != keys[at - 1]]
        parts.append(table if len(first) == len(keys) else table.take(pa.array(first)))
        have += len(first)
        if len(keys) < wanted or have >= wanted:
            break
        after = keys[-1]
    found = pa.concat_tables(parts)
    if have < wanted:
        return found, None
    page = found.slice(0, limit)
    return page, _keys(page.slice(limit - 1))[0]


def _keys(table: pa.Table) -> list[TickKey]:
    columns: list[list[Any]] = [
        table.column("ingest_ts").cast(pa.int64()).to_pylist(),
        [UUID(str(value)) for value in table.column("topic_id").to_pylist()],
        table.column("kafka_partition").to_pylist(),
        table.column("kafka_offset").to_pylist(),
    ]
    return [TickKey(*values) for values in zip(*columns, strict=True)]
