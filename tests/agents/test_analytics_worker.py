"""The analytics as processes on a real broker: what they know survives kill -9 and sharing."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from schemas.clock import now_us
from schemas.codec import decode_framed, encode
from schemas.framing import frame
from schemas.spread import Spread
from schemas.topics import SPREADS, ticks_topic

from .lab import Lab, end, tick, until

pytestmark = pytest.mark.flow
LEGS = ("kalshi", "polymarket")


def market(platform: str, pair: int) -> str:
    return f"{platform}-{pair}"


def write_pairs(path: Path, count: int) -> str:
    pairs = [
        {
            "id": f"pair-{number}",
            "description": "Will it?",
            "legs": [
                {
                    "platform": platform,
                    "max_age_seconds": 3600,
                    "outcomes": [
                        {
                            "market_id": market(platform, number),
                            "outcome_id": market(platform, number),
                        }
                    ],
                }
                for platform in LEGS
            ],
        }
        for number in range(count)
    ]
    path.write_text(json.dumps({"pairs": pairs}))
    return str(path)


def quote(lab: Lab, platform: str, pair: int, bid: str, ask: str) -> None:
    name = market(platform, pair)
    now = now_us()
    said = replace(
        tick(1, platform=platform),
        market_id=name,
        outcome_id=name,
        ingest_ts=now,
        emit_ts=now,
        bid=Decimal(bid),
        ask=Decimal(ask),
    )
    lab.send(frame(lab.schema_id, encode(said)), topic=ticks_topic(platform), key=name.encode())
    assert lab.producer.flush(30) == 0


class Spreads:
    """Everything on the topic spreads, newest by pair."""

    def __init__(self, lab: Lab) -> None:
        self.newest: dict[str, Spread] = {}
        self.count = 0
        self._consumer = Consumer({"bootstrap.servers": lab.kafka, "group.id": uuid.uuid4().hex})
        self._consumer.assign(
            [TopicPartition(SPREADS.name, number, 0) for number in range(SPREADS.partitions)]
        )

    def mids(self, pair: int) -> tuple[Decimal | None, ...]:
        """Return the newest mids of a pair's legs, in the order of the file."""
        for message in self._consumer.consume(500, 0.2):
            if message.error() is None:
                spread = decode_framed("spread", message.value() or b"")
                assert isinstance(spread, Spread)
                self.newest[spread.pair_id] = spread
                self.count += 1
        found = self.newest.get(f"pair-{pair}")
        return tuple(leg.probability for leg in found.legs) if found else ()

    def close(self) -> None:
        self._consumer.close()


@pytest.fixture
def spreads(lab: Lab) -> Iterator[Spreads]:
    made = Spreads(lab)
    yield made
    made.close()


def test_spreads_survive_kill_9_with_what_was_known_before(
    lab: Lab, spreads: Spreads, tmp_path: Path
) -> None:
    pairs = write_pairs(tmp_path / "pairs.json", 1)
    first = lab.start("analytics", ECHOARB_MARKET_PAIRS=pairs)
    quote(lab, "kalshi", 0, "0.40", "0.42")
    quote(lab, "polymarket", 0, "0.50", "0.52")
    until(lambda: spreads.mids(0) == (Decimal("0.41"), Decimal("0.51")), 60)
    assert spreads.newest["pair-0"].max_spread == Decimal("0.1")
    first.kill()
    first.wait()
    second = lab.start("analytics", ECHOARB_MARKET_PAIRS=pairs)
    lab.ready(2)
    quote(lab, "polymarket", 0, "0.60", "0.62")
    until(lambda: spreads.mids(0) == (Decimal("0.41"), Decimal("0.61")), 60)
    assert end(second) == 0


def test_two_workers_share_the_pairs_and_one_takes_over(
    lab: Lab, spreads: Spreads, tmp_path: Path
) -> None:
    count = 6
    pairs = write_pairs(tmp_path / "pairs.json", count)
    workers = [lab.start("analytics", ECHOARB_MARKET_PAIRS=pairs) for _ in range(2)]
    lab.ready(2)
    for number in range(count):
        quote(lab, "kalshi", number, "0.20", "0.22")
        quote(lab, "polymarket", number, "0.30", "0.32")
    wanted = (Decimal("0.21"), Decimal("0.31"))
    until(lambda: all(spreads.mids(number) == wanted for number in range(count)), 60)
    assert end(workers[0]) == 0
    for number in range(count):
        quote(lab, "kalshi", number, "0.24", "0.26")
    wanted = (Decimal("0.25"), Decimal("0.31"))
    until(lambda: all(spreads.mids(number) == wanted for number in range(count)), 60)
    assert end(workers[1]) == 0


def test_a_wrong_pair_file_is_said(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "pairs.json"
    path.write_text('{"pairs": [{"id": "x"}]}')
    worker = lab.start("analytics", ECHOARB_MARKET_PAIRS=str(path))
    assert worker.wait(30) == 2
    assert "pair x" in lab.log.read_text()
