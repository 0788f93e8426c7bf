"""What `echoarb top` knows: the newest state of each outcome and the newest lists. No I/O."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from echoarb.top.columns import of
from echoarb.top.sheet import Row

MOST_OUTCOMES = 5_000
"""Outcomes kept; beyond it the one that was longest without a tick goes."""
QUOTE = ("bid", "bid_size", "ask", "ask_size")
TRADE = ("price", "size", "side")


class Board:
    """Rows by sheet. Ticks are merged into one row an outcome; other sheets are replaced whole."""

    def __init__(self) -> None:
        self._outcomes: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._lists: dict[str, list[Row]] = {}
        self.ticks = 0
        """Ticks received since the start."""

    def rows(self, sheet: str) -> list[Row]:
        """Return the rows of a sheet by its name, in no order."""
        return list(self._outcomes.values()) if sheet == "ticks" else self._lists.get(sheet, [])

    def replace(self, sheet: str, rows: Iterable[Row]) -> None:
        """Take the newest rows of any sheet but ticks."""
        self._lists[sheet] = list(rows)

    def latest(self, rows: Iterable[Row]) -> None:
        """Take rows of /api/v1/latest: what outcomes are called, and where they stood at first."""
        for row in rows:
            known = self._outcomes.get(_key(row))
            if known is not None:
                known.update(title=row.get("title") or row["market_id"])
                continue
            times = [at for at in (row.get("quote_ts"), row.get("trade_ts")) if at is not None]
            self._put(
                {
                    **row,
                    "title": row.get("title") or row["market_id"],
                    "ingest_ts": max(times, default=None),
                    "source_ts": None,
                    "changes": 0,
                    "moved": 0,
                }
            )

    def tick(self, tick: Row) -> None:
        """Take a live tick."""
        self.ticks += 1
        before = self._outcomes.pop(_key(tick), None)
        row = dict(before or {"title": tick["market_id"], "changes": 0, "moved": 0})
        fields = QUOTE if tick["kind"] == "quote" else TRADE
        for name in ("platform", "market_id", "outcome_id", "outcome", "ingest_ts", "source_ts"):
            row[name] = tick.get(name)
        row |= {name: tick.get(name) for name in fields}
        if tick.get("volume") is not None:
            row["volume"] = tick["volume"]
        row["changes"] += 1
        if tick["kind"] == "quote":
            row["moved"] = _moved(before, row)
        self._put(row)

    def _put(self, row: dict[str, Any]) -> None:
        self._outcomes[_key(row)] = row
        while len(self._outcomes) > MOST_OUTCOMES:
            self._outcomes.popitem(last=False)


def _key(row: Row) -> str:
    return f"{row['platform']}/{row['outcome_id']}"


def _moved(before: Row | None, after: Row) -> int:
    """Return 1, 0 or -1: where the middle of bid and ask went."""
    old, new = _middle(before), _middle(after)
    return 0 if old is None or new is None else (new > old) - (new < old)


def _middle(row: Row | None) -> float | None:
    if row is None:
        return None
    bid, ask = of("bid")(row), of("ask")(row)
    return None if bid is None or ask is None else (bid + ask) / 2
