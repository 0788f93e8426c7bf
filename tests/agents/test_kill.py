"""kill -9 of the sink, again and again, under load: nothing is lost and nothing is there twice."""

from __future__ import annotations

import random
import threading
import time

import pytest

from .lab import Lab, end, in_background, until

KILLS = 20


@pytest.mark.slow
@pytest.mark.flow
@pytest.mark.timeout(400)
def test_kill_at_random_moments(broker_lab: Lab) -> None:
    """Two sinks share the partitions; at a random moment of storing one is killed and replaced."""
    lab, chance = broker_lab, random.Random(20)
    loaded = threading.Event()

    def load() -> None:
        while not loaded.is_set():
            lab.produce(1000, rate=5000)

    sinks = [lab.start() for _ in range(2)]
    loader = in_background(load)
    try:
        for _ in range(KILLS):
            goal = raw_rows(lab) + chance.randrange(1, 8000)
            until(lambda goal=goal: raw_rows(lab) >= goal, 60)
            time.sleep(chance.random() / 4)
            victim = chance.randrange(2)
            sinks[victim].kill()
            sinks[victim].wait()
            sinks[victim] = lab.start()
    finally:
        loaded.set()
        loader.join()
    lab.wait_for_rows(lab.produced, seconds=120)
    lab.exactly_once()
    assert lab.rows("dead_letters") == 0
    assert [end(sink) for sink in sinks] == [0, 0]
    print(f"{lab.produced} ticks, {raw_rows(lab) - lab.produced} stored twice before merging")


def raw_rows(lab: Lab) -> int:
    """Return the rows of ticks as they lie there, doubles included."""
    return int(lab.one("SELECT count() FROM ticks"))
