"""Cursors of WebSocket messages: any position comes back, anything else is refused."""

from __future__ import annotations

import base64
import string
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import position
from api.cursor import InvalidCursor
from api.messages import BadMessage, Subscribe, from_query, parse
from api.position import FOLLOWED, MAX_LENGTH, Position, ReplayAt, TopicAt

OFFSETS = st.integers(0, 2**63 - 1)
IDS = st.uuids().map(lambda each: each.bytes)
NUMBERS = [
    at.number
    for at in position.position_of(
        dict.fromkeys(FOLLOWED, UUID(int=1)), {name: [] for name in FOLLOWED}
    ).topics
]
REPLAYS = st.builds(
    ReplayAt,
    st.integers(0, 4_102_444_800_000_000),
    IDS,
    st.integers(0, 2**31 - 1),
    st.integers(-1, 2**63 - 1),
)
POSITIONS = st.builds(
    Position,
    st.lists(
        st.builds(TopicAt, st.sampled_from(NUMBERS), IDS, st.lists(OFFSETS, max_size=8)),
        unique_by=lambda at: at.number,
        max_size=len(NUMBERS),
    ),
    st.none() | REPLAYS,
)
JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=20) | IDS,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)


def as_cursor(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> Position | None:
    """Return the position, None if it was refused: nothing else may happen."""
    try:
        return position.decode(text)
    except InvalidCursor:
        return None


@given(POSITIONS)
def test_a_cursor_gives_its_position_back(place: Position) -> None:
    text = place.cursor()
    assert position.decode(text) == place
    assert set(text) <= set(string.ascii_letters + string.digits + "-_")


@given(POSITIONS)
def test_a_copy_moves_by_itself(place: Position) -> None:
    before = place.cursor()
    copied = place.copy()
    for topic in copied.topics:
        topic.offsets.append(1)
    assert place.cursor() == before


@given(POSITIONS, st.data())
def test_a_cursor_that_was_tampered_with_is_a_position_within_bounds_or_refused(
    place: Position, data: st.DataObject
) -> None:
    raw = bytearray(base64.urlsafe_b64decode(place.cursor() + "=="))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    found = decoded(as_cursor(bytes(raw)))
    if found is not None:
        assert position.decode(found.cursor()) == found
        assert all(topic.name in FOLLOWED for topic in found.topics)
        assert all(0 <= offset < 2**63 for topic in found.topics for offset in topic.offsets)


@given(JSON_LIKE)
def test_what_others_encode_is_no_cursor(value: object) -> None:
    found = decoded(as_cursor(msgspec.msgpack.encode(value)))
    assert found is None or value in ([[]], [[], None])


@given(st.text(max_size=300) | st.binary(max_size=300).map(as_cursor))
def test_any_text_is_answered_in_band(text: str) -> None:
    asked = msgspec.json.encode({"type": "subscribe", "resume": text}).decode()
    for attempt in (lambda: parse(asked), lambda: from_query({"resume": [text]})):
        try:
            request = attempt()
        except BadMessage:
            continue
        assert isinstance(request, Subscribe)
        assert decoded(text) is not None


def test_a_cursor_is_bounded() -> None:
    topic = TopicAt(NUMBERS[0], bytes(16), [2**63 - 1] * 400)
    with pytest.raises(InvalidCursor, match=str(MAX_LENGTH)):
        position.decode(Position([topic]).cursor())
    twice = TopicAt(NUMBERS[0], bytes(16), [1])
    with pytest.raises(InvalidCursor):
        position.decode(Position([twice, twice]).cursor())
