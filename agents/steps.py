"""The stages of the analytics, in the order in which records pass through them.

ticks.* -> latencies; ticks.* -> the quotes of legs; gaps and markets -> facts about legs;
legs -> spreads. Alerts follow the results by themselves: agents/alert_worker.py.
"""

from __future__ import annotations

import asyncio

from agents.latency_history import LatencyHistory
from agents.ledger import LatencyLedger
from agents.legs import LegFacts, QuoteLegs
from agents.outbox import Outbox
from agents.settings import AnalyticsSettings
from agents.spreads import Spreads
from agents.stage import Stage
from agents.topic_ids import TopicIds
from schemas.registry import Registry

LATENCY_SECONDS = 2.0
LATENCY_ROWS = 50_000
"""Latencies of what comes meanwhile are published together."""


def stages(
    settings: AnalyticsSettings, registry: Registry, outbox: Outbox, topic_ids: TopicIds
) -> list[Stage]:
    """Return the stages. Raises ConfigurationError if the pair file is wrong."""
    pairs, publish = settings.pairs(), outbox.publish
    ledger = LatencyLedger(
        registry.schema, topic_ids.known, LatencyHistory(settings, registry.schema)
    )
    return [
        Stage("ticks", [QuoteLegs(pairs, registry.schema)], publish),
        Stage(
            "latency",
            [ledger],
            publish,
            restore=lambda batch: asyncio.to_thread(ledger.restore, batch),
            rows=LATENCY_ROWS,
            seconds=LATENCY_SECONDS,
        ),
        Stage("leg-facts", [LegFacts(pairs, registry.schema)], publish),
        Stage("spreads", [Spreads(pairs, registry.schema)], publish),
    ]
