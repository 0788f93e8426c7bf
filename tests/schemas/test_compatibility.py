"""Every record ever released can be read with today's schema (BACKWARD_TRANSITIVE).

Proved by reading: records drawn at random from each released schema are decoded with the current
one. The last tests show that the proof does refuse incompatible changes.
"""

from __future__ import annotations

import copy
import io
import json
import random
from pathlib import Path
from typing import Any

import fastavro
import pytest
from fastavro.utils import generate_many

from schemas.codec import RECORDS, schema_text

RELEASED = Path(__file__).resolve().parents[2] / "schemas" / "released"
VERSIONS = sorted(RELEASED.glob("*/*.avsc"))


def assert_readable(old: dict[str, Any], new: dict[str, Any], count: int = 300) -> None:
    """Read random records, written with ``old``, by ``new``."""
    random.seed(7)
    writer = fastavro.parse_schema(copy.deepcopy(old), _write_hint=False)
    reader = fastavro.parse_schema(copy.deepcopy(new), _write_hint=False)
    for record in generate_many(_plain(writer), count):
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, _plain(writer), record)
        buffer.seek(0)
        fastavro.schemaless_reader(buffer, _plain(writer), _plain(reader))
        assert buffer.read() == b""


def _plain(schema: Any) -> Any:
    """Drop logical types: they do not take part in schema resolution."""
    if isinstance(schema, dict):
        kept = {key: _plain(value) for key, value in schema.items() if key != "logicalType"}
        return kept
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    return schema


def logical_types(schema: Any) -> list[str]:
    """Return the schema's logical types in order: a change of these changes what numbers mean."""
    if isinstance(schema, dict):
        own = [str(schema["logicalType"])] if "logicalType" in schema else []
        own += [f"{schema['precision']},{schema['scale']}"] if "precision" in schema else []
        return own + [found for value in schema.values() for found in logical_types(value)]
    if isinstance(schema, list):
        return [found for item in schema for found in logical_types(item)]
    return []


def test_every_schema_has_a_released_version() -> None:
    assert {path.parent.name for path in VERSIONS} == set(RECORDS)


@pytest.mark.parametrize("path", VERSIONS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_released_records_stay_readable(path: Path) -> None:
    old = json.loads(path.read_text())
    new = json.loads(schema_text(path.parent.name))
    assert_readable(old, new)
    by_name = {field["name"]: logical_types(field["type"]) for field in new["fields"]}
    for field in old["fields"]:
        if field["name"] in by_name:
            assert by_name[field["name"]] == logical_types(field["type"]), field["name"]


def test_the_timestamps_stay_at_the_front_of_a_tick() -> None:
    names = [field["name"] for field in json.loads(schema_text("tick"))["fields"]]
    assert names[:3] == ["ingest_ts", "emit_ts", "source_ts"]


def test_every_field_is_documented() -> None:
    for name in RECORDS:
        schema = json.loads(schema_text(name))
        assert schema["doc"]
        assert [field["name"] for field in schema["fields"] if not field.get("doc")] == []


@pytest.mark.parametrize("change", ["new_field_without_default", "type", "symbol_removed"])
def test_incompatible_changes_are_refused(change: str) -> None:
    old = json.loads(schema_text("tick"))
    new = copy.deepcopy(old)
    if change == "new_field_without_default":
        new["fields"].append({"name": "colour", "type": "string"})
    elif change == "type":
        new["fields"][4]["type"] = "long"
    else:
        new["fields"][7]["type"]["symbols"] = ["quote"]
    with pytest.raises(
        (fastavro.schema.SchemaParseException, ValueError, TypeError, Exception)
    ) as error:
        assert_readable(old, new)
    assert not isinstance(error.value, AssertionError)


def test_a_compatible_change_is_accepted() -> None:
    old = json.loads(schema_text("tick"))
    new = copy.deepcopy(old)
    new["fields"].append({"name": "colour", "type": ["null", "string"], "default": None})
    assert_readable(old, new)
