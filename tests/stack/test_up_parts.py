"""The pure parts of `echoarb up`: plan, numbers, snapshot, view, summary."""

from __future__ import annotations

import dataclasses
import io
import stat
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from rich.console import Console

from echoarb.stack import view
from echoarb.stack.findings import Findings
from echoarb.stack.keys import key_pair
from echoarb.stack.ledger import Count
from echoarb.stack.numbers import Tally, parse
from echoarb.stack.plan import (
    Options,
    check_ports,
    simulated_env,
    simulator_command,
    venues_of,
)
from echoarb.stack.process import Child
from echoarb.stack.snapshot import take
from echoarb.stack.summary import build
from echoarb.stack.supervisor import Part, State
from schemas.errors import ConfigurationError

OPTIONS = Options(
    live=False,
    venues=("kalshi", "manifold"),
    rate=200,
    seconds=None,
    kafka="tansu",
    clickhouse=None,
    registry=None,
    data_dir=Path("data"),
    api_port=1,
    metrics_port=2,
    kafka_port=3,
    registry_port=4,
    clickhouse_port=5,
    memory_limit_mb=4096,
)


def test_local_parts_have_ports_and_real_ones_have_none() -> None:
    assert [port for port, _ in OPTIONS.ports()] == [1, 2, 3, 4, 5]
    real = dataclasses.replace(
        OPTIONS, kafka="broker:9092", clickhouse="http://c:1", registry="http://r:1"
    )
    assert real.ports() == [(1, "--api-port"), (2, "--metrics-port")]
    env = real.services_env()
    assert env["ECHOARB_KAFKA_BOOTSTRAP"] == "broker:9092"
    assert env["ECHOARB_CLICKHOUSE_URL"] == "http://c:1"
    assert env["ECHOARB_REGISTRY_URL"] == "http://r:1"
    assert "ECHOARB_KAFKA_SECURITY" not in env


def test_two_options_with_one_port_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="--api-port and --kafka-port are both 1"):
        check_ports(dataclasses.replace(OPTIONS, kafka_port=1))


@pytest.mark.parametrize("text", ["", ",", "kalshi,betfair"])
def test_unknown_venues_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="known: kalshi, polymarket, manifold"):
        venues_of(text)


def test_venues_are_taken_once() -> None:
    assert venues_of(" manifold, kalshi,manifold") == ("manifold", "kalshi")


def test_simulators_share_the_rate_and_kalshi_knows_the_key() -> None:
    kalshi = simulator_command("kalshi", 9, OPTIONS, Path("public.pem"))
    assert kalshi[kalshi.index("--rate") + 1] == "100"
    assert kalshi[kalshi.index("--public-key") + 1] == "public.pem"
    key_id = kalshi[kalshi.index("--key-id") + 1]
    env = simulated_env("kalshi", 9, Path("private.pem"))
    assert env["ECHOARB_KALSHI_KEY_ID"] == key_id
    assert all("127.0.0.1:9" in value for name, value in env.items() if name.endswith("_URL"))
    assert "--public-key" not in simulator_command("manifold", 9, OPTIONS, Path("public.pem"))


def test_keys_are_made_once_and_private(tmp_path: Path) -> None:
    private, public = key_pair(tmp_path)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    first = private.read_bytes()
    assert b"PRIVATE" in first
    assert b"PRIVATE" not in public.read_bytes()
    assert key_pair(tmp_path)[0].read_bytes() == first


def exposition(frames: int, sockets: int) -> str:
    registry = CollectorRegistry()
    counter = Counter("echoarb_ticks", "t", ["platform", "kind"], registry=registry)
    counter.labels("kalshi", "quote").inc(frames)
    counter.labels("kalshi", "trade").inc(1)
    Gauge("echoarb_connected_sockets", "s", ["platform"], registry=registry).labels("kalshi").set(
        sockets
    )
    Counter("other", "o", registry=registry).inc()
    return generate_latest(registry).decode()


def test_samples_are_summed_over_labels() -> None:
    samples = parse(exposition(5, 2))
    assert samples["echoarb_ticks_total{kalshi}"] == 6
    assert samples["echoarb_connected_sockets{kalshi}"] == 2
    assert not any(name.startswith("other") for name in samples)


def test_counters_go_on_over_a_restart_and_gauges_do_not() -> None:
    tally = Tally()
    tally.add("connector", 0, parse(exposition(5, 2)))
    tally.add("connector", 0, parse(exposition(9, 2)))
    tally.add("connector", 1, parse(exposition(1, 1)))
    assert tally.value("echoarb_ticks_total", "kalshi") == 12
    assert tally.value("echoarb_connected_sockets", "kalshi") == 1
    assert tally.value("echoarb_ticks_total", "manifold") == 0


def part(name: str, state: State = State.running, said: str = "") -> Part:
    return Part(name, Child(name, ["true"], Path("log")), state=state, said=said)


@pytest.mark.parametrize(
    ("samples", "state", "words"),
    [
        ({}, State.running, "not connected, trying"),
        ({"echoarb_breaker_open{kalshi}": 1}, State.running, "can't be reached"),
        ({"echoarb_connected_sockets{kalshi}": 1}, State.running, "connected, no data yet"),
        ({"echoarb_frames_total{kalshi}": 1}, State.running, "disconnected, trying again"),
        ({}, State.failed, "stopped for good: no key"),
        ({}, State.waiting, "down, starting again: no key"),
    ],
)
def test_a_venue_says_how_it_is(samples: dict[str, float], state: State, words: str) -> None:
    tally = Tally()
    tally.add("connector-kalshi", 0, samples)
    parts = {"connector-kalshi": part("connector-kalshi", state, "no key")}
    snapshot = take(1, ["kalshi"], tally, parts, None, {}, (), Findings())
    assert snapshot.venues[0].state.startswith(words)
    assert words in view.line(snapshot)


def test_the_view_shows_every_number() -> None:
    tally = Tally()
    tally.add("c", 0, {"echoarb_ticks_total{kalshi}": 100, "echoarb_frames_total{kalshi}": 50})
    first = take(1, ["kalshi"], tally, {"sink": part("sink")}, None, {}, (), Findings())
    tally.add(
        "c",
        0,
        {
            "echoarb_ticks_total{kalshi}": 300,
            "echoarb_frames_total{kalshi}": 150,
            "echoarb_connected_sockets{kalshi}": 1,
            "echoarb_dropped_total{kalshi}": 7,
            "echoarb_gaps_total{kalshi}": 2,
            "echoarb_sink_lag_records": 11,
        },
    )
    pair = {"p50": 1.25, "p99": 9.5}
    latencies = {"kalshi": {"source_ingest": pair, "ingest_emit": pair}}
    tick = (
        datetime(2026, 1, 1, 12, 0, 0, 5, tzinfo=UTC),
        "kalshi",
        "[MARKET]",
        "quote",
        None,
        Decimal("0.40000000"),
        Decimal("0.5"),
    )
    parts = {"sink": part("sink")}
    findings = Findings(
        pairs=9,
        open_alerts=5,
        spreads=[("[A pair]", Decimal("0.07"), "KALSHI-MANIFOLD", None, None)],
        alerts=[(datetime(2026, 1, 1, 13, tzinfo=UTC), "high", "spread", "[A pair]: 0.17 between")],
    )
    snapshot = take(3, ["kalshi"], tally, parts, first, latencies, [tick], findings)
    assert snapshot.venues[0].rate == 100
    assert "7 dropped" in view.line(snapshot)
    assert "9 pairs 5 alerts" in view.line(snapshot)
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(view.tables(snapshot, ["[a note]"]))
    text = console.export_text()
    for expected in (
        "100",
        "1.2 / 9.5",
        "lag 11",
        "[MARKET]",
        "0.4",
        "[a note]",
        "12:00:00.000005",
        "spreads of 9 pairs",
        "[A pair]",
        "0.07",
        "KALSHI-MANIFOLD",
        "5 open alerts",
        "13:00:00",
        "[A pair]: 0.17 between",
    ):
        assert expected in text, expected


def test_summary_has_its_form_and_is_shown() -> None:
    tally = Tally()
    tally.add("c", 0, {"echoarb_frames_total{kalshi}": 50, "echoarb_gaps_total{kalshi}": 1})
    counts = {"kalshi": Count(published=100, stored=97, accounted=98, visible=99, raw=120)}
    latencies = {"*": {"emit_stored": {"p50": 10.0, "p99": 20.0}}}
    sink = part("sink")
    sink.peak_rss_mb, sink.restarts = 12.34, 2
    summary = build(
        60.04, counts, 1, latencies, tally, {"sink": sink}, broken=False, findings=Findings(8, 3)
    )
    assert summary == {
        "seconds": 60.0,
        "platforms": {
            "kalshi": {"frames": 50, "ticks": 100, "stored": 97, "gaps": 1, "dropped": 0}
        },
        "lost": 2,
        "duplicates": 2,
        "duplicates_before_merges": 23,
        "dead_letters": 1,
        "pairs": 8,
        "open_alerts": 3,
        "latency_ms": {
            "source_ingest": {"p50": None, "p99": None},
            "ingest_emit": {"p50": None, "p99": None},
            "emit_stored": {"p50": 10.0, "p99": 20.0},
        },
        "rss_mb": {"sink": 12.3},
        "restarts": {"sink": 2},
    }
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(view.summary_tables(summary))
    assert "8 pairs with a spread, 3 open alerts" in console.export_text(clear=False)
    assert "lost 2, duplicates 2, dead letters 1" in console.export_text()
    assert build(1, counts, 0, {}, tally, {}, broken=True, findings=Findings())["lost"] is None
