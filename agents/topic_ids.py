"""The ids of topics: the UUID that Kafka gives a topic each time it is created.

A topic that is deleted and made anew counts its offsets from 0 again. Its records must not pass for
those of the old one, so the id is part of what identifies a row. A fetch does not tell the id;
asking after the fetch does: an id that is still the one from before the fetch held during it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from schemas.errors import Fatal, Transient
from schemas.settings import KafkaSettings

TIMEOUT_SECONDS = 10
_QUIET = logging.getLogger("echoarb.librdkafka")


class TopicIds:
    """Asks the broker for topic ids, and notices when one changes."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._admin = AdminClient(settings.librdkafka(), logger=_QUIET)
        self._ids: dict[str, UUID] = {}

    async def confirm(self, topics: Iterable[str]) -> dict[str, UUID]:
        """Return the id of each topic, as it was before the call and still is.

        Raises Transient if the broker can't be asked, Fatal if a topic was deleted or made anew
        since it was first asked about, or has no id.
        """
        asked = sorted(topics)
        answers = await asyncio.to_thread(self._describe, asked)
        for topic, answer in answers.items():
            known = self._ids.setdefault(topic, answer)
            if known != answer:
                raise Fatal(
                    f"topic {topic} was deleted and made anew while it was being read: start again "
                    "to read the new one from its beginning"
                )
        return {topic: self._ids[topic] for topic in asked}

    def known(self, topic: str) -> UUID:
        """Return the id that a topic was confirmed to have. Raises KeyError if it never was."""
        return self._ids[topic]

    def _describe(self, topics: list[str]) -> dict[str, UUID]:
        futures = self._admin.describe_topics(
            TopicCollection(topics), request_timeout=TIMEOUT_SECONDS
        )
        return {topic: self._answer(topic, future) for topic, future in futures.items()}

    def _answer(self, topic: str, future: Any) -> UUID:
        try:
            found = future.result().topic_id
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise Transient(f"Kafka: {error.args[0].str()}") from error
            if topic in self._ids:
                raise Fatal(f"topic {topic} was deleted while it was being read") from error
            raise Transient(f"topic {topic} does not exist yet") from error
        high, low = found.get_most_significant_bits(), found.get_least_significant_bits()
        answer = UUID(int=((high & (1 << 64) - 1) << 64) | (low & (1 << 64) - 1))
        if answer.int == 0:
            raise Fatal(f"the broker gives topic {topic} no id; Kafka has them since 2.8")
        return answer
