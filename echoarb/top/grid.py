"""A sheet on the screen: a table that is changed where rows change, so that the cursor stays."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import DataTable

from echoarb.top.sheet import Row, Sheet, arrange, cells, first_view, headings

MOST_SHOWN = 500
"""Rows drawn at once; a filter finds the others."""


class Grid(DataTable[Text]):
    """One sheet's table and how it is looked at."""

    def __init__(self, sheet: Sheet) -> None:
        super().__init__(id=sheet.name, cursor_type="row", zebra_stripes=True)
        self.sheet = sheet
        self.view = first_view(sheet)
        self.matching = 0
        """Rows that match the filter, drawn or not."""
        self._shown: dict[str, list[Text]] = {}
        self._headings: list[Text] = []

    def show(self, rows: list[Row]) -> None:
        """Draw the rows, in the view's order."""
        arranged = arrange(self.sheet, self.view, rows)
        self.matching = len(arranged)
        wanted = {self.sheet.key(row): cells(self.sheet, row) for row in arranged[:MOST_SHOWN]}
        titles = list(headings(self.sheet, self.view))
        if titles != self._headings or list(wanted) != list(self._shown):
            self._draw(titles, wanted)
            return
        names = [column.name for column in self.sheet.columns]
        for key, row in wanted.items():
            for name, new, old in zip(names, row, self._shown[key], strict=True):
                if new != old or new.style != old.style:
                    self.update_cell(key, name, new, update_width=True)
        self._shown = wanted

    def selected(self) -> str | None:
        """Return the key of the row under the cursor."""
        keys = list(self._shown)
        return keys[self.cursor_row] if 0 <= self.cursor_row < len(keys) else None

    def _draw(self, titles: list[Text], wanted: dict[str, list[Text]]) -> None:
        chosen, top = self.selected(), self.scroll_y
        followed = chosen in wanted and self.cursor_row > 0
        self.clear(columns=True)
        for column, title in zip(self.sheet.columns, titles, strict=True):
            self.add_column(title, key=column.name)
        for key, row in wanted.items():
            self.add_row(*row, key=key)
        self._shown, self._headings = wanted, titles
        # At the top one watches what comes there; further down one watches a row.
        if followed and chosen is not None:
            self.move_cursor(row=list(wanted).index(chosen), animate=False, scroll=False)
        self.scroll_to(y=top, animate=False)
