"""What the running stack looks like at one moment, for the live view and the progress line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from echoarb.stack.findings import Findings
from echoarb.stack.numbers import Tally
from echoarb.stack.supervisor import Part, State

Latencies = Mapping[str, Mapping[str, Mapping[str, float | None]]]


@dataclass(frozen=True, slots=True)
class Venue:
    """One platform's numbers; ``rate`` is ticks per second since the last snapshot."""

    platform: str
    frames: int
    ticks: int
    rate: float
    gaps: int
    dropped: int
    rejected: int
    sockets: int
    state: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All numbers at ``seconds`` after the start."""

    seconds: float
    venues: tuple[Venue, ...]
    lag: int
    stored: int
    dead_letters: int
    parts: tuple[Part, ...]
    latencies: Latencies = field(default_factory=dict)
    last_ticks: Sequence[tuple[Any, ...]] = ()
    findings: Findings = field(default_factory=Findings)

    @property
    def rss_mb(self) -> float:
        """Memory of all parts together."""
        return sum(part.rss_mb for part in self.parts if part.state is State.running)


def take(
    seconds: float,
    platforms: Sequence[str],
    tally: Tally,
    parts: Mapping[str, Part],
    before: Snapshot | None,
    latencies: Latencies,
    last_ticks: Sequence[tuple[Any, ...]],
    findings: Findings,
) -> Snapshot:
    """Return the snapshot that the tallied numbers make."""
    return Snapshot(
        seconds=seconds,
        venues=tuple(_venue(name, seconds, tally, parts, before) for name in platforms),
        lag=int(tally.value("echoarb_sink_lag_records")),
        stored=int(tally.value("echoarb_sink_rows_total")),
        dead_letters=int(tally.value("echoarb_sink_dead_letters_total")),
        parts=tuple(parts.values()),
        latencies=latencies,
        last_ticks=last_ticks,
        findings=findings,
    )


def _venue(
    platform: str,
    seconds: float,
    tally: Tally,
    parts: Mapping[str, Part],
    before: Snapshot | None,
) -> Venue:
    def count(name: str) -> int:
        return int(tally.value(name, platform))

    ticks, sockets = count("echoarb_ticks_total"), count("echoarb_connected_sockets")
    earlier = next((v for v in before.venues if v.platform == platform), None) if before else None
    passed = seconds - before.seconds if before else seconds
    part = parts.get(f"connector-{platform}")
    frames = count("echoarb_frames_total")
    return Venue(
        platform=platform,
        frames=frames,
        ticks=ticks,
        rate=(ticks - (earlier.ticks if earlier else 0)) / passed if passed > 0 else 0.0,
        gaps=count("echoarb_gaps_total"),
        dropped=count("echoarb_dropped_total"),
        rejected=count("echoarb_rejected_total"),
        sockets=sockets,
        state=_state(part, frames, sockets, count("echoarb_breaker_open")),
    )


def _state(part: Part | None, frames: int, sockets: int, open_breakers: int) -> str:
    """Say in words how a venue is doing."""
    if part is not None and part.state is State.failed:
        return f"stopped for good: {part.said}"
    if part is not None and part.state is State.waiting:
        return f"down, starting again: {part.said}"
    if open_breakers and not sockets:
        return "can't be reached; the breaker is open, trying again"
    if not sockets:
        return "not connected, trying" if not frames else "disconnected, trying again"
    return "connected" if frames else "connected, no data yet"
