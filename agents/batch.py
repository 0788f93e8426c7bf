"""Sorting raw records by schema, and finding the ones that can't be used. Pure functions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from agents.records import Record, Rejected, Run
from schemas.codec import decode
from schemas.errors import Poison
from schemas.framing import HEADER_SIZE, schema_id_of

Groups = dict[int, list[Run]]
"""Runs by the schema id in the records' header."""


def by_schema(runs: Sequence[Run]) -> tuple[Groups, list[Rejected]]:
    """Return the records by schema id, and those that have none (reason ``framing``)."""
    groups: Groups = defaultdict(list)
    rejected: list[Rejected] = []
    for run in runs:
        schema_id = _common_schema(run)
        if schema_id is not None:
            groups[schema_id].append(run)
            continue
        mixed: dict[int, list[Record]] = defaultdict(list)
        for record in run.records:
            try:
                mixed[schema_id_of(record.value)].append(record)
            except Poison as error:
                rejected.append(Rejected(run, record, error.reason, error.detail))
        for schema_id, records in mixed.items():
            groups[schema_id].append(run.having(records))
    return dict(groups), rejected


def _common_schema(run: Run) -> int | None:
    """Return the schema id that all records share, None if they don't or one has none."""
    heads = {record.value and record.value[:HEADER_SIZE] for record in run.records}
    if len(heads) != 1:
        return None
    try:
        return schema_id_of(heads.pop())
    except Poison:
        return None


def reject_all(runs: Sequence[Run], error: Poison) -> list[Rejected]:
    """Return every record as rejected for the same reason."""
    return [
        Rejected(run, record, error.reason, error.detail) for run in runs for record in run.records
    ]


def examine(
    runs: Sequence[Run], schema: str, writer_schema: Any
) -> tuple[list[Run], list[Rejected]]:
    """Decode every record; return the runs without those that can't be decoded, and those."""
    good: list[Run] = []
    rejected: list[Rejected] = []
    for run in runs:
        kept: list[Record] = []
        for record in run.records:
            fault = _fault(record, schema, writer_schema)
            if fault is None:
                kept.append(record)
            else:
                rejected.append(Rejected(run, record, fault.reason, fault.detail))
        if kept:
            good.append(run.having(kept))
    return good, rejected


def _fault(record: Record, schema: str, writer_schema: Any) -> Poison | None:
    try:
        decode(schema, (record.value or b"")[HEADER_SIZE:], writer_schema)
    except Poison as error:
        return error
    except (
        Exception
    ) as error:  # whatever a decoder raises over hostile bytes, the bytes are at fault
        return Poison("truncated", f"not a {schema}: {type(error).__name__}")
    return None


def halves(runs: Sequence[Run]) -> tuple[list[Run], list[Run]]:
    """Return two halves of the records, in order. There must be at least two records."""
    left = sum(len(run.records) for run in runs) // 2
    first: list[Run] = []
    second: list[Run] = []
    for run in runs:
        taken = min(left, len(run.records))
        left -= taken
        if taken:
            first.append(run.having(run.records[:taken]))
        if taken < len(run.records):
            second.append(run.having(run.records[taken:]))
    return first, second


def token(runs: Sequence[Run]) -> str:
    """Return the insert's deduplication token: which offsets of which partitions it holds.

    The count is part of it, for a range that is read again may miss what was stored before.
    """
    return ";".join(
        f"{run.topic_id}:{run.partition}:{run.records[0].offset}-{run.records[-1].offset}"
        f"/{len(run.records)}"
        for run in runs
    )
