"""Where every received text passes: captured, parsed, counted, and its records handed on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from connectors import metrics
from connectors.contract import Parser
from connectors.events import (
    Applied,
    Event,
    Frame,
    Ignored,
    Reconnect,
    Record,
    Rejected,
    Request,
    Resubscribe,
    SnapshotNeeded,
)
from schemas.gap import Gap, GapReason
from schemas.logs import get_logger
from schemas.market import Market
from schemas.tick import Tick

log = get_logger(__name__)


class Recorder(Protocol):
    """Takes every frame as it was received."""

    def write(self, frame: Frame) -> None:
        """Keep the frame."""
        ...


@dataclass(slots=True)
class Received:
    """What one frame led to, for the edge that received it."""

    data: bool
    """Whether it carried anything but ignored kinds: what a data watchdog watches."""
    requests: list[Request] = field(default_factory=list)


class Pipeline:
    """Frame in, records out. ``publish`` takes each record; ``recorder`` each frame, if given."""

    def __init__(
        self,
        parser: Parser,
        publish: Callable[[Record], None],
        recorder: Recorder | None = None,
    ) -> None:
        self.parser = parser
        self._publish = publish
        self._recorder = recorder
        self._platform = parser.platform
        self._frames = metrics.FRAMES.labels(parser.platform)
        self._seconds = metrics.PARSE_SECONDS.labels(parser.platform)
        self._last_data = metrics.LAST_DATA.labels(parser.platform)

    def receive(self, frame: Frame) -> Received:
        """Capture and parse the frame, publish its records, return what the edge has to do."""
        if self._recorder is not None:
            self._recorder.write(frame)
        self._frames.inc()
        started = time.perf_counter()
        events = self.parser.receive(frame)
        self._seconds.observe(time.perf_counter() - started)
        received = self._handle(events)
        if received.data:
            self._last_data.set(frame.received_us / 1e6)
        return received

    def disconnected(self, connection: str, at_us: int, reason: GapReason, detail: str) -> Received:
        """Publish the gaps that the loss of this connection opens."""
        return self._handle(self.parser.disconnected(connection, at_us, reason, detail))

    def publish(self, record: Record) -> None:
        """Count and hand on a record that no frame brought: a startup gap, an open breaker."""
        count(self._platform, record)
        self._publish(record)

    def _handle(self, events: list[Event]) -> Received:
        received = Received(data=False)
        for event in events:
            if not isinstance(event, Ignored):
                received.data = True
            if isinstance(event, Tick | Gap | Market):
                count(self._platform, event)
                self._publish(event)
            elif isinstance(event, SnapshotNeeded | Resubscribe | Reconnect):
                received.requests.append(event)
            else:
                count(self._platform, event)
        return received


def count(platform: str, event: Record | Applied | Ignored | Rejected) -> None:
    """Count one event in the metrics."""
    match event:
        case Tick():
            metrics.TICKS.labels(platform, event.kind).inc()
        case Gap():
            if event.to_ts is None or event.from_ts == event.to_ts:
                metrics.GAPS.labels(platform, event.reason).inc()
        case Market():
            metrics.MARKETS.labels(platform).inc()
        case Applied():
            metrics.APPLIED.labels(platform, event.kind).inc()
        case Ignored():
            metrics.IGNORED.labels(platform, event.kind).inc()
        case Rejected():
            metrics.REJECTED.labels(platform, event.reason).inc()
            log.warning("rejected", platform=platform, reason=event.reason, detail=event.detail)
