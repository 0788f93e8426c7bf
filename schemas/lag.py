"""How far consumer groups are behind: what they committed against where the partitions end."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException
from confluent_kafka.admin import AdminClient

from schemas.ends import ends
from schemas.errors import Transient
from schemas.settings import KafkaSettings
from schemas.topics import TOPICS

TIMEOUT_SECONDS = 10
Place = tuple[str, int]
"""Topic and partition."""
_QUIET = logging.getLogger("echoarb.librdkafka")


def lag_of(committed: Mapping[Place, int], known_ends: Mapping[Place, int]) -> int:
    """Return how many records a group is behind, over all topics of which it has committed any.

    A partition of such a topic without a commit counts from its first offset.
    """
    topics = {topic for topic, _ in committed}
    return sum(
        max(end - committed.get(place, 0), 0)
        for place, end in known_ends.items()
        if place[0] in topics
    )


class Lags:
    """Asks the broker. The calls block."""

    def __init__(self, settings: KafkaSettings, groups: Iterable[str]) -> None:
        self._settings = settings
        self._groups = tuple(groups)
        self._admin = AdminClient(settings.librdkafka(), logger=_QUIET)

    def measure(self) -> dict[str, int]:
        """Return the lag of each group that has committed anything. Raises Transient."""
        committed = {group: self._committed(group) for group in self._groups}
        topics = {place[0] for places in committed.values() for place in places}
        # Only topics of ours: a group may have read others once.
        known = {name: TOPICS[name].partitions for name in sorted(topics) if name in TOPICS}
        if not known:
            return {}
        found = ends(self._settings, known)
        return {group: lag_of(places, found) for group, places in committed.items() if places}

    def _committed(self, group: str) -> dict[Place, int]:
        try:
            asked = [ConsumerGroupTopicPartitions(group)]
            futures = self._admin.list_consumer_group_offsets(
                asked, request_timeout=TIMEOUT_SECONDS
            )
            answer = futures[group].result(TIMEOUT_SECONDS)
        except (KafkaException, TimeoutError) as error:
            raise Transient(f"{self._settings.kafka_bootstrap}: {error}") from error
        return {
            (place.topic, place.partition): place.offset
            for place in answer.topic_partitions
            if place.error is None and place.offset >= 0
        }
