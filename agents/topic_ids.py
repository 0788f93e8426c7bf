"""The ids of topics: the UUID that Kafka gives a topic each time it is created.

A topic that is deleted and made anew counts its offsets from 0 again. Its records must not pass for
those of the old one, so the id is part of what identifies a row. A fetch does not tell the id;
asking after the fetch does: an id that is still the one from before the fetch held during it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from uuid import UUID

from confluent_kafka.admin import AdminClient

from schemas.errors import Fatal, Transient
from schemas.settings import KafkaSettings
from schemas.topic_ids import ask

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
        answers = await asyncio.to_thread(ask, self._admin, asked)
        for topic, answer in answers.items():
            if answer is None:
                if topic in self._ids:
                    raise Fatal(f"topic {topic} was deleted while it was being read")
                raise Transient(f"topic {topic} does not exist yet")
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
