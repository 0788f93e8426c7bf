"""Latency: one minute of one stage as a mergeable histogram. The Python side of latency.avsc."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Stage = Literal["source_ingest", "ingest_emit", "emit_append", "append_stored"]
STAGES: tuple[Stage, ...] = get_args(Stage)


@dataclass(frozen=True, slots=True)
class LatencyBucket:
    """One bucket's number and count, as latency.avsc states them."""

    bucket: int
    count: int


@dataclass(frozen=True, slots=True)
class Latency:
    """Field meanings are in latency.avsc, in this order. Times are UTC microseconds."""

    slot_ts: int
    platform: str
    stage: Stage
    part: str
    version: int
    count: int
    missing: int
    negative: int
    sum_us: int
    min_us: int | None
    max_us: int | None
    buckets: tuple[LatencyBucket, ...]
    floor_us: int | None
    emit_ts: int
