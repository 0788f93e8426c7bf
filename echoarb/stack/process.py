"""Child processes that never outlive us, with a log file each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from echoarb.stack import tether
from schemas.errors import Fatal

LOG_TAIL_BYTES = 4000
_POLL_SECONDS = 0.05


class Child:
    """One child process in a session of its own (a terminal's Ctrl-C reaches only us).

    Its stdout and stderr are appended to ``log``. Start it from a thread that lives as long as
    the process: the kernel takes the end of the starting thread for the parent's death.
    """

    def __init__(
        self, name: str, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self.env = {**os.environ, **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process. Raises Fatal if the program can't be run."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        launcher = [sys.executable, "-I", "-S", tether.__file__, str(os.getpid())]
        with self.log.open("ab") as log:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - commands are built by us
                    [*launcher, *self.command],
                    env=self.env,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise Fatal(f"{self.name} can't be started: {error}") from error

    @property
    def pid(self) -> int | None:
        """Process id, None before the first start."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Exit code (negative: the signal), None while running or never started."""
        return self._process.poll() if self._process else None

    def terminate(self) -> None:
        """Ask the process to end (SIGTERM)."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process now (SIGKILL) and reap it."""
        self._signal(signal.SIGKILL)
        if self._process:
            self._process.wait()

    def stop(self, grace_seconds: float = 10) -> bool:
        """Terminate, wait up to ``grace_seconds``, kill. Returns False if it had to be killed."""
        self.terminate()
        if self._process is None:
            return True
        try:
            self._process.wait(grace_seconds)
            return True
        except subprocess.TimeoutExpired:
            self.kill()
            return False

    def _signal(self, number: int) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        # The session holds whatever the child started itself.
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return

    def log_tail(self) -> str:
        """Return the last lines of the log, for an error message."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - LOG_TAIL_BYTES))
            return log.read().decode(errors="replace").strip()

    def wait_until(self, ready: Callable[[], bool], timeout_seconds: float = 60) -> None:
        """Wait until ``ready`` says so.

        Raises Fatal with the log's end if the process ends first or the time is over; the
        process is stopped then.
        """
        deadline = time.monotonic() + timeout_seconds
        while not ready():
            if not self.running:
                raise Fatal(
                    f"{self.name} ended with code {self.exit_code} before it was ready:\n"
                    f"{self.log_tail()}"
                )
            if time.monotonic() > deadline:
                self.stop()
                raise Fatal(
                    f"{self.name} was not ready after {timeout_seconds:.0f} s:\n{self.log_tail()}"
                )
            time.sleep(_POLL_SECONDS)
