"""What the steps from ticks to spreads count, for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

UNUSABLE = Counter(
    "echoarb_spreads_unusable",
    "Records left out because they can't be used; the sink makes dead letters of them",
    ["step", "reason"],
)
PUBLISHED = Counter("echoarb_spreads_published", "Spreads published", ["pair_id"])
HELD_BACK = Counter(
    "echoarb_spreads_held_back", "Changes of a pair that waited for the next publication"
)
PAIRS = Gauge("echoarb_spreads_pairs", "Pairs whose spreads this worker computes")
UNUSABLE_LEGS = Gauge("echoarb_spreads_unusable_legs", "Legs that can't be used now", ["reason"])
UNUSABLE_REASONS = ("closed", "no_quote", "one_sided", "out_of_range", "stale", "untrusted")
"""What agents/leg_state.py says of a leg; each is shown with its count, 0 too."""

# Visible before there is trouble: see agents/metrics.py.
for _reason in UNUSABLE_REASONS:
    UNUSABLE_LEGS.labels(_reason)
for _step in ("legs", "leg-facts", "spreads", "latency-history"):
    UNUSABLE.labels(_step, "framing")
