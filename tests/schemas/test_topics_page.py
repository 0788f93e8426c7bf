"""docs/topics.md says of each topic what schemas/topics.py does."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.topics import DAY_MS, TOPICS, Topic

PAGE = Path(__file__).resolve().parents[2] / "docs" / "topics.md"


@pytest.mark.parametrize("topic", TOPICS.values(), ids=lambda topic: topic.name)
def test_the_page_tells_the_truth(topic: Topic) -> None:
    (line,) = [
        line
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("|") and f"`{topic.name}`" in line.split("|")[1]
    ]
    _, _, _, schema, partitions, kept, _, _ = (cell.strip() for cell in line.split("|"))
    assert schema == f"[{topic.schema}](../schemas/{topic.schema}.avsc)"
    assert partitions == str(topic.partitions)
    assert kept == ("compacted" if topic.compacted else f"{topic.retention_ms // DAY_MS} days")
