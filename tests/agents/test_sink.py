"""The sink as a process, on a real broker, registry and ClickHouse."""

from __future__ import annotations

import re
import signal
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from echoarb.stack import services
from echoarb.stack.ports import free_port
from schemas.codec import encode
from schemas.deadletter import DeadLetter
from schemas.framing import frame
from schemas.gap import Gap
from schemas.identity import event_id
from schemas.market import Market, Outcome
from schemas.registry import Registry
from schemas.settings import RegistrySettings
from schemas.topics import TOPICS

from .lab import TICKS, Lab, end, in_background, tick, until
from .proxy import in_front_of

pytestmark = pytest.mark.flow


def framed(lab: Lab, topic: str, record: Gap | Market | DeadLetter) -> bytes:
    registry = Registry(RegistrySettings.load(registry_url=lab.registry))
    try:
        return frame(registry.id_of(TOPICS[topic]), encode(record))
    finally:
        registry.close()


def test_every_field_of_a_tick_is_stored(broker_lab: Lab) -> None:
    lab = broker_lab
    sink = lab.start()
    sent = tick(7)
    lab.send(frame(lab.schema_id, encode(sent)), partition=3, timestamp=1_700_000_000_123)
    lab.producer.flush()
    lab.wait_for_rows(1)
    row = dict(
        zip(
            (result := lab.client.query("SELECT * FROM ticks")).column_names,
            result.result_rows[0],
            strict=True,
        )
    )
    assert (row["kafka_partition"], row["kafka_offset"]) == (3, 0)
    assert row["append_ts"].timestamp() == 1_700_000_000.123
    assert isinstance(row["topic_id"], UUID)
    assert row["topic_id"].int
    for name in ("platform", "market_id", "outcome_id", "outcome", "kind", "side", "sequence"):
        assert row[name] == getattr(sent, name)
    for name in ("price", "size", "bid", "bid_size", "ask", "ask_size", "volume", "open_interest"):
        assert row[name] == getattr(sent, name)
    for name in ("ingest_ts", "emit_ts", "source_ts"):
        moment = getattr(sent, name)
        assert int(row[name].timestamp() * 1_000_000 + 0.5) == moment
    assert row["tick_id"] == sent.tick_id
    assert end(sink) == 0


def test_gaps_markets_and_dead_letters_are_stored(lab: Lab) -> None:
    gap_id = event_id("gap", 1)
    opened = Gap(gap_id, "kalshi", None, "0/1", "disconnect", 1_000_000, None, None, None)
    closed = Gap(gap_id, "kalshi", None, "0/1", "disconnect", 1_000_000, 9_000_000, 3, "late")
    market = Market(
        seen_ts=2_000_000,
        platform="manifold",
        market_id="m1",
        event_id=None,
        slug="will-it",
        title="Will it?",
        outcomes=(Outcome("a", "A"), Outcome("b", "B")),
        status="open",
        resolution=None,
        open_ts=None,
        close_ts=5_000_000,
        unit="MANA",
        tick_size=None,
        min_size=Decimal("1"),
        fee_type=None,
        fee_rate=None,
        volume=Decimal("10.25"),
        mechanism="cpmm-1",
    )
    letter = DeadLetter(
        3_000_000, "ticks.kalshi", event_id("t"), 1, 2, None, "framing", "x", "w", None, b"\xff\x00"
    )
    lab.send(framed(lab, "gaps", opened), topic="gaps")
    lab.send(framed(lab, "gaps", closed), topic="gaps")
    lab.send(framed(lab, "markets", market), topic="markets")
    lab.send(framed(lab, "deadletters", letter), topic="deadletters")
    lab.producer.flush()
    sink = lab.start()
    for table, count in (("gaps", 2), ("markets", 1), ("dead_letters", 1)):
        lab.wait_for_rows(count, table)
    latest = "SELECT reason, missed, detail, toUnixTimestamp64Micro(to_ts) FROM gaps_latest"
    assert lab.client.query(latest).result_rows == [("disconnect", 3, "late", 9_000_000)]
    found = lab.client.query(
        "SELECT title, outcomes.outcome_id, status, min_size, volume, tick_size FROM markets_latest"
    ).result_rows
    assert found == [("Will it?", ["a", "b"], "open", Decimal(1), Decimal("10.25"), None)]
    found = lab.client.query(
        "SELECT source_topic, source_topic_id, source_partition, source_offset, reason, "
        "hex(value), topic_id = source_topic_id FROM dead_letters"
    ).result_rows
    assert found == [("ticks.kalshi", event_id("t"), 1, 2, "framing", "FF00", 0)]
    assert end(sink, signal.SIGINT) == 0


def test_poison_goes_to_dead_letters_and_nothing_else_suffers(lab: Lab) -> None:
    good = encode(tick(1))
    bad_uuid = good[:-36] + b"not-a-uuid".ljust(36, b"!")
    poison = {
        "framing": [None, b"", b"\x00\x00", b"{}", b"\x01" + bytes(4) + good],
        "unknown_schema": [frame(9999, good)],
        "truncated": [
            frame(lab.schema_id, good[:-1]),
            frame(lab.schema_id, b""),
            frame(lab.schema_id, bad_uuid),
        ],
        "trailing": [frame(lab.schema_id, good + b"\x00"), frame(lab.schema_id, good + good)],
    }
    for reason, values in poison.items():
        for value in values:
            lab.send(value, partition=0, key=reason.encode())  # first, middle and last alike
            lab.produce(5, partitions=1)
    for values in poison.values():
        lab.send(values[-1], partition=0)
    lab.producer.flush()
    sink = lab.start()
    lab.wait_for_rows(lab.produced)
    expected = {reason: len(values) + 1 for reason, values in poison.items()}
    lab.wait_for_rows(sum(expected.values()), "dead_letters")
    lab.exactly_once()
    counted = lab.client.query("SELECT reason, count() FROM dead_letters FINAL GROUP BY reason")
    assert dict(counted.result_rows) == expected
    kept = lab.client.query(
        "SELECT value FROM dead_letters WHERE reason = 'trailing' ORDER BY source_offset",
        column_formats={"value": "bytes"},
    ).result_rows
    assert [row[0] for row in kept] == [*poison["trailing"], poison["trailing"][-1]]
    lab.produce(10)
    lab.wait_for_rows(lab.produced)
    assert end(sink) == 0


def test_value_that_only_clickhouse_refuses_is_found_by_halving(lab: Lab) -> None:
    good = encode(tick(1))
    # A bid of 30 bytes is Avro all right, and fastavro takes it; the column takes 18 digits.
    wide = good.replace(b"\x02\x06" + (10**6).to_bytes(3, "big"), b"\x02\x3c" + b"\x11" * 30, 1)
    assert wide != good
    lab.produce(500, partitions=1)
    lab.send(frame(lab.schema_id, wide), partition=0)
    lab.produce(500, partitions=1)
    sink = lab.start()
    lab.wait_for_rows(1000)
    lab.wait_for_rows(1, "dead_letters")
    lab.exactly_once()
    assert end(sink) == 0


def test_nothing_but_poison_ends_the_sink(lab: Lab) -> None:
    for _ in range(300):
        lab.send(b"poison", partition=0)
    lab.producer.flush()
    sink = lab.start(ECHOARB_SINK_POISON_LIMIT="100")
    assert sink.wait(40) == 1
    assert "in a row could not be used" in lab.log.read_text()


def test_batches_are_made_ready_while_others_are_stored(lab: Lab) -> None:
    port = free_port()
    with in_front_of(lab.clickhouse) as proxy:
        lab.start(
            ECHOARB_CLICKHOUSE_URL=proxy.url,
            ECHOARB_METRICS_PORT=str(port),
            ECHOARB_SINK_FLUSH_ROWS="500",
        )
        lab.ready(1)
        proxy.delay_seconds = 0.2
        lab.produce(6000, rate=3000)
        proxy.delay_seconds = 0
        lab.wait_for_rows(lab.produced)
    lab.exactly_once()
    told = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    ahead = re.search(r'^echoarb_sink_ahead_total{table="ticks"} (\d+)', told, re.MULTILINE)
    assert ahead is not None
    assert int(ahead.group(1)) > 0


def test_sigterm_in_mid_insert(lab: Lab) -> None:
    lab.produce(60_000)
    with in_front_of(lab.clickhouse) as proxy:
        sink = lab.start(ECHOARB_CLICKHOUSE_URL=proxy.url)
        until(lambda: lab.rows() > 0)
        proxy.delay_seconds = 1.5  # an insert is under way, its answer is not
        lab.produce(5000)
        before = proxy.requests
        until(lambda: proxy.requests > before)
        assert end(sink) == 0
    sink = lab.start()
    lab.ready(2)
    lab.wait_for_rows(lab.produced)
    lab.exactly_once()
    assert lab.one("SELECT count() FROM ticks") == lab.produced
    assert end(sink) == 0


def test_answer_that_comes_too_late(lab: Lab) -> None:
    with in_front_of(lab.clickhouse) as proxy:
        sink = lab.start(ECHOARB_CLICKHOUSE_URL=proxy.url, ECHOARB_SINK_INSERT_TIMEOUT_SECONDS="1")
        lab.produce(1000)
        lab.wait_for_rows(1000)
        proxy.delay_seconds = 2
        lab.produce(1000)
        until(lambda: "trying again" in lab.log.read_text())
        proxy.delay_seconds = 0
        lab.produce(1000)
        lab.wait_for_rows(3000)
        lab.exactly_once()
        assert lab.one("SELECT count() FROM ticks") == 3000  # not one double, even before merging
        assert end(sink) == 0


def test_clickhouse_away_for_a_while(lab: Lab) -> None:
    with in_front_of(lab.clickhouse) as proxy:
        sink = lab.start(ECHOARB_CLICKHOUSE_URL=proxy.url, ECHOARB_SINK_BACKOFF_CAP_SECONDS="1")
        lab.produce(1000)
        lab.wait_for_rows(1000)
        proxy.go_away()
        lab.produce(20_000)
        until(lambda: lab.log.read_text().count("trying again") >= 3)
        assert sink.poll() is None
        assert lab.rows() == 1000
        proxy.away = False
        lab.wait_for_rows(21_000)
        lab.exactly_once()
        assert end(sink) == 0


def test_registry_down_at_start(lab: Lab, tmp_path: Path) -> None:
    port = free_port()
    sink = lab.start(ECHOARB_REGISTRY_URL=f"http://127.0.0.1:{port}")
    lab.produce(100)
    until(lambda: lab.log.exists() and "trying again" in lab.log.read_text())
    assert sink.poll() is None
    registry = services.start_registry(port, tmp_path / "registry.log")
    try:
        lab.wait_for_rows(100)
        lab.exactly_once()
        assert end(sink) == 0
    finally:
        registry.stop()


def test_workers_that_come_and_go(broker_lab: Lab) -> None:
    lab = broker_lab
    stop = []

    def load() -> None:
        while not stop:
            lab.produce(1000, rate=5000)

    first = lab.start()
    loader = in_background(load)
    try:
        until(lambda: lab.rows() > 0)
        second = lab.start()
        lab.ready(2)
        assert end(first) == 0
        third = lab.start()
        lab.ready(3)
        assert end(second) == 0
    finally:
        stop.append(True)
        loader.join()
    lab.wait_for_rows(lab.produced)
    lab.exactly_once()
    assert lab.one("SELECT count() FROM ticks") == lab.produced
    assert end(third) == 0


def test_topic_made_anew_while_it_is_read(lab: Lab) -> None:
    sink = lab.start()
    lab.produce(1000)
    lab.wait_for_rows(1000)
    lab.make_topics([TICKS])
    lab.produce(500)
    assert sink.wait(40) == 1
    assert "made anew" in lab.log.read_text() or "was deleted" in lab.log.read_text()
    sink = lab.start()
    lab.wait_for_rows(1500)
    lab.exactly_once()
    assert lab.one("SELECT uniq(topic_id) FROM ticks") == 2
    assert end(sink) == 0


def test_metrics(lab: Lab) -> None:
    port = free_port()
    sink = lab.start(ECHOARB_METRICS_PORT=str(port))
    lab.produce(100)
    lab.send(b"poison")
    lab.producer.flush()
    lab.wait_for_rows(100)
    lab.wait_for_rows(1, "dead_letters")

    def committed() -> bool:
        return "echoarb_sink_lag_records 0.0" in httpx.get(f"http://127.0.0.1:{port}/metrics").text

    until(committed)
    text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    assert 'echoarb_sink_rows_total{table="ticks"} 100.0' in text
    assert 'echoarb_sink_dead_letters_total{reason="framing"} 1.0' in text
    assert end(sink) == 0


def test_tables_missing(lab: Lab) -> None:
    lab.produce(10)
    lab.client.command("DROP TABLE latest_of_ticks")
    lab.client.command("DROP TABLE ticks SYNC")
    sink = lab.start()
    assert sink.wait(40) == 1
    assert "echoarb migrate" in lab.log.read_text()
