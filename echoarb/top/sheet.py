"""A sheet: named columns over JSON rows, filtered by words and sorted by a column. All pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text

Row = Mapping[str, Any]
"""One JSON object of the API: decimals and times are texts, missing is None."""
Sortable = float | str


@dataclass(frozen=True, slots=True)
class Column:
    """How a column is told and by what it is ordered; ``value`` gives None where it is missing."""

    name: str
    text: Callable[[Row], str]
    value: Callable[[Row], Sortable | None]
    right: bool = False
    style: Callable[[Row], str] = lambda _: ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a tab shows: ``key`` names a row for as long as it lives, ``first`` is how it is sorted
    until a key is pressed: a column's name, and whether from the highest down."""

    name: str
    key: Callable[[Row], str]
    columns: tuple[Column, ...]
    first: tuple[str, bool]
    empty: str
    """What is said while there are no rows."""

    def index(self, name: str) -> int:
        """Return the place of a column by its name."""
        return [column.name for column in self.columns].index(name)


@dataclass(frozen=True, slots=True)
class View:
    """How one looks at a sheet: words that a row has to hold, the column that orders it."""

    words: tuple[str, ...] = ()
    column: int = 0
    descending: bool = False

    def filtered(self, text: str) -> View:
        """Return the view that shows rows which hold each word of ``text``, in any case."""
        return View(tuple(text.casefold().split()), self.column, self.descending)

    def moved(self, sheet: Sheet, step: int) -> View:
        """Return the view that is ordered by the column ``step`` places on, around the end."""
        return View(self.words, (self.column + step) % len(sheet.columns), self.descending)

    def reversed(self) -> View:
        """Return the view in the other direction."""
        return View(self.words, self.column, not self.descending)


def first_view(sheet: Sheet) -> View:
    """Return the view that a sheet opens with."""
    name, descending = sheet.first
    return View((), sheet.index(name), descending)


def arrange(sheet: Sheet, view: View, rows: Iterable[Row]) -> list[Row]:
    """Return the rows that the view shows, in its order; rows without a value come last."""
    kept = [row for row in rows if _holds(sheet, view.words, row)] if view.words else list(rows)
    value = sheet.columns[view.column].value
    known = [row for row in kept if value(row) is not None]
    missing = [row for row in kept if value(row) is None]
    known.sort(key=sheet.key)  # a stable order where values are equal
    known.sort(key=lambda row: _order(value(row)), reverse=view.descending)
    return known + sorted(missing, key=sheet.key)


def cells(sheet: Sheet, row: Row) -> list[Text]:
    """Return a row as styled cells."""
    return [
        Text(
            column.text(row),
            style=column.style(row),
            justify="right" if column.right else "left",
            no_wrap=True,
        )
        for column in sheet.columns
    ]


def headings(sheet: Sheet, view: View) -> Sequence[Text]:
    """Return the column names, the one that orders marked with an arrow."""
    arrow = "▼" if view.descending else "▲"
    return [
        Text(
            f"{column.name} {arrow}" if at == view.column else column.name,
            style="bold" if at == view.column else "",
            justify="right" if column.right else "left",
        )
        for at, column in enumerate(sheet.columns)
    ]


def _order(value: Sortable | None) -> tuple[int, float, str]:
    return (1, 0.0, value.casefold()) if isinstance(value, str) else (0, float(value or 0), "")


def _holds(sheet: Sheet, words: tuple[str, ...], row: Row) -> bool:
    text = " ".join([*(column.text(row) for column in sheet.columns), sheet.key(row)]).casefold()
    return all(word in text for word in words)
