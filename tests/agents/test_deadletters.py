"""Dead letters keep what is needed to find a record and to put it back."""

from __future__ import annotations

from uuid import UUID

from agents.deadletters import VALUE_LIMIT, letter
from agents.records import Rejected, Run
from schemas.codec import decode, encode

from .test_container import Message


def rejected(value: bytes | None, timestamp: int = 1500) -> Rejected:
    record = Message(9, timestamp, b"key", value)
    return Rejected(Run("ticks.kalshi", UUID(int=5), 2, [record]), record, "trailing", "why")


def test_letter_says_where_and_what() -> None:
    made = letter(rejected(b"\x00value"), 77)
    assert (made.topic, made.topic_id, made.partition, made.offset) == (
        "ticks.kalshi",
        UUID(int=5),
        2,
        9,
    )
    assert (made.append_ts, made.failed_ts, made.key, made.value) == (
        1_500_000,
        77,
        b"key",
        b"\x00value",
    )
    assert decode("deadletter", encode(made)) == made


def test_missing_stays_missing() -> None:
    made = letter(rejected(None, timestamp=-1), 77)
    assert made.value is None
    assert made.append_ts is None


def test_too_large_a_value_is_left_out_and_said() -> None:
    made = letter(rejected(bytes(VALUE_LIMIT + 1)), 77)
    assert made.value is None
    assert str(VALUE_LIMIT + 4) in made.detail
