"""Latencies are counted exactly once in effect, wherever the worker is killed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from agents.latency_slots import AHEAD_US, DISORDER_US, MINUTE_US, OPEN_US
from agents.ledger import LatencyLedger
from agents.processor import Outgoing
from agents.transport import Batch
from schemas.codec import encode, parsed_schema
from schemas.errors import Transient
from schemas.framing import frame
from schemas.histogram import count
from schemas.latency import Latency

from .lab import tick

TOPIC, TOPIC_ID = "ticks.kalshi", UUID(int=5)
START_US = 1_785_000_000_000_000
Key = tuple[int, str]


@dataclass(frozen=True)
class Record:
    offset: int
    append_us: int
    ingest_us: int
    emit_us: int
    source_us: int | None
    key: bytes | None = b"k"

    @property
    def timestamp(self) -> int:
        return self.append_us // 1000 if self.append_us >= 0 else -1

    @property
    def value(self) -> bytes:
        times = {"ingest_ts": self.ingest_us, "emit_ts": self.emit_us, "source_ts": self.source_us}
        return frame(7, encode(replace(tick(1), **times)))


class Topic:
    """The topic latency: what a restarted worker reads."""

    def __init__(self) -> None:
        self.records: list[Latency] = []

    def of(self, part: str, since_us: int) -> tuple[Collection[Latency], int]:
        return [record for record in self.records if record.part == part], 0

    def newest(self) -> dict[Key, Latency]:
        found: dict[Key, Latency] = {}
        for record in self.records:
            key = (record.slot_ts, record.stage)
            if key not in found or found[key].version < record.version:
                found[key] = record
        return found


def expected(records: list[Record]) -> dict[Key, Any]:
    """Return the histograms of records, counted one by one."""
    by_key: dict[Key, list[int | None]] = defaultdict(list)
    for record in records:
        append = record.timestamp * 1000
        source = None if record.source_us is None else record.ingest_us - record.source_us
        for stage, end, us in (
            ("source_ingest", record.ingest_us, source),
            ("ingest_emit", record.emit_us, record.emit_us - record.ingest_us),
            ("emit_append", append, append - record.emit_us),
        ):
            by_key[end // MINUTE_US * MINUTE_US, stage].append(us)
    return {
        key: count(
            np.array([us for us in values if us is not None], dtype=np.int64), values.count(None)
        )
        for key, values in by_key.items()
    }


def agrees(record: Latency, histogram: Any) -> bool:
    return (
        {item.bucket: item.count for item in record.buckets} == dict(histogram.counts)
        and (record.count, record.missing) == (histogram.count, histogram.missing)
        and (record.sum_us, record.negative) == (histogram.sum_us, histogram.negative)
        and (record.min_us, record.max_us) == (histogram.min_us, histogram.max_us)
    )


def ledger_on(topic: Topic, now_us: int = START_US + 10**12) -> LatencyLedger:
    return LatencyLedger(
        lambda _: parsed_schema("tick"), lambda _: TOPIC_ID, topic, clock=lambda: now_us
    )


class Kills(RuleBasedStateMachine):
    """A worker that is killed between any two publications, and one that takes over."""

    @initialize()
    def start(self) -> None:
        self.log: list[Record] = []
        self.topic = Topic()
        self.committed = 0
        self.read = 0
        self.now = START_US
        self.ledger: LatencyLedger | None = None

    @rule(
        steps=st.lists(
            st.tuples(
                st.integers(0, 40_000_000),  # to the next append
                st.integers(-100_000, 100_000_000),  # append less emit
                st.integers(0, 5_000_000),  # emit less ingest
                st.none() | st.integers(-3_000_000, 10_000_000),  # ingest less source
            ),
            max_size=6,
        )
    )
    def ticks_come(self, steps: list[tuple[int, int, int, int | None]]) -> None:
        for passed, append, emit, source in steps:
            self.now += passed
            at = self.now // 1000 * 1000
            emitted = at - append
            ingested = emitted - emit
            self.log.append(
                Record(
                    len(self.log),
                    at,
                    ingested,
                    emitted,
                    None if source is None else ingested - source,
                )
            )

    @rule(size=st.integers(1, 5), killed_after=st.none() | st.integers(0, 6), commit=st.booleans())
    def a_batch(self, size: int, killed_after: int | None, commit: bool) -> None:
        records = self.log[self.read : self.read + size]
        if not records:
            return
        batch = Batch(TOPIC, 0, records)
        if self.ledger is None:
            self.ledger = ledger_on(self.topic)
            self.ledger.restore(batch)
        found = self.ledger.process(batch, live=True)
        for at, item in enumerate(found):
            if at == killed_after:
                self.killed()
                return
            assert isinstance(item.record, Latency)
            self.topic.records.append(item.record)
        self.read += len(records)
        if commit:
            self.committed = self.read

    @rule()
    def killed(self) -> None:
        self.ledger = None
        self.read = self.committed

    @invariant()
    def what_is_published_counts_what_lies_below_its_version(self) -> None:
        for key, record in self.topic.newest().items():
            histogram = expected(self.log[: record.version])[key]
            assert agrees(record, histogram)

    def teardown(self) -> None:
        while self.read < len(self.log):
            self.a_batch(3, None, True)
        newest = self.topic.newest()
        wanted = expected(self.log)
        assert newest.keys() == wanted.keys()
        assert all(agrees(newest[key], wanted[key]) for key in wanted)


TestKills = Kills.TestCase
TestKills.settings = hypothesis_settings(max_examples=60, stateful_step_count=25, deadline=None)


def plain(offset: int, append_us: int, **changes: Any) -> Record:
    record = Record(offset, append_us, append_us - 2000, append_us - 1000, append_us - 9000)
    return replace(record, **changes)


def published(found: list[Outgoing]) -> dict[Key, Latency]:
    records = [item.record for item in found]
    assert all(isinstance(record, Latency) for record in records)
    return {(r.slot_ts, r.stage): r for r in records if isinstance(r, Latency)}


def uncounted(ledger: LatencyLedger, batch: Batch) -> Counter[str]:
    from agents.latency_metrics import UNCOUNTED

    def value(reason: str) -> float:
        return UNCOUNTED.labels("kalshi", reason)._value.get()

    reasons = ("late", "append_time_ahead", "no_append_time", "time_far_off", "not_restored")
    before = {reason: value(reason) for reason in reasons}
    ledger.process(batch, live=True)
    return Counter({r: int(value(r) - before[r]) for r in reasons if value(r) != before[r]})


def ready(topic: Topic | None = None, now_us: int = START_US + 10**10) -> LatencyLedger:
    ledger = ledger_on(topic or Topic(), now_us)
    ledger.restore(Batch(TOPIC, 0, [plain(0, START_US)]))
    return ledger


def test_a_minute_that_was_forgotten_is_not_opened_again() -> None:
    """Its row holds more than what came too late."""
    ledger = ready()
    ledger.process(Batch(TOPIC, 0, [plain(0, START_US)]), live=True)
    late = plain(2, START_US + 1_000_000)
    found = uncounted(ledger, Batch(TOPIC, 0, [plain(1, START_US + 3600 * 10**6), late]))
    assert found == Counter(late=1)


@pytest.mark.parametrize(
    ("record", "reasons"),
    [
        (plain(0, START_US + 10**11), Counter(append_time_ahead=1)),
        (plain(0, -1), Counter(no_append_time=1)),
        (plain(0, START_US, ingest_us=START_US + AHEAD_US + MINUTE_US), Counter(time_far_off=1)),
        (plain(0, START_US, emit_us=START_US - OPEN_US - MINUTE_US), Counter(time_far_off=1)),
    ],
)
def test_times_that_cannot_be_are_counted_with_a_reason(
    record: Record, reasons: Counter[str]
) -> None:
    assert uncounted(ready(), Batch(TOPIC, 0, [record])) == reasons


def test_ticks_of_a_producer_that_had_to_wait_count_in_their_own_minute() -> None:
    waited = plain(0, START_US, ingest_us=START_US - 10 * MINUTE_US)
    found = published(ready().process(Batch(TOPIC, 0, [waited]), live=True))
    slots = {stage: slot for slot, stage in found}
    assert slots["source_ingest"] == (START_US - 10 * MINUTE_US) // MINUTE_US * MINUTE_US
    assert slots["emit_append"] == START_US // MINUTE_US * MINUTE_US


def test_minutes_that_could_not_be_read_back_are_left_alone() -> None:
    class Short(Topic):
        def of(self, part: str, since_us: int) -> tuple[Collection[Latency], int]:
            return [], START_US + DISORDER_US

    ledger = ready(Short())
    assert uncounted(ledger, Batch(TOPIC, 0, [plain(0, START_US)])) == Counter(not_restored=3)
    later = plain(1, START_US + 2 * DISORDER_US)
    assert len(ledger.process(Batch(TOPIC, 0, [later]), live=True)) == 3


def test_nothing_changes_while_a_schema_cannot_be_asked_for() -> None:
    away = True

    def schema_of(_: int) -> Any:
        if away:
            raise Transient("the registry is away")
        return parsed_schema("tick")

    ledger = LatencyLedger(schema_of, lambda _: TOPIC_ID, Topic(), clock=lambda: START_US)
    batch = Batch(TOPIC, 0, [plain(0, START_US)])
    ledger.restore(batch)
    with pytest.raises(Transient):
        ledger.process(batch, live=True)
    away = False
    assert all(r.count == 1 for r in published(ledger.process(batch, live=True)).values())


def test_the_floor_is_the_lowest_of_ten_minutes() -> None:
    ledger = ready()
    floors = []
    for minute, source in ((0, 5000), (9, 7000), (11, 8000)):
        at = START_US + minute * MINUTE_US
        record = plain(minute, at, source_us=at - 2000 - source)
        found = published(ledger.process(Batch(TOPIC, 0, [record]), live=True))
        floors += [r.floor_us for (_, stage), r in found.items() if stage == "source_ingest"]
        assert all(r.floor_us is None for (_, s), r in found.items() if s != "source_ingest")
    assert floors == [5000, 5000, 7000]


def test_partitions_are_counted_apart_and_forgotten_when_given_up() -> None:
    topic = Topic()
    ledger = ledger_on(topic)
    for partition in (0, 1):
        batch = Batch(TOPIC, partition, [plain(0, START_US)])
        ledger.restore(batch)
        found = published(ledger.process(batch, live=True))
        assert {record.part for record in found.values()} == {f"{TOPIC_ID}/{partition}"}
    ledger.revoked({(TOPIC, 0)})
    with pytest.raises(KeyError):
        ledger.process(Batch(TOPIC, 0, [plain(1, START_US)]), live=True)
