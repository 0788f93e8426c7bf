"""Every topic, in one place: the local stack, compose, the Helm job and the docs read this."""

from __future__ import annotations

from dataclasses import dataclass

PLATFORMS = ("kalshi", "polymarket", "manifold")
"""The venues. A new one is one name here, one folder in connectors and one fixture folder."""

TICK_PARTITIONS = 6
"""Partitions of every ticks topic. Equal, so that tables keyed alike can be joined; six, so that
two, three or six workers share them evenly."""

DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. ``key`` says in words what its record key is; ``schema`` names the .avsc file."""

    name: str
    schema: str
    key: str
    partitions: int
    retention_ms: int
    compacted: bool = False

    @property
    def subject(self) -> str:
        """Registry subject of the value, by Confluent's TopicNameStrategy."""
        return f"{self.name}-value"

    def config(self) -> dict[str, str]:
        """Return the topic's Kafka configuration."""
        return {
            "cleanup.policy": "compact" if self.compacted else "delete",
            "retention.ms": str(self.retention_ms),
            # append_ts is the broker's word: with producers' times a stage would go unmeasured, and
            # a replay of old recordings would expire at once. The Tansu broker knows only those.
            "message.timestamp.type": "LogAppendTime",
        }


def ticks_topic(platform: str) -> str:
    """Return the name of the platform's ticks topic."""
    return f"ticks.{platform}"


MARKETS = Topic("markets", "market", "platform:market_id", 3, -1, compacted=True)
GAPS = Topic("gaps", "gap", "platform:market_id, * for all", 3, 90 * DAY_MS)
DEADLETTERS = Topic("deadletters", "deadletter", "source topic", 1, 90 * DAY_MS)
LATENCY = Topic("latency", "latency", "platform:stage", 3, 30 * DAY_MS)
SPREADS = Topic("spreads", "spread", "pair_id", 3, 90 * DAY_MS)
ALERTS = Topic("alerts", "alert", "rule:subject", 3, 90 * DAY_MS)
LEGS = Topic(
    "legs",
    "legupdate",
    "pair_id|platform|market_id|outcome_id|what; partition by pair_id",
    3,
    -1,
    compacted=True,
)
TICKS = tuple(
    Topic(ticks_topic(platform), "tick", "market_id", TICK_PARTITIONS, 7 * DAY_MS)
    for platform in PLATFORMS
)

TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in (*TICKS, MARKETS, GAPS, LATENCY, SPREADS, ALERTS, DEADLETTERS, LEGS)
}
"""Every topic by name."""
