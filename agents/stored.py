"""What is stored already, so that records which are read again are not inserted again.

A worker that is given a partition starts where the group last committed, and what was inserted
since then comes once more. ClickHouse is asked which offsets it has from there on: exactly which,
not just the highest, since an insert that spans two days is two parts and the first may have been
written when the server was killed. Records that were published as dead letters count as stored.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agents.records import Record, Run

WINDOW = 1_000_000
"""Offsets asked about at once: bounds what the server sorts and what is kept here."""

Query = Callable[[str], Awaitable[list[tuple[Any, ...]]]]


@dataclass(frozen=True, slots=True)
class Known:
    """Stored offsets as inclusive ranges, ascending and apart, complete below ``until``.

    ``until`` is None if nothing is stored from the last range on.
    """

    starts: tuple[int, ...]
    ends: tuple[int, ...]
    until: int | None

    def holds(self, offset: int) -> bool:
        """Return whether the offset is stored."""
        index = bisect_right(self.starts, offset) - 1
        return index >= 0 and offset <= self.ends[index]


def known(ranges: Sequence[tuple[int, int]], first: int) -> Known:
    """Return what a question about WINDOW offsets from ``first`` on has told.

    Nothing stored in the whole window means that nothing is stored behind it either: a worker
    stores in order, and never more than a window at once.
    """
    return Known(
        tuple(start for start, _ in ranges),
        tuple(end for _, end in ranges),
        first + WINDOW if ranges else None,
    )


def question(table: str, run: Run, first: int) -> str:
    """Return the query for the ranges of stored offsets in the window from ``first`` on."""
    place = f"kafka_partition = {run.partition} AND topic_id = '{run.topic_id}'"
    window = f"BETWEEN {first} AND {first + WINDOW - 1}"
    buried = (
        f"source_partition = {run.partition} AND source_topic_id = '{run.topic_id}' "
        f"AND source_offset {window}"
    )
    return (
        "SELECT min(o), max(o) FROM ("  # noqa: S608 (numbers, a UUID and our own table names)
        "SELECT o, o - row_number() OVER (ORDER BY o) AS island FROM ("
        f"SELECT kafka_offset AS o FROM {table} WHERE {place} AND kafka_offset {window} "
        f"UNION DISTINCT SELECT source_offset AS o FROM dead_letters WHERE {buried})"
        ") GROUP BY island ORDER BY 1"
    )


def any_question(table: str, run: Run) -> str:
    """Return the query that has a row if anything of the run's partition is stored or buried."""
    return (
        f"SELECT 1 FROM {table} WHERE topic_id = '{run.topic_id}' "  # noqa: S608
        f"AND kafka_partition = {run.partition} LIMIT 1 UNION ALL "
        f"SELECT 1 FROM dead_letters WHERE source_topic_id = '{run.topic_id}' "
        f"AND source_partition = {run.partition} LIMIT 1"
    )


class NeverRead(Exception):
    """A partition is read from the middle, though nothing of it was ever stored."""

    def __init__(self, run: Run) -> None:
        super().__init__(f"{run.topic}-{run.partition}")
        self.topic, self.partition = run.topic, run.partition


class Stored:
    """What is stored of each partition of one table, asked once per partition and window."""

    def __init__(self, table: str, query: Query) -> None:
        self._table = table
        self._query = query
        self._known: dict[tuple[str, int], Known] = {}
        self._started_over: set[tuple[UUID, int]] = set()

    def forget(self) -> None:
        """Ask anew: partitions were assigned, and others may have stored meanwhile."""
        self._known.clear()

    def missing_as_known(self, run: Run) -> Run | None:
        """Return what ``missing`` does, or None if that would have to ask."""
        found = self._known.get((run.topic, run.partition))
        if found is None or (found.until is not None and run.records[-1].offset >= found.until):
            return None
        if not found.ends or run.records[0].offset > found.ends[-1]:
            return run
        return run.having([record for record in run.records if not found.holds(record.offset)])

    async def missing(self, run: Run) -> Run:
        """Return the run without the records that are stored.

        Raises Transient, Fatal; and NeverRead, once per partition of a topic id, if the run doesn't
        begin at 0 and nothing is stored: brokers may keep what a group committed for a topic that
        was deleted, and then the one made anew would be read from there.
        """
        as_known = self.missing_as_known(run)
        if as_known is not None:
            return as_known
        place, first = (run.topic, run.partition), run.records[0].offset
        found = self._known.get(place)
        if found is None:
            found = await self._ask(run, first)
            if first and not found.starts and not await self._any(run):
                self._started_over.add((run.topic_id, run.partition))
                raise NeverRead(run)
            self._known[place] = found
        kept: list[Record] = []
        for record in run.records:
            if found.until is not None and record.offset >= found.until:
                found = self._known[place] = await self._ask(run, record.offset)
            if not found.holds(record.offset):
                kept.append(record)
        return run.having(kept)

    async def _any(self, run: Run) -> bool:
        if (run.topic_id, run.partition) in self._started_over:
            return True
        return bool(await self._query(any_question(self._table, run)))

    async def _ask(self, run: Run, first: int) -> Known:
        rows = await self._query(question(self._table, run, first))
        return known([(int(start), int(end)) for start, end in rows], first)
