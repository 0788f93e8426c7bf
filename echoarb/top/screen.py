"""The screen of `echoarb top`: a status line, a tab a sheet, a filter, and the keys."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Footer, Input, Static, TabbedContent, TabPane

from echoarb.top.board import Board
from echoarb.top.grid import Grid
from echoarb.top.rate import Rate
from echoarb.top.sheets import SHEETS
from echoarb.top.source import Source

DRAW_SECONDS = 0.5


class Top(App[str | None]):
    """Draws the board twice a second while the source fills it.

    Ends with None, or with the text of the error that can't be waited out.
    """

    TITLE = "EchoArb"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #status { height: 1; padding: 0 1; background: $panel; }
    #filter { display: none; height: 3; }
    #filter.open { display: block; }
    TabbedContent { height: 1fr; }
    Grid { height: 1fr; }
    .note { height: 1; padding: 0 1; color: $text-muted; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *[
            Binding(str(number), f"tab('{sheet.name}')", sheet.name)
            for number, sheet in enumerate(SHEETS, 1)
        ],
        Binding("slash", "filter", "filter", key_display="/"),
        Binding("s", "sort(1)", "sort by next"),
        Binding("S", "sort(-1)", "by the one before", show=False),
        Binding("r", "reverse", "reverse"),
        Binding("p", "pause", "pause"),
        Binding("a", "acknowledge", "acknowledge"),
        Binding("escape", "unfilter", "clear filter", show=False),
        Binding("q", "quit", "quit"),
    ]

    def __init__(self, source: Source, board: Board, words: str = "", tab: str = "ticks") -> None:
        super().__init__()
        self._source = source
        self._board = board
        self._words = words
        self._first = tab
        self._rate = Rate()
        self._paused = False
        self._tasks: list[asyncio.Task[None]] = []

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        yield Static(id="status")
        yield Input(
            self._words,
            placeholder="words that a row has to hold; Enter keeps, Esc clears",
            id="filter",
        )
        with TabbedContent(initial=f"tab-{self._first}"):
            for sheet in SHEETS:
                with TabPane(sheet.name, id=f"tab-{sheet.name}"), Vertical():
                    yield Grid(sheet)
                    yield Static(classes="note", id=f"note-{sheet.name}")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to read and to draw."""
        for grid in self.query(Grid):
            grid.view = grid.view.filtered(self._words)
        self.query_one("#filter").set_class(bool(self._words), "open")
        self._grid().focus()
        self._tasks = [asyncio.create_task(self._fill(), name="source")]
        self.set_interval(DRAW_SECONDS, self._draw)
        self._draw()

    async def on_unmount(self) -> None:
        """Stop reading."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _fill(self) -> None:
        problem = await self._source.run(self._board)
        self.exit(problem)

    def _grid(self) -> Grid:
        active = self.query_one(TabbedContent).active
        return self.query_one(f"#{active.removeprefix('tab-')}", Grid)

    def _draw(self) -> None:
        if not self.query("#status"):
            return  # the screen is being taken down
        per_second = self._rate.after(self._board.ticks)
        self.query_one("#status", Static).update(self._status(per_second))
        if self._paused:
            return
        grid = self._grid()
        name = grid.sheet.name
        rows = self._board.rows(name)
        grid.show(rows)
        self.query_one(f"#note-{name}", Static).update(self._note(grid, len(rows)))

    def _status(self, per_second: float) -> Text:
        alerts = len(self._board.rows("alerts"))
        parts: Sequence[tuple[str, str]] = [
            (f"{self._source.url}  ", ""),
            (self._source.state, "" if self._source.state == "live" else "bold yellow"),
            (f"  {per_second:,.0f} ticks/s", ""),
            (f"  {len(self._board.rows('ticks'))} outcomes", ""),
            (f"  {alerts} open alerts", "bold red" if alerts else ""),
            ("  paused" if self._paused else "", "bold yellow"),
        ]
        return Text.assemble(*parts, no_wrap=True)

    def _note(self, grid: Grid, there: int) -> str:
        if not there:
            return grid.sheet.empty
        if not grid.matching:
            return "no row holds " + ", ".join(grid.view.words)
        shown = f"{grid.row_count} of {there}"
        return shown if grid.row_count < there else ""

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter every sheet while it is typed."""
        for grid in self.query(Grid):
            grid.view = grid.view.filtered(event.value)
        self._draw()

    def on_input_submitted(self) -> None:
        """Keep the filter and give the keys back to the table."""
        self.query_one("#filter").set_class(bool(self.query_one(Input).value.strip()), "open")
        self._grid().focus()

    def on_tabbed_content_tab_activated(self) -> None:
        """Draw what has come into sight."""
        self._draw()
        if not self.query_one(Input).has_focus:
            self._grid().focus()

    def action_tab(self, name: str) -> None:
        """Show a sheet."""
        self.query_one(TabbedContent).active = f"tab-{name}"

    def action_filter(self) -> None:
        """Type a filter."""
        self.query_one("#filter").add_class("open")
        self.query_one(Input).focus()

    def action_unfilter(self) -> None:
        """Forget the filter."""
        self.query_one(Input).value = ""
        self.on_input_submitted()

    def action_sort(self, step: int) -> None:
        """Order by another column."""
        grid = self._grid()
        grid.view = grid.view.moved(grid.sheet, step)
        self._draw()

    def action_reverse(self) -> None:
        """Order the other way."""
        grid = self._grid()
        grid.view = grid.view.reversed()
        self._draw()

    def action_pause(self) -> None:
        """Hold the tables still; what comes meanwhile is not lost."""
        self._paused = not self._paused
        self._draw()

    async def action_acknowledge(self) -> None:
        """Acknowledge the alert under the cursor."""
        grid = self._grid()
        chosen = grid.selected() if grid.sheet.name == "alerts" else None
        if chosen is None:
            self.notify("choose an alert on its tab first", severity="warning")
            return
        problem = await self._source.acknowledge(chosen)
        self.notify(problem or "acknowledged", severity="error" if problem else "information")
