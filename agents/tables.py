"""Which topics go to which table, and which Avro field to which column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from schemas.codec import parsed_schema
from schemas.errors import Poison
from schemas.topics import ALERTS, DEADLETTERS, GAPS, LATENCY, MARKETS, SPREADS, TICKS


@dataclass(frozen=True)
class Table:
    """One table and its topics, all of one schema. ``renamed`` is field name to column name."""

    name: str
    schema: str
    topics: tuple[str, ...]
    renamed: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def columns(self) -> dict[str, str]:
        """Column by field name, for every field that the table has a column for."""
        fields: list[dict[str, Any]] = parsed_schema(self.schema)["fields"]
        return {item["name"]: self.renamed.get(item["name"], item["name"]) for item in fields}

    def check(self, schema_id: int, writer_schema: Any) -> None:
        """Raise Poison("unknown_schema") if records of that schema can't be rows of the table."""
        reader = parsed_schema(self.schema)
        found = writer_schema if isinstance(writer_schema, dict) else {}
        if found.get("type") != "record" or found.get("name") != reader["name"]:
            raise Poison("unknown_schema", f"schema {schema_id} is not {reader['name']}")
        written = {item["name"] for item in found["fields"]}
        needed = {item["name"] for item in reader["fields"] if "default" not in item}
        if needed - written:
            missing = ", ".join(sorted(needed - written))
            raise Poison("unknown_schema", f"schema {schema_id} lacks {missing}")


TABLES = (
    Table("ticks", "tick", tuple(topic.name for topic in TICKS)),
    Table("gaps", "gap", (GAPS.name,)),
    Table("markets", "market", (MARKETS.name,)),
    Table("latency", "latency", (LATENCY.name,)),
    Table("spreads", "spread", (SPREADS.name,)),
    Table("alerts", "alert", (ALERTS.name,)),
    Table(
        "dead_letters",
        "deadletter",
        (DEADLETTERS.name,),
        # The plain names are the dead letter's own place in Kafka, as in every table.
        {
            name: f"source_{name}"
            for name in ("topic", "topic_id", "partition", "offset", "append_ts")
        },
    ),
)
"""Everything the sink stores."""
