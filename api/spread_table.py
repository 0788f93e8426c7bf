"""Spreads as a flat table, for CSV and Arrow: one row each, columns by venue and pair of venues."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import pyarrow as pa

from schemas.spread import Spread
from schemas.topics import PLATFORMS

SHORT = {"polymarket": "poly"}
"""The older system's name of a venue, where it had its own."""
_MONEY = pa.decimal128(18, 8)
_MOMENT = pa.timestamp("us", tz="UTC")
_TEXT = pa.string()
_PAIRS = tuple(combinations(PLATFORMS, 2))
_LEG = {
    **{"prob": _MONEY, "bid": _MONEY, "bid_size": _MONEY, "ask": _MONEY, "ask_size": _MONEY},
    **{"quote_ts": _MOMENT, "unusable": _TEXT},
}
_EDGE = {
    **{"spread": _MONEY, "buy": _TEXT, "edge": _MONEY, "fee_buy": _MONEY, "fee_sell": _MONEY},
    **{"size": _MONEY, "play_money": pa.bool_()},
}
SCHEMA = pa.schema(
    [
        *[("timestamp", _MOMENT), ("pair_id", _TEXT), ("verified", pa.bool_())],
        *[("threshold", _MONEY), ("data_completeness", _MONEY)],
        *[("max_spread", _MONEY), ("max_spread_pair", _TEXT)],
        *[("best_edge", _MONEY), ("best_edge_pair", _TEXT)],
        *[
            (f"{SHORT.get(name, name)}_{field}", kind)
            for name in PLATFORMS
            for field, kind in _LEG.items()
        ],
        *[
            (f"{SHORT.get(one, one)}_{SHORT.get(other, other)}_{field}", kind)
            for one, other in _PAIRS
            for field, kind in _EDGE.items()
        ],
    ]
)


def table(spreads: Sequence[Spread]) -> pa.Table:
    """Return the spreads as a table of SCHEMA; null where a pair has no such leg."""
    return pa.Table.from_pylist([_row(spread) for spread in spreads], schema=SCHEMA)


def _row(spread: Spread) -> dict[str, Any]:
    row: dict[str, Any] = {
        "timestamp": spread.ts,
        "pair_id": spread.pair_id,
        "verified": spread.verified,
        "threshold": spread.threshold,
        "data_completeness": spread.completeness,
        "max_spread": spread.max_spread,
        "max_spread_pair": spread.max_spread_pair,
        "best_edge": spread.best_edge,
        "best_edge_pair": spread.best_edge_pair,
    }
    for leg in spread.legs:
        name = SHORT.get(leg.platform, leg.platform)
        row[f"{name}_prob"] = leg.probability
        for field in ("bid", "bid_size", "ask", "ask_size", "quote_ts", "unusable"):
            row[f"{name}_{field}"] = getattr(leg, field)
    edges = {frozenset((edge.buy, edge.sell)): edge for edge in spread.edges}
    for one, other in _PAIRS:
        edge = edges.get(frozenset((one, other)))
        if edge is not None:
            name = f"{SHORT.get(one, one)}_{SHORT.get(other, other)}"
            row[f"{name}_spread"] = edge.difference
            for field in ("buy", "edge", "fee_buy", "fee_sell", "size", "play_money"):
                row[f"{name}_{field}"] = getattr(edge, field)
    return row
