"""Where a WebSocket client stands in the topics, and the cursor that says so: opaque to clients.

A position is the next offset of every partition of every followed topic, with the topics' ids,
since a topic made anew counts from 0 again. During a replay it also names the row that was sent
last; the offsets are then where the replay ends.

A cursor is base64url without padding over MessagePack. It holds no secret and needs none: whatever
it decodes to is checked, and reaches ClickHouse only as bound parameters.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from api.cursor import InvalidCursor
from schemas.topics import GAPS, PLATFORMS, ticks_topic

MAX_LENGTH = 4096
"""Characters. A cursor of six partitions for each of three venues has about 250."""
FOLLOWED = (*(ticks_topic(platform) for platform in PLATFORMS), GAPS.name)
"""Topics behind /ws/ticks."""
_NUMBERS = {GAPS.name: 0} | {ticks_topic(platform): at for at, platform in enumerate(PLATFORMS, 2)}
"""What a topic is called in cursors, to keep them short. A new venue is put behind the others."""
_NAMES = {number: name for name, number in _NUMBERS.items()}

Offset = Annotated[int, Meta(ge=0, le=2**63 - 1)]
TopicId = Annotated[bytes, Meta(min_length=16, max_length=16)]


class TopicAt(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """A topic and the next offset of each of its partitions."""

    number: Annotated[int, Meta(ge=0, le=255)]
    topic_id: TopicId
    offsets: Annotated[list[Offset], Meta(max_length=1000)]

    @property
    def name(self) -> str:
        """Name of the topic."""
        return _NAMES[self.number]

    @property
    def id(self) -> UUID:
        """Id of the topic."""
        return UUID(bytes=self.topic_id)


class ReplayAt(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The row of ticks that a replay sent last, by its sort key."""

    ingest_us: Annotated[int, Meta(ge=0, le=4_102_444_800_000_000)]  # 1970 to 2100
    topic_id: TopicId
    partition: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    offset: Annotated[int, Meta(ge=-1, le=2**63 - 1)]


class Position(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """What a cursor says."""

    topics: Annotated[list[TopicAt], Meta(max_length=16)]
    replay: ReplayAt | None = None

    def copy(self) -> Position:
        """Return a position that moves by itself."""
        topics = [TopicAt(at.number, at.topic_id, list(at.offsets)) for at in self.topics]
        return Position(topics, self.replay)

    def topic(self, name: str) -> TopicAt | None:
        """Return where it stands in a topic, None if it says nothing of that."""
        return next((at for at in self.topics if at.name == name), None)

    def cursor(self) -> str:
        """Return the position as a cursor."""
        return base64.urlsafe_b64encode(_ENCODER.encode(self)).rstrip(b"=").decode()


def position_of(ids: Mapping[str, UUID], offsets: Mapping[str, list[int]]) -> Position:
    """Return the position with these offsets, which it shares: it moves with them."""
    known = [name for name in offsets if name in _NUMBERS]
    return Position([TopicAt(_NUMBERS[name], ids[name].bytes, offsets[name]) for name in known])


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Position)


def decode(text: str) -> Position:
    """Return the position in a cursor. Raises InvalidCursor."""
    if len(text) > MAX_LENGTH:
        raise InvalidCursor(f"longer than {MAX_LENGTH} characters")
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        found = _DECODER.decode(raw)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise InvalidCursor("not a cursor that a WebSocket message carried") from error
    numbers = [topic.number for topic in found.topics]
    if len(set(numbers)) < len(numbers) or not _NAMES.keys() >= set(numbers):
        raise InvalidCursor("not a cursor that a WebSocket message carried")
    return found
