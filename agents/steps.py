"""The stages of the analytics, in the order in which records pass through them.

ticks.* -> the quotes of legs; gaps and markets -> facts about legs; legs -> spreads.
Alerts follow the results by themselves: agents/alert_worker.py.
"""

from __future__ import annotations

from agents.legs import LegFacts, QuoteLegs
from agents.outbox import Outbox
from agents.settings import AnalyticsSettings
from agents.spreads import Spreads
from agents.stage import Stage
from schemas.registry import Registry


def stages(settings: AnalyticsSettings, registry: Registry, outbox: Outbox) -> list[Stage]:
    """Return the stages. Raises ConfigurationError if the pair file is wrong."""
    pairs, publish = settings.pairs(), outbox.publish
    return [
        Stage("ticks", [QuoteLegs(pairs, registry.schema)], publish),
        Stage("leg-facts", [LegFacts(pairs, registry.schema)], publish),
        Stage("spreads", [Spreads(pairs, registry.schema)], publish),
    ]
