"""Draw one panel's answers by matplotlib, after the panel's kind."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from datetime import datetime
from typing import Any

from matplotlib.axes import Axes
from matplotlib.dates import ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from tests.deploy.boards import Answer

COLORS = {
    **{"green": "#56a64b", "yellow": "#e0b400", "orange": "#ff780a", "red": "#e02f44"},
    **{"dark-red": "#a11", "blue": "#3274d9", "purple": "#a352cc", "text": "#888888"},
}
TITLE, SMALL = 8, 6
COLUMNS, WIDTH = 11, 40
"""Of a table: columns that are drawn, and characters of a cell."""
LEGEND = 12
"""Lines that are named."""
Panel = dict[str, Any]
Box = tuple[float, float, float, float]


def draw(figure: Figure, box: Box, panel: Panel, answers: list[Answer], gaps: Answer) -> None:
    """Draw a panel in its box (left, bottom, width, height; inches of the figure)."""
    left, bottom, width, height = box
    wide, tall = figure.get_size_inches()
    plain = panel["type"] in ("stat", "table")
    indent, low = (0.1, 0.05) if plain else (0.5, 0.3)
    area = (left + indent, bottom + low, width - indent - 0.25, height - low - 0.3)
    axes = figure.add_axes((area[0] / wide, area[1] / tall, area[2] / wide, area[3] / tall))
    axes.set_title(panel["title"], fontsize=TITLE, loc="left", pad=3, fontweight="bold")
    axes.tick_params(labelsize=SMALL, length=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if not any(answer.rows for answer in answers):
        axes.axis("off")
        axes.text(0, 0.8, panel["fieldConfig"]["defaults"]["noValue"], fontsize=SMALL)
        return
    match panel["type"]:
        case "stat":
            _numbers(axes, panel, answers)
        case "table":
            _table(axes, answers[0], area[3])
        case "heatmap":
            _heatmap(axes, answers[0])
        case "state-timeline":
            _states(axes, panel, answers[0])
        case "candlestick":
            _candles(axes, answers[0])
            _shade(axes, gaps)
        case _:
            _lines(axes, panel, answers)
            _shade(axes, gaps)


def _shade(axes: Axes, gaps: Answer) -> None:
    """Draw the gaps as Grafana's annotations are: regions under the lines."""
    low, high = axes.get_xlim()
    for begin, end in zip(gaps.column("time"), gaps.column("timeEnd"), strict=True):
        first, last = _times([begin, end])
        axes.axvspan(max(first, low), min(last, high), color=COLORS["red"], alpha=0.15, linewidth=0)
    axes.set_xlim(low, high)


def _times(texts: list[str]) -> Any:
    return date2num([datetime.fromisoformat(text) for text in texts])


def _series(answers: list[Answer]) -> dict[str, tuple[list[str], list[float]]]:
    """Return (times, values) by a series' name."""
    found: dict[str, tuple[list[str], list[float]]] = defaultdict(lambda: ([], []))
    for answer in answers:
        labels = [at for at, (_, kind) in enumerate(answer.columns) if "String" in kind]
        for at, (name, _) in enumerate(answer.columns):
            if at == 0 or at in labels:
                continue
            for row in answer.rows:
                label = " ".join(str(row[place]) for place in labels)
                column = name if name != "Value" or not labels else ""
                times, values = found[f"{label} {column}".strip()]
                times.append(row[0])
                values.append(float("nan") if row[at] is None else float(row[at]))
    return found


def _shown(value: float, unit: str) -> str:
    if value != value:
        return "-"
    match unit:
        case "percentunit":
            return f"{value * 100:.1f} %"
        case "ms":
            return f"{value:.3g} ms" if value < 100 else f"{value:,.0f} ms"
        case "s":
            return f"{value:,.0f} s" if abs(value) >= 10 or not value else f"{value * 1000:,.4g} ms"
        case "cps" | "reqps":
            return f"{value:,.4g}/s"
        case "bytes":
            return f"{value / 1e6:,.4g} MB"
    return f"{value:,.4g}"


def _dates(axes: Axes) -> None:
    axes.xaxis_date()
    locator = axes.xaxis.get_major_locator()
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.xaxis.get_offset_text().set_visible(False)


def _numbers(axes: Axes, panel: Panel, answers: list[Answer]) -> None:
    axes.axis("off")
    unit = panel["fieldConfig"]["defaults"]["unit"]
    found = _series(answers)
    for at, (name, (_, values)) in enumerate(found.items()):
        y = 1 - (at + 0.6) / max(len(found), 2)
        label = "" if name == "Value" else textwrap.shorten(name, 18)
        axes.text(0, y, f"{_shown(values[-1], unit)}  {label}", fontsize=TITLE, va="center")


def _lines(axes: Axes, panel: Panel, answers: list[Answer]) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    custom = defaults["custom"]
    found = _series(answers)
    every = [time for texts, _ in found.values() for time in _times(texts)]
    bar = max((max(every) - min(every)) / 150, 0.0007)
    for name, (texts, values) in found.items():
        own = _overrides(panel, name)
        style = {**custom, **own}
        label, times = textwrap.shorten(name, 64), _times(texts)
        on = axes.twinx() if style.get("axisPlacement") == "right" else axes
        if style.get("drawStyle") == "points":
            on.plot(times, values, ".", markersize=3, label=label)
        elif style.get("drawStyle") == "bars":
            on.bar(times, values, width=bar, alpha=0.5, label=label)
        elif style.get("lineInterpolation") == "stepAfter":
            on.step(times, values, where="post", linewidth=0.7, label=label)
        else:
            on.plot(times, values, linewidth=0.7, label=label)
        if on is not axes:
            on.tick_params(labelsize=SMALL, length=2)
            on.set_ylabel(label, fontsize=SMALL)
    if custom.get("scaleDistribution", {}).get("type") == "symlog":
        axes.set_yscale("symlog", linthresh=1)
    unit = defaults["unit"]
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _shown(value, unit)))
    _dates(axes)
    columns = 3 if panel["gridPos"]["w"] > 12 else 2 if len(max(found, key=len)) < 30 else 1
    handles, labels = axes.get_legend_handles_labels()
    named = handles[:LEGEND], labels[:LEGEND]
    axes.legend(*named, fontsize=5, loc="upper left", ncols=columns, framealpha=0.6, borderpad=0.2)


def _overrides(panel: Panel, name: str) -> dict[str, Any]:
    return {
        each["id"].removeprefix("custom."): each.get("value")
        for override in panel["fieldConfig"]["overrides"]
        if override["matcher"]["options"] == name
        for each in override["properties"]
    }


def _table(axes: Axes, answer: Answer, tall: float) -> None:
    axes.axis("off")
    line = 0.17
    names = answer.names[:COLUMNS]
    rows = min(len(answer.rows), max(int(tall / line) - 2, 1))
    cells = [[_cell(value)[:WIDTH] for value in row[:COLUMNS]] for row in answer.rows[:rows]]
    share = min((rows + 1) * line / tall, 1)
    bounds = (0, 1 - share, 1, share)
    widths = [max(len(text) for text in column) + 2 for column in zip(names, *cells, strict=True)]
    table = axes.table(
        cells,
        colLabels=names,
        colWidths=[width / sum(widths) for width in widths],
        bbox=bounds,
        cellLoc="left",
        edges="horizontal",
    )
    table.auto_set_font_size(False)
    table.set_fontsize(SMALL)
    for cell in table.get_celld().values():
        cell.set_linewidth(0.3)
    more = [(len(answer.rows) - rows, "rows"), (len(answer.names) - len(names), "columns")]
    rest = " and ".join(f"{count} more {what}" for count, what in more if count)
    axes.text(1, 1.01, rest, fontsize=SMALL, ha="right", color="#666", transform=axes.transAxes)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value).removesuffix(".000000")


def _heatmap(axes: Axes, answer: Answer) -> None:
    counts = [[float(row[at]) for row in answer.rows] for at in range(1, len(answer.names))]
    times = _times(answer.column("time"))
    edges = [*times, 2 * times[-1] - times[-2]]
    drawn = [[value**0.5 if value else float("nan") for value in row] for row in counts]
    axes.pcolormesh(edges, range(len(counts) + 1), drawn, cmap="viridis")
    axes.set_yticks([at + 1 for at in range(len(counts))], answer.names[1:])
    axes.set_ylabel("ms, up to", fontsize=SMALL)
    _dates(axes)


def _states(axes: Axes, panel: Panel, answer: Answer) -> None:
    found = _series([answer])
    defaults = panel["fieldConfig"]["defaults"]
    for at, (texts, values) in enumerate(found.values()):
        times = _times(texts)
        width = times[1] - times[0] if len(times) > 1 else 0.01
        colors = [_color(defaults, value) for value in values]
        axes.broken_barh([(time, width) for time in times], (at + 0.1, 0.8), facecolors=colors)
    names = [textwrap.shorten(name, 48) for name in found]
    axes.set_yticks([at + 0.5 for at in range(len(names))], [""] * len(names))
    for at, name in enumerate(names):
        axes.text(
            0.005, at + 0.5, name, fontsize=5, va="center", transform=axes.get_yaxis_transform()
        )
    axes.set_ylim(len(found), 0)
    _dates(axes)


def _color(defaults: dict[str, Any], value: float) -> str:
    for mapping in defaults.get("mappings", []):
        if str(int(value)) in mapping["options"]:
            return COLORS[mapping["options"][str(int(value))]["color"]]
    color = COLORS["text"]
    for step in defaults.get("thresholds", {}).get("steps", []):
        if step["value"] is None or value >= step["value"]:
            color = COLORS[step["color"]]
    return color


def _candles(axes: Axes, answer: Answer) -> None:
    for text, opened, high, low, close, _ in answer.rows:
        (time,) = _times([text])
        color = COLORS["green"] if close >= opened else COLORS["red"]
        axes.vlines(time, low, high, color=color, linewidth=0.6)
        axes.vlines(time, min(opened, close), max(opened, close), color=color, linewidth=2)
    unit = "percentunit"
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _shown(value, unit)))
    _dates(axes)
