"""``echoarb decode`` and ``echoarb replay`` on a captured session of each simulated venue."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from connectors.capture import Capture
from echoarb.commands.decode import plain_record
from echoarb.stack import topics
from schemas.codec import decode_framed, encode
from schemas.ends import ends
from schemas.settings import KafkaSettings
from schemas.tick import Tick
from schemas.topics import PLATFORMS, TICK_PARTITIONS, ticks_topic
from tests.venues.live import Kept, live


async def session(platform: str, folder: Path) -> tuple[Kept, list[dict[str, Any]], list[str]]:
    """Capture a session with a reconnect; return what passed, the true books and the files."""
    async with live(platform, folder) as running:
        await running.until(lambda: len(running.kept.ticks) > 80)
        await running.simulator.drop_all()
        # By reason: the gap may be over before one looks whether it is open.
        await running.until(lambda: any(g.reason == "disconnect" for g in running.kept.gaps))
        await running.until(lambda: not running.open_gaps())
        await running.settle()
        books = running.simulator.books()
    capture = Capture(folder / "capture", platform, 200_000)
    for frame in running.kept.frames:
        capture.write(frame)
    capture.close()
    return running.kept, books, [str(path) for path in sorted((folder / "capture").iterdir())]


def echoarb(*arguments: str, code: int = 0) -> tuple[list[Any], str]:
    """Run the command; return its JSON lines and stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "echoarb", *arguments],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_decode_prints_what_the_live_run_published(platform: str, tmp_path: Path) -> None:
    kept, books, files = await session(platform, tmp_path)
    ticks, said = echoarb("decode", platform, *files, "--what", "ticks")
    assert ticks == [json.loads(json.dumps(plain_record(tick))) for tick in kept.ticks]
    assert all(isinstance(tick["bid"], str | None) for tick in ticks)
    summary = json.loads(said)
    assert summary["frames"] == len(kept.frames)
    assert sum(summary["ticks"].values()) == len(kept.ticks)
    assert sum(summary["gaps"].values()) >= 1
    assert summary["rejected"] == {}

    found, _ = echoarb("decode", platform, *files, "--what", "books")
    by_id = {book["outcome_id"]: book for book in found}
    for book in books:
        assert by_id[book["outcome_id"]] == {**book, "trusted": True}

    gaps, _ = echoarb("decode", platform, *files, "--what", "gaps")
    assert {gap["platform"] for gap in gaps} == {platform}
    closed = {gap["gap_id"] for gap in gaps if gap["to_ts"] is not None}
    assert {gap["gap_id"] for gap in gaps} == closed


async def test_replay_publishes_the_same_datums(broker: str, registry: str, tmp_path: Path) -> None:
    kept, _, files = await session("kalshi", tmp_path)
    settings = KafkaSettings.load(kafka_bootstrap=broker)
    topics.create(settings)
    before = ends(settings, {ticks_topic("kalshi"): TICK_PARTITIONS})
    _, said = echoarb("replay", "kalshi", *files, "--kafka", broker, "--registry", registry)
    assert f"{len(kept.frames)} frames published" in said
    consumer = Consumer(
        {"bootstrap.servers": broker, "group.id": "replay", "enable.auto.commit": False}
    )
    consumer.assign([TopicPartition(topic, number, end) for (topic, number), end in before.items()])
    found: list[bytes] = []
    while len(found) < len(kept.ticks):
        messages = consumer.consume(min(len(kept.ticks) - len(found), 500), timeout=10)
        assert messages, f"{len(found)} of {len(kept.ticks)}"
        for message in messages:
            tick = decode_framed("tick", message.value() or b"")
            assert isinstance(tick, Tick)
            assert tick.emit_ts is not None
            assert tick.emit_ts > tick.ingest_ts
            found.append(encode(dataclasses.replace(tick, emit_ts=0)))
    consumer.close()
    expected = [encode(dataclasses.replace(tick, emit_ts=0)) for tick in kept.ticks]
    assert sorted(found) == sorted(expected)


def test_a_missing_file_and_an_unknown_platform_are_one_clear_line(tmp_path: Path) -> None:
    _, said = echoarb("decode", "kalshi", str(tmp_path / "none.jsonl"), code=2)
    assert said.startswith("error: ")
    assert "none.jsonl" in said
    _, said = echoarb("decode", "predictit", str(tmp_path / "none.jsonl"), code=2)
    assert "must be one of kalshi, polymarket, manifold" in said


def test_unreadable_lines_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "broken.jsonl"
    frames = [
        b"no json\n",
        b'{"received_us": 1, "connection": "c", "frame": "PONG"}\n',
        b'{"received_us": 2, "connection": "c", "frame": "{"}\n',
    ]
    path.write_bytes(b"".join(frames))
    ticks, said = echoarb("decode", "polymarket", str(path))
    assert ticks == []
    summary = json.loads(said)
    assert summary["frames"] == 3
    assert summary["rejected"]["capture_line"] == 1
    assert sum(summary["rejected"].values()) == 2
