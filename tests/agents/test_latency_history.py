"""What a worker that takes a partition up is told of it, read from a real topic's end."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pytest

from agents.latency_history import MARGIN_US, LatencyHistory
from agents.latency_slots import MINUTE_US, latency_record
from schemas.codec import encode
from schemas.framing import frame
from schemas.histogram import Histogram
from schemas.latency import Latency
from schemas.registry import Registry
from schemas.settings import KafkaSettings, RegistrySettings
from schemas.topics import LATENCY

from .lab import Lab

pytestmark = pytest.mark.flow
START_US = 1_785_000_000_000_000
MINUTES = 100
VERSIONS = 5
PARTS = ("a/0", "a/1")


@pytest.fixture
def registry_client(registry: str) -> Iterator[Registry]:
    made = Registry(RegistrySettings.load(registry_url=registry))
    yield made
    made.close()


class Topic:
    """The topic latency: each minute of two parts is told five times, on a partition each."""

    def __init__(self, lab: Lab, registry: Registry) -> None:
        self._lab, self._registry = lab, registry
        self._schema_id = registry.id_of(LATENCY)
        for minute in range(MINUTES):
            self.say(minute, range(VERSIONS))
        self.say(MINUTES - 1, [1])  # an older one comes again
        self.flush()

    def say(self, minute: int, versions: range | list[int], timestamp: int | None = None) -> None:
        at = START_US + minute * MINUTE_US
        for version in versions:
            for partition, part in enumerate(PARTS):
                histogram = Histogram({5: version + 1})
                key = (at, "ingest_emit")
                record = latency_record(key, "kalshi", part, version, histogram, None, at)  # type: ignore[arg-type]
                self._lab.send(
                    frame(self._schema_id, encode(record)),
                    topic=LATENCY.name,
                    partition=partition,
                    timestamp=at // 1000 if timestamp is None else timestamp,
                )

    def flush(self) -> None:
        assert self._lab.producer.flush(30) == 0

    def history(self, first: int, most: int = 10**6) -> LatencyHistory:
        settings = KafkaSettings.load(kafka_bootstrap=self._lab.kafka)
        return LatencyHistory(settings, self._registry.schema, first, most)


def versions(records: Collection[Latency]) -> dict[int, int]:
    """Return the version found of each minute."""
    found: dict[int, int] = {}
    for record in records:
        assert record.count == record.version + 1
        found[(record.slot_ts - START_US) // MINUTE_US] = record.version
    return found


def test_the_end_of_the_topic_is_read_as_far_back_as_asked(
    lab: Lab, registry_client: Registry
) -> None:
    topic = Topic(lab, registry_client)
    all_minutes = dict.fromkeys(range(MINUTES), VERSIONS - 1)
    since = START_US + (MINUTES - 20) * MINUTE_US

    # In pieces of 30, 90, 360, ... records.
    records, begin = topic.history(first=30).of("a/1", since)
    assert begin <= since
    found = versions(records)
    assert found.keys() >= set(range(MINUTES - 20, MINUTES))
    assert found.items() <= all_minutes.items()

    records, begin = topic.history(first=30).of("a/1", 0)
    assert (versions(records), begin) == (all_minutes, 0)
    assert not topic.history(first=10**6).of("b/0", since)[0]


def test_what_it_did_not_read_back_to_is_not_claimed(lab: Lab, registry_client: Registry) -> None:
    topic = Topic(lab, registry_client)
    topic.say(0, [0], timestamp=0)  # what no clock says, in front of what is read
    for _ in range(5):
        topic.say(MINUTES, range(VERSIONS))
    topic.flush()
    records, begin = topic.history(first=26, most=26).of("a/0", START_US)
    assert begin == START_US + MINUTES * MINUTE_US + MARGIN_US
    assert versions(records) == {0: 0, MINUTES: VERSIONS - 1}


def test_the_next_one_reads_on_and_a_topic_made_anew_is_read_anew(
    lab: Lab, registry_client: Registry
) -> None:
    topic = Topic(lab, registry_client)
    history = topic.history(first=30)
    since = START_US + (MINUTES - 5) * MINUTE_US
    first, begin = history.of("a/0", since)
    assert max(versions(first)) == MINUTES - 1
    topic.say(MINUTES, range(2))
    topic.flush()
    more, same = history.of("a/0", since)
    assert same == begin
    assert versions(more)[MINUTES] == 1
    older, earlier = history.of("a/0", START_US)
    assert len(versions(older)) == MINUTES + 1
    assert earlier <= START_US < begin

    lab.make_topics([LATENCY.name])
    topic.say(7, [2])
    topic.flush()
    anew, begin = history.of("a/0", since)
    assert (versions(anew), begin) == ({7: 2}, 0)
