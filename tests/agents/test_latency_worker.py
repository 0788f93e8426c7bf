"""Latencies through the real workers: exact in count, their quantiles within 2 %, while workers are
killed, come and go."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace
from math import ceil

import pytest

from schemas.clock import now_us
from schemas.codec import encode
from schemas.framing import frame
from schemas.histogram import Histogram

from .lab import TICKS, Lab, end, in_background, tick, until

pytestmark = pytest.mark.flow
COUNT = 12_000
_EXACT = """
    SELECT 'source_ingest', toUnixTimestamp64Micro(ingest_ts) - toUnixTimestamp64Micro(source_ts)
    FROM ticks FINAL WHERE source_ts IS NOT NULL
    UNION ALL SELECT 'ingest_emit',
        toUnixTimestamp64Micro(emit_ts) - toUnixTimestamp64Micro(ingest_ts) FROM ticks FINAL
    UNION ALL SELECT 'emit_append',
        toUnixTimestamp64Micro(append_ts) - toUnixTimestamp64Micro(emit_ts) FROM ticks FINAL
"""


def produce(lab: Lab) -> None:
    """Put ticks with all sorts of delays on the topic, over some seconds."""
    chance = random.Random(7)
    for number in range(COUNT):
        now = now_us()
        ingest = now - int(chance.lognormvariate(7, 2))
        source = ingest - int(chance.gauss(20_000, 40_000))
        said = replace(
            tick(number),
            emit_ts=now,
            ingest_ts=ingest,
            source_ts=source if number % 7 else None,
        )
        lab.send(frame(lab.schema_id, encode(said)), topic=TICKS, key=str(number % 50).encode())
        if number % 1000 == 999:
            lab.producer.flush(30)
            until(lambda at=now: now_us() > at + 700_000)  # type: ignore[misc]
    assert lab.producer.flush(30) == 0


def counted(lab: Lab) -> dict[str, int]:
    rows = lab.client.query(
        "SELECT stage, sum(count) + sum(missing) FROM latency FINAL WHERE part != '*' GROUP BY 1"
    ).result_rows
    return {str(stage): int(number) for stage, number in rows}


def test_each_tick_counts_once_whoever_is_killed(lab: Lab) -> None:
    lab.start("sink")
    first, second = lab.start("analytics"), lab.start("analytics")
    lab.ready(3)
    flow = in_background(lambda: produce(lab))
    until(lambda: counted(lab), 60)
    first.kill()
    first.wait()
    third = lab.start("analytics")
    lab.ready(4)
    until(lambda: max(counted(lab).values()) > COUNT / 2, 60)
    assert end(second) == 0
    flow.join()
    lab.wait_for_rows(COUNT)
    stages = ("source_ingest", "ingest_emit", "emit_append")
    until(lambda: counted(lab) == dict.fromkeys(stages, COUNT), 60)
    assert end(third) == 0

    exact: dict[str, list[int]] = defaultdict(list)
    for stage, us in lab.client.query(_EXACT).result_rows:
        exact[stage].append(int(us))
    rows = lab.client.query(
        "SELECT stage, sum(missing), sum(negative), sum(sum_us), min(min_us), max(max_us), "
        "sumMap(buckets.bucket, buckets.count) FROM latency FINAL WHERE part != '*' GROUP BY stage"
    ).result_rows
    for stage, missing, negative, total, lowest, highest, (buckets, counts) in rows:
        true = sorted(exact[stage])
        assert (len(true), missing) == (sum(counts), COUNT - len(true))
        assert negative == sum(us < 0 for us in true)
        assert (total, lowest, highest) == (sum(true), true[0], true[-1])
        merged = Histogram(dict(zip(buckets, counts, strict=True)), 0, 0, lowest, highest)
        for quantile in (0.01, 0.5, 0.9, 0.95, 0.99, 0.999):
            (found,) = merged.quantiles([quantile])
            wanted = true[ceil(quantile * len(true)) - 1]
            assert found is not None
            assert abs(found - wanted) <= abs(wanted) * 0.02, (stage, quantile)
