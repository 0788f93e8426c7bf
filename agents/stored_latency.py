"""The last stage's latency, from a record's Kafka time to its row in ClickHouse: only ClickHouse
knows it, so ClickHouse is asked.

Minutes are those of ``stored_ts``. A minute is asked about again until it is ten minutes old, since
rows of an insert that was under way may still appear in it; its version is the number of rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from agents.latency_metrics import STORED_FAILURES
from agents.latency_slots import MINUTE_US, latency_record
from agents.processor import Outgoing
from agents.writer import Writer
from schemas.clock import now_us
from schemas.errors import Fatal, Transient
from schemas.histogram import LOWER_BOUNDS, Histogram, bucket_of
from schemas.latency import Latency, Stage
from schemas.logs import get_logger
from schemas.settings import ClickHouseSettings
from schemas.topics import LATENCY

ASK_SECONDS = 10
GRACE_US = 5_000_000
MINUTES = 10
LONGEST_DELAY_US = 24 * 3600 * 1_000_000
"""Rows whose ticks were received longer before are not looked for: it keeps the reading short."""
STAGE: Stage = "append_stored"
log = get_logger("echoarb.analytics")

_BOUNDS = ",".join(map(str, LOWER_BOUNDS))


def statement(begin_us: int, end_us: int) -> str:
    """Return the query for rows stored from ``begin_us`` to ``end_us``, UTC microseconds.

    Rows: platform, minute (UTC microseconds), sign (-1, 0, 1), exclusive lower bound of the
    latency's bucket (schemas/histogram.py), count, sum, lowest and highest, microseconds.
    """
    return f"""
        WITH
            toUnixTimestamp64Micro(stored_ts) AS stored,
            stored - toUnixTimestamp64Micro(append_ts) AS late
        SELECT
            platform,
            stored - stored % {MINUTE_US} AS minute,
            sign(late) AS side,
            if(late = 0, 0, roundDown(toUInt64(abs(late) - 1), [{_BOUNDS}])) AS bound,
            count(), sum(late), min(late), max(late)
        FROM ticks
        WHERE stored_ts >= fromUnixTimestamp64Micro({begin_us})
          AND stored_ts < fromUnixTimestamp64Micro({end_us})
          AND ingest_ts >= fromUnixTimestamp64Micro({begin_us - LONGEST_DELAY_US})
          AND ingest_ts < fromUnixTimestamp64Micro({end_us + LONGEST_DELAY_US})
        GROUP BY platform, minute, side, bound
    """  # noqa: S608


def records_of(rows: Iterable[Sequence[Any]], now_us: int) -> list[Latency]:
    """Return the histograms in the query's rows, one a platform and minute."""
    merged: dict[tuple[str, int], Histogram] = {}
    for platform, minute, side, bound, number, total, lowest, highest in rows:
        bucket = int(side) * bucket_of(int(bound) + 1) if side else 0
        one = Histogram({bucket: int(number)}, 0, int(total), int(lowest), int(highest))
        key = (str(platform), int(minute))
        merged[key] = merged.get(key, Histogram()) + one
    return [
        latency_record((minute, STAGE), platform, "*", one.count, one, None, now_us)
        for (platform, minute), one in sorted(merged.items())
    ]


class StoredLatency:
    """Asks about once in ten seconds, and publishes what is new."""

    def __init__(
        self,
        settings: ClickHouseSettings,
        publish: Callable[[Sequence[Outgoing]], None],
        ours: Callable[[], bool],
    ) -> None:
        """``ours`` says whether this worker is to ask: one is enough, more do no harm."""
        self._writer = Writer(settings)
        self._publish = publish
        self._ours = ours
        self._versions: dict[tuple[str, int], int] = {}

    async def run(self) -> None:
        """Ask until cancelled. A ClickHouse or Kafka that is away is waited for."""
        try:
            while True:
                await asyncio.sleep(ASK_SECONDS)
                if not self._ours():
                    self._versions.clear()
                    continue
                try:
                    await self.ask(now_us())
                except (Transient, Fatal) as error:
                    STORED_FAILURES.inc()
                    log.warning("latency of storing is not known", error=str(error))
        finally:
            await self._writer.close()

    async def ask(self, now: int) -> list[Latency]:
        """Ask for the ten minutes that are over at ``now``, UTC microseconds; publish those whose
        count changed, and return them. Raises Transient, Fatal."""
        end = (now - GRACE_US) // MINUTE_US * MINUTE_US
        begin = end - MINUTES * MINUTE_US
        found = records_of(await self._writer.query(statement(begin, end)), now)
        new = [
            record
            for record in found
            if self._versions.get((record.platform, record.slot_ts), 0) < record.version
        ]
        items = [Outgoing(LATENCY.name, f"{one.platform}:{one.stage}", one) for one in new]
        await asyncio.to_thread(partial(self._publish, items))
        self._versions = {(one.platform, one.slot_ts): one.version for one in found}
        return new
