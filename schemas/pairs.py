"""The pair file: read, checked, and where it is. Its shape and meaning: schemas/pair.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from pydantic import Field

from schemas.errors import ConfigurationError
from schemas.pair import MAX_PAIRS, Pair
from schemas.pair_rules import check
from schemas.settings import Settings

MAX_BYTES = 4 << 20
"""Largest file that is read."""


class PairSettings(Settings):
    """Where the pairs are."""

    market_pairs: str = Field(
        "config/market_pairs.json", description="File of the pairs whose spreads are computed"
    )

    def pairs(self) -> tuple[Pair, ...]:
        """Return the pairs; none if the file is absent and nobody asked for it.

        Raises ConfigurationError as ``read_pairs`` does.
        """
        path = Path(self.market_pairs)
        if "market_pairs" not in self.model_fields_set and not path.exists():
            return ()
        return read_pairs(path)


def read_pairs(path: Path) -> tuple[Pair, ...]:
    """Return the pairs of a file.

    Raises ConfigurationError naming the file, the pair, the field and what to do.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"ECHOARB_MARKET_PAIRS: {path}: {error.strerror}") from error
    try:
        return parse_pairs(content)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def parse_pairs(content: bytes) -> tuple[Pair, ...]:
    """Return the pairs of a file's content. Raises ConfigurationError as ``read_pairs`` does."""
    if len(content) > MAX_BYTES:
        raise ConfigurationError(f"larger than {MAX_BYTES} bytes: split the pairs over deployments")
    try:
        rows = msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(f"is no JSON: {error}") from error
    listed = rows.get("pairs") if isinstance(rows, dict) else None
    if not isinstance(listed, list) or len(listed) > MAX_PAIRS or set(rows) - {"pairs", "$schema"}:
        raise ConfigurationError(f'has to be {{"pairs": [...]}} with at most {MAX_PAIRS} pairs')
    raw = msgspec.json.decode(content, type=_RawFile)
    pairs = tuple(
        _pair(text, row, at) for at, (text, row) in enumerate(zip(raw.pairs, listed, strict=True))
    )
    seen: set[str] = set()
    for pair in pairs:
        if pair.id in seen:
            raise ConfigurationError(f"pair {pair.id}: id: is used twice; give each pair its own")
        seen.add(pair.id)
    return pairs


class _RawFile(msgspec.Struct):
    pairs: list[msgspec.Raw]


def _pair(text: msgspec.Raw, row: Any, at: int) -> Pair:
    named = row.get("id") if isinstance(row, dict) else None
    where = f"pair {named[:64]}" if isinstance(named, str) else f"pair number {at + 1}"
    try:
        pair = msgspec.json.decode(text, type=Pair)
    except (msgspec.ValidationError, ArithmeticError) as error:
        said, _, place = str(error).partition(" - at `$")
        field = place.strip("`.") or "pair"
        raise ConfigurationError(f"{where}: {field}: {said}") from error
    try:
        check(pair)
    except ValueError as error:
        raise ConfigurationError(f"{where}: {error}") from error
    return pair
