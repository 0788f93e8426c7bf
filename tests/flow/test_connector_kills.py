"""kill -9 of a connector at 20 random moments under load, on each broker.

What a connector had not handed to Kafka is gone with it, which its startup gap says; what is on
the topics is stored once, and quotes are right again.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from schemas.clock import now_us
from schemas.topics import PLATFORMS
from tests.flow.stack import running

KILLS = 20

pytestmark = [pytest.mark.flow, pytest.mark.slow, pytest.mark.kill, pytest.mark.timeout(300)]


@pytest.mark.parametrize("kafka", ["tansu", pytest.param("apache", marks=pytest.mark.apache)])
async def test_killed_connectors_lose_and_double_nothing(
    kafka: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kafka == "apache":
        request.getfixturevalue("apache")  # skips, saying so, without Java or Maven
    chance = random.Random(20)
    async with running(tmp_path, kafka, rate=300) as stack:
        started = now_us()
        for number in range(KILLS):
            part = stack.supervisor.parts[f"connector-{PLATFORMS[number % len(PLATFORMS)]}"]
            await asyncio.sleep(chance.uniform(0.1, 1.5))
            part.child.kill()
            part.start()
        await stack.flowing()
        await stack.healed(90)
        starts = stack.query(
            "SELECT platform, uniqExact(gap_id) FROM gaps WHERE reason = 'startup' "
            "AND to_ts >= fromUnixTimestamp64Micro({since:Int64}) GROUP BY platform",
            since=started,
        )
        assert {platform for platform, _ in starts} == set(PLATFORMS)
