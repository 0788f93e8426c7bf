"""Numbers of the running parts: their Prometheus text, added up over restarts. Pure but scrape."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx
from prometheus_client.parser import text_string_to_metric_families

from echoarb.stack.ports import LOOPBACK

Samples = dict[str, float]
"""Value by ``name{platform}``, summed over the other labels; without braces if it has none."""


def parse(text: str) -> Samples:
    """Return our samples in Prometheus text. Raises ValueError if it is none."""
    samples: Samples = defaultdict(float)
    for family in text_string_to_metric_families(text):
        if not family.name.startswith("echoarb_"):
            continue
        for sample in family.samples:
            samples[key(sample.name, sample.labels.get("platform"))] += sample.value
    return dict(samples)


def key(name: str, platform: str | None = None) -> str:
    """Return the key of a sample."""
    return f"{name}{{{platform}}}" if platform else name


@dataclass(slots=True)
class Tally:
    """Counters of all parts, monotonic over restarts; gauges as last seen."""

    _latest: dict[str, tuple[int, Samples]] = field(default_factory=dict)
    _before: Samples = field(default_factory=lambda: defaultdict(float))

    def add(self, part: str, generation: int, samples: Samples) -> None:
        """Take a part's samples; ``generation`` is how often it was restarted."""
        known = self._latest.get(part)
        if known is not None and known[0] != generation:
            for name, value in known[1].items():
                if name.partition("{")[0].endswith("_total"):
                    self._before[name] += value
        self._latest[part] = (generation, samples)

    def value(self, name: str, platform: str | None = None) -> float:
        """Return a sample's sum over all parts, 0 if nobody has it."""
        wanted = key(name, platform)
        current = sum(samples.get(wanted, 0.0) for _, samples in self._latest.values())
        return self._before.get(wanted, 0.0) + current

    def knows(self, name: str, platform: str | None = None) -> bool:
        """Return whether any part has given this sample."""
        wanted = key(name, platform)
        return any(wanted in samples for _, samples in self._latest.values())


async def scrape(client: httpx.AsyncClient, ports: Mapping[str, int]) -> dict[str, Samples]:
    """Return the samples of each part that answers, by name."""
    found = {}
    for name, port in ports.items():
        try:
            answer = await client.get(f"http://{LOOPBACK}:{port}/metrics", timeout=2)
            if answer.status_code == httpx.codes.OK:
                found[name] = parse(answer.text)
        except (httpx.HTTPError, ValueError):
            continue
    return found
