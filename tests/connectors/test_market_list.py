"""The explicit list of markets."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.market_list import read_list
from schemas.errors import ConfigurationError


def test_each_venue_reads_its_own_section_once_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "markets.toml"
    assert read_list(path, "kalshi") == []
    path.write_text('[manifold]\nmarkets = ["b", "a-slug", "b"]\n[kalshi]\nmarkets = ["X"]\n')
    assert read_list(path, "manifold") == ["b", "a-slug"]
    assert read_list(path, "kalshi") == ["X"]
    assert read_list(path, "polymarket") == []


@pytest.mark.parametrize(
    "text", ["[kalshi", "[kalshi]\nmarkets = 5", "kalshi = 3", '[kalshi]\nmarkets = [""]', "\x00"]
)
def test_a_wrong_file_names_the_setting(tmp_path: Path, text: str) -> None:
    path = tmp_path / "markets.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="ECHOARB_KALSHI_MARKETS_FILE"):
        read_list(path, "kalshi")
