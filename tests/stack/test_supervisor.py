"""Dead children are started again, wrong settings are not, and both are said."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from echoarb.stack.process import Child
from echoarb.stack.supervisor import Part, State, Supervisor

FOREVER = "import time\nwhile True: time.sleep(1)"
SECONDS = 60


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
async def supervisor(said: list[str]) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(said.append)
    watcher = asyncio.create_task(supervisor.watch())
    yield supervisor
    watcher.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watcher
    supervisor.kill_all()


def child(name: str, code: str, folder: Path) -> Child:
    return Child(name, [sys.executable, "-c", code], folder / f"{name}.log")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110 - another process's state has no event
            await asyncio.sleep(0.02)


async def test_a_killed_child_is_started_again(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    again = asyncio.Event()

    async def restarted() -> None:
        again.set()

    part = supervisor.add(Part("worker", child("worker", FOREVER, tmp_path), restarted=restarted))
    await until(lambda: part.peak_rss_mb > 0)
    part.child.kill()
    await asyncio.wait_for(again.wait(), SECONDS)
    assert part.child.running
    assert part.restarts == 1
    assert part.state is State.running
    assert said[0].startswith(f"worker waiting: ended with code {-signal.SIGKILL}")
    assert said[1] == "worker was started again (restart 1)"
    assert supervisor.failed() == []


async def test_a_child_that_dies_again_while_things_are_put_right_is_started_again(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    begun: list[int] = []

    async def restarted() -> None:
        begun.append(part.restarts)
        await until(lambda: part.restarts == 2)  # as a broker's clients wait for the broker

    part = supervisor.add(Part("broker", child("broker", FOREVER, tmp_path), restarted=restarted))
    part.child.kill()
    await until(lambda: begun == [1])
    part.child.kill()
    await until(lambda: begun == [1, 2])
    assert part.state is State.running


async def test_what_fails_after_a_restart_is_said(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    async def restarted() -> None:
        raise ValueError("no topic")

    part = supervisor.add(Part("broker", child("broker", FOREVER, tmp_path), restarted=restarted))
    part.child.kill()
    await until(lambda: bool(said) and "no topic" in said[-1])
    assert said[-1] == "after the restart of broker: ValueError: no topic"
    assert part.child.running


async def test_wrong_settings_are_said_and_not_tried_again(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    code = "import sys; print('error: ECHOARB_KALSHI_KEY_ID is missing'); sys.exit(2)"
    part = supervisor.add(Part("kalshi", child("kalshi", code, tmp_path)))
    other = supervisor.add(Part("other", child("other", FOREVER, tmp_path)))
    await until(lambda: part.state is State.failed)
    assert "ECHOARB_KALSHI_KEY_ID is missing" in part.said
    await until(lambda: bool(said))
    assert "kalshi failed" in said[0]
    assert part.restarts == 0
    assert supervisor.failed() == ["kalshi"]
    assert other.state is State.running


async def test_backoff_grows(supervisor: Supervisor, said: list[str], tmp_path: Path) -> None:
    part = supervisor.add(Part("broken", child("broken", "raise SystemExit(1)", tmp_path)))
    await until(lambda: part.restarts == 2)
    assert part.state in (State.running, State.waiting)
    assert part._backoff >= 1.0


async def test_what_was_stopped_stays_stopped(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    stubborn = "import signal; signal.signal(15, signal.SIG_IGN); print('up', flush=True)\n"
    polite = supervisor.add(Part("polite", child("polite", FOREVER, tmp_path)))
    deaf = supervisor.add(Part("deaf", child("deaf", stubborn + FOREVER, tmp_path)))
    await until(lambda: "up" in deaf.child.log_tail())
    await supervisor.stop(["polite", "deaf", "unknown"], grace_seconds=0.5)
    assert not polite.child.running
    assert not deaf.child.running
    assert polite.state is State.stopped
    assert [line for line in said if "was killed" in line and line.startswith("deaf")]
    assert supervisor.failed() == []
