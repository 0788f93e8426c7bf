"""Keep child processes running: restart the dead with backoff, give up on wrong settings."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum

import psutil

from echoarb.stack.process import Child
from schemas.errors import Fatal
from schemas.process import CONFIGURATION_EXIT

BACKOFF_FIRST_SECONDS = 0.5
BACKOFF_CAP_SECONDS = 30.0
HEALTHY_SECONDS = 60.0
"""A child that lived this long starts its backoff anew."""
POLL_SECONDS = 0.2


class State(StrEnum):
    """What a part is doing."""

    running = "running"
    waiting = "waiting"
    failed = "failed"
    stopped = "stopped"


@dataclass(slots=True)
class Part:
    """One supervised child process.

    ``metrics_port`` is where it serves Prometheus text, 0 if it has none. ``restarted`` is called
    after a restart, to put right what depended on the old process; once more if the part was
    started again meanwhile.
    """

    name: str
    child: Child
    metrics_port: int = 0
    restarted: Callable[[], Awaitable[None]] | None = None
    state: State = State.stopped
    restarts: int = 0
    rss_mb: float = 0.0
    peak_rss_mb: float = 0.0
    said: str = ""
    _backoff: float = BACKOFF_FIRST_SECONDS
    _started: float = 0.0
    _due: float = 0.0
    _unsettled: bool = False
    """Whether ``restarted`` has not been called since the last restart."""

    def start(self) -> None:
        """Start the child. Raises Fatal if it can't be run."""
        self.child.start()
        self.state = State.running
        self._started = time.monotonic()

    def step(self, now: float) -> bool:
        """Look after the child once. Returns True if it has just been started again."""
        if self.state is State.waiting and now >= self._due:
            self.start()
            self.restarts += 1
            self._unsettled = True
            return True
        if self.state is not State.running:
            return False
        if self.child.running:
            self._measure()
            return False
        code = self.child.exit_code
        if code == CONFIGURATION_EXIT:
            self.state = State.failed
            self.said = (self.child.log_tail().splitlines() or ["wrong settings"])[-1]
            return False
        if now - self._started > HEALTHY_SECONDS:
            self._backoff = BACKOFF_FIRST_SECONDS
        self.said = f"ended with code {code}"
        self.state, self._due = State.waiting, now + self._backoff
        self._backoff = min(self._backoff * 2, BACKOFF_CAP_SECONDS)
        return False

    @property
    def unsettled(self) -> bool:
        """Whether there is something to put right after a restart."""
        return self._unsettled and self.restarted is not None

    async def settle(self) -> None:
        """Call ``restarted``, if there is one, for the restarts until now."""
        self._unsettled = False
        if self.restarted is not None:
            await self.restarted()

    async def stop(self, grace_seconds: float) -> None:
        """End the child, politely first; it stays ended."""
        alive = self.state is State.running
        if self.state is not State.failed:
            self.state = State.stopped
        if alive and not await asyncio.to_thread(self.child.stop, grace_seconds):
            self.said = f"didn't end within {grace_seconds:.0f} s and was killed"

    def _measure(self) -> None:
        try:
            self.rss_mb = psutil.Process(self.child.pid).memory_info().rss / 2**20
        except psutil.Error:
            return
        self.peak_rss_mb = max(self.peak_rss_mb, self.rss_mb)


@dataclass(slots=True)
class Supervisor:
    """All parts. ``say`` gets a line for each thing that people should know."""

    say: Callable[[str], None]
    parts: dict[str, Part] = field(default_factory=dict)
    _settling: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    def add(self, part: Part) -> Part:
        """Start a part and look after it from now on."""
        part.start()
        self.parts[part.name] = part
        return part

    async def watch(self) -> None:
        """Look after all parts until cancelled."""
        try:
            while True:
                for part in list(self.parts.values()):
                    self._step(part)
                await asyncio.sleep(POLL_SECONDS)
        finally:
            for task in self._settling.values():
                task.cancel()

    def _step(self, part: Part) -> None:
        before = part.state
        try:
            started = part.step(time.monotonic())
        except Fatal as error:
            part.state, part.said = State.failed, str(error)
            started = False
        if started:
            self.say(f"{part.name} was started again (restart {part.restarts})")
        elif part.state is not before:
            self.say(f"{part.name} {part.state}: {part.said} (log: {part.child.log})")
        # Beside the watch, which must see what dies while something is being put right: a broker
        # that dies again at once would otherwise be waited for by the one that should start it.
        settling = self._settling.get(part.name)
        if settling is not None and settling.done():
            del self._settling[part.name]
            failure = None if settling.cancelled() else settling.exception()
            if failure is not None:
                self.say(f"after the restart of {part.name}: {type(failure).__name__}: {failure}")
        if part.unsettled and part.name not in self._settling:
            self._settling[part.name] = asyncio.create_task(part.settle())

    async def stop(self, names: list[str], grace_seconds: float = 15) -> None:
        """End the named parts together."""
        chosen = [self.parts[name] for name in names if name in self.parts]
        await asyncio.gather(*(part.stop(grace_seconds) for part in chosen))
        for part in chosen:
            if "was killed" in part.said:
                self.say(f"{part.name} {part.said} (log: {part.child.log})")

    def failed(self) -> list[str]:
        """Return the names of parts that are down for good, or were just now."""
        return [
            part.name for part in self.parts.values() if part.state in (State.failed, State.waiting)
        ]

    def kill_all(self) -> None:
        """End everything that is left, at once."""
        for part in self.parts.values():
            part.child.kill()
