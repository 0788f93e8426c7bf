"""What a record says to WebSocket clients: whom it concerns, and its JSON, made once for all.

A record read from Kafka and the same record read from its ClickHouse row give equal events.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
import pyarrow as pa

from api import formats, plain
from api.formats import record_object
from api.queries import GAP_COLUMNS
from schemas.clock import parse_rfc3339
from schemas.gap import Gap
from schemas.tick import Tick

PLACE = ("kafka_partition", "kafka_offset")
_TICK_FIELDS = tuple(Tick.__dataclass_fields__)
COLUMNS = {
    "ticks": (*_TICK_FIELDS, *PLACE, "append_ts"),
    "gaps": ("gap_id", *(name for name in GAP_COLUMNS if name != "append_ts"), *PLACE),
}
"""What is read of a table to make events of its rows."""
_ENCODER = msgspec.json.Encoder()


@dataclass(slots=True)
class Event:
    """A tick or a gap notice. ``data`` is its JSON text; of a gap of a whole platform ``market`` is
    None, of any gap ``outcome`` and ``kind`` are empty and ``ingest_us`` is 0."""

    type: str
    platform: str
    market: str | None
    outcome: str
    kind: str
    data: str
    ingest_us: int = 0
    _plain: str = field(default="", repr=False)

    def plain(self) -> str:
        """Return a tick's fields as the older system's clients know them, JSON without braces."""
        if not self._plain:
            self._plain = plain.tick_fields(self.data)
        return self._plain


def of_record(record: Tick | Gap, partition: int, offset: int, append_ts: str) -> Event:
    """Return the event of a record as it was read from Kafka."""
    if isinstance(record, Gap):
        return of_gap(record_object(record))
    place = {"kafka_partition": partition, "kafka_offset": offset, "append_ts": append_ts}
    return of_tick(record_object(record) | place)


def of_rows(table: str, rows: pa.Table) -> list[tuple[int, Event]]:
    """Return offset and event of each row, read with the table's COLUMNS."""
    offsets = rows.column("kafka_offset").to_pylist()
    if table == "gaps":
        found = [of_gap(row) for row in formats.rows(rows.drop_columns(list(PLACE)))]
    else:
        found = [of_tick(row) for row in formats.rows(rows)]
    return list(zip(offsets, found, strict=True))


def of_tick(data: dict[str, Any]) -> Event:
    """Return the event of a tick, given as its JSON object."""
    return Event(
        type="tick",
        platform=data["platform"],
        market=data["market_id"],
        outcome=data["outcome_id"],
        kind=data["kind"],
        data=_ENCODER.encode(data).decode(),
        ingest_us=parse_rfc3339(data["ingest_ts"]),
    )


def of_gap(data: dict[str, Any]) -> Event:
    """Return the event of a gap notice, given as its JSON object."""
    text = _ENCODER.encode(data).decode()
    return Event("gap", data["platform"], data["market_id"], "", "", text)
