"""A lab on each broker in turn, or on Tansu alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .lab import Lab


@pytest.fixture
def lab(
    tansu: str, registry: str, clickhouse: str, clickhouse_database: str, tmp_path: Path
) -> Iterator[Lab]:
    """A lab on Tansu."""
    made = Lab(tansu, registry, clickhouse, clickhouse_database, tmp_path / "sink.log")
    yield made
    made.close()


@pytest.fixture
def broker_lab(
    broker: str, registry: str, clickhouse: str, clickhouse_database: str, tmp_path: Path
) -> Iterator[Lab]:
    """A lab on each broker in turn."""
    made = Lab(broker, registry, clickhouse, clickhouse_database, tmp_path / "sink.log")
    yield made
    made.close()
