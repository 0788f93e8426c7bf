"""Keyset cursors: the sort key of the last row that was read, opaque to clients.

A cursor is base64url without padding over a JSON array whose first item names the listing, so that
a cursor of one listing is refused by another. It holds no secret and needs none: whatever it
decodes to is checked, and reaches ClickHouse only as bound parameters.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, TypeVar
from uuid import UUID

import msgspec

from schemas.errors import EchoArbError

MAX_LENGTH = 1024
"""Characters; market ids are the longest part."""

Micros = Annotated[int, msgspec.Meta(ge=0, le=4_102_444_800_000_000)]  # 1970 to 2100
Name = Annotated[str, msgspec.Meta(max_length=256)]


class InvalidCursor(EchoArbError):
    """The text is not a cursor of this listing."""


class TickKey(
    msgspec.Struct, frozen=True, array_like=True, tag="ticks", forbid_unknown_fields=True
):
    """Place of a tick: ingest time, then its Kafka identity, which tells equal times apart."""

    ingest_us: Micros
    topic_id: UUID
    kafka_partition: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
    kafka_offset: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class MarketKey(
    msgspec.Struct, frozen=True, array_like=True, tag="markets", forbid_unknown_fields=True
):
    """Place of a market, in alphabetical order."""

    platform: Name
    market_id: Name


class GapKey(msgspec.Struct, frozen=True, array_like=True, tag="gaps", forbid_unknown_fields=True):
    """Place of a gap: when it was first published, then its id."""

    first_us: Micros
    gap_id: UUID


class SpreadKey(
    msgspec.Struct, frozen=True, array_like=True, tag="spreads", forbid_unknown_fields=True
):
    """Place of a spread within its pair: when it was evaluated, then its Kafka identity."""

    ts_us: Micros
    topic_id: UUID
    kafka_partition: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
    kafka_offset: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class AlertKey(
    msgspec.Struct, frozen=True, array_like=True, tag="alerts", forbid_unknown_fields=True
):
    """Place of an alert: when it was raised, then its id."""

    raised_us: Micros
    alert_id: UUID


class CandleKey(
    msgspec.Struct, frozen=True, array_like=True, tag="candles", forbid_unknown_fields=True
):
    """Place of a candle within its market: when it starts, then whose it is."""

    start_us: Micros
    platform: Name
    outcome_id: Name


class OutcomeKey(
    msgspec.Struct, frozen=True, array_like=True, tag="outcomes", forbid_unknown_fields=True
):
    """Place of an outcome, in alphabetical order."""

    platform: Name
    market_id: Name
    outcome_id: Name


AnyKey = TickKey | MarketKey | GapKey | SpreadKey | AlertKey | CandleKey | OutcomeKey
Key = TypeVar("Key", TickKey, MarketKey, GapKey, SpreadKey, AlertKey, CandleKey, OutcomeKey)


def encode(key: AnyKey) -> str:
    """Return the cursor that continues after ``key``."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).rstrip(b"=").decode()


def decode(kind: type[Key], text: str) -> Key:
    """Return the key in ``text``. Raises InvalidCursor."""
    if len(text) > MAX_LENGTH:
        raise InvalidCursor(f"longer than {MAX_LENGTH} characters")
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(raw, type=kind)
    except (binascii.Error, ValueError) as error:
        raise InvalidCursor("not a cursor that this listing gave") from error
