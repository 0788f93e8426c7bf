"""The summary of a run: one JSON object. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from echoarb.stack.findings import Findings
from echoarb.stack.ledger import STAGES, Count
from echoarb.stack.numbers import Tally
from echoarb.stack.snapshot import Latencies
from echoarb.stack.supervisor import Part


def build(
    seconds: float,
    counts: Mapping[str, Count],
    dead_letters: int,
    latencies: Latencies,
    tally: Tally,
    parts: Mapping[str, Part],
    broken: bool,
    findings: Findings,
) -> dict[str, Any]:
    """Return the summary.

    ``ticks`` is what is on the topics, ``stored`` what of it is in ClickHouse; ``lost`` is null if
    the broker lost its topics during the run (``broken``): what was on them can't be counted.
    ``pairs`` have a spread, ``open_alerts`` are raised and not over.
    Latencies are milliseconds, null where no tick has both times; memory is each process's peak.
    """
    none: dict[str, float | None] = {"p50": None, "p99": None}
    overall = latencies.get("*", {})
    return {
        "seconds": round(seconds, 1),
        "platforms": {
            platform: {
                "frames": int(tally.value("echoarb_frames_total", platform)),
                "ticks": count.published,
                "stored": count.stored,
                "gaps": int(tally.value("echoarb_gaps_total", platform)),
                "dropped": int(tally.value("echoarb_dropped_total", platform)),
            }
            for platform, count in counts.items()
        },
        "lost": None if broken else sum(count.lost for count in counts.values()),
        "duplicates": sum(count.duplicates for count in counts.values()),
        "duplicates_before_merges": sum(count.raw - count.stored for count in counts.values()),
        "dead_letters": dead_letters,
        "pairs": findings.pairs,
        "open_alerts": findings.open_alerts,
        "latency_ms": {stage: dict(overall.get(stage, none)) for stage in STAGES},
        "rss_mb": {name: round(part.peak_rss_mb, 1) for name, part in parts.items()},
        "restarts": {name: part.restarts for name, part in parts.items() if part.restarts},
    }
