"""One board's panels as one picture, where Grafana would place them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt
from PIL import Image

from scripts.board_drawing import draw
from tests.deploy.boards import Answer

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "pictures"
COLUMN, ROW = 0.46, 0.26
"""Inches of a column and of a row of Grafana's grid."""
COLORS_KEPT = 48
"""Of a picture, to keep it small."""
NO_GAPS = Answer((("time", "DateTime"), ("timeEnd", "DateTime")), [], 0)


def picture(
    name: str,
    panels: list[dict[str, Any]],
    answers: dict[int, list[Answer]],
    gaps: Answer = NO_GAPS,
) -> None:
    """Draw docs/pictures/boards-NAME.png: the panels whose answers are given, by their ids."""
    shown = _shown(panels, answers)
    tops = _moved_up(shown)
    bottom = max(tops[panel["id"]] + panel["gridPos"]["h"] for panel in shown)
    figure = plt.figure(figsize=(24 * COLUMN, bottom * ROW))
    for panel in shown:
        place = panel["gridPos"]
        x, y = place["x"] * COLUMN, (bottom - tops[panel["id"]] - place["h"]) * ROW
        if panel["type"] == "row":
            figure.text(0.005, (y + ROW / 2) / (bottom * ROW), panel["title"], fontsize=11)
        else:
            box = (x, y, place["w"] * COLUMN, place["h"] * ROW)
            draw(figure, box, panel, answers[panel["id"]], gaps)
    path = FOLDER / f"boards-{name}.png"
    figure.savefig(path, dpi=100)
    plt.close(figure)
    with Image.open(path) as drawn:
        few = drawn.convert("RGB").quantize(COLORS_KEPT, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


def _shown(panels: list[dict[str, Any]], answers: dict[int, list[Answer]]) -> list[dict[str, Any]]:
    """Return the panels with answers, and the rows that have one of them."""
    found: list[dict[str, Any]] = []
    row: list[dict[str, Any]] = []
    for panel in panels:
        if panel["type"] == "row":
            row = [panel]
        elif panel["id"] in answers:
            found += [*row, panel]
            row = []
    return found


def _moved_up(panels: list[dict[str, Any]]) -> dict[int, int]:
    """Return each panel's top, by id, without the heights that nothing is drawn in."""
    taken = sorted(
        {
            line
            for panel in panels
            for line in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
        }
    )
    line_of = {line: at for at, line in enumerate(taken)}
    return {panel["id"]: line_of[panel["gridPos"]["y"]] for panel in panels}
