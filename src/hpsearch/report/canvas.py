"""Figures laid out in points, and the marks that every axis of a report carries."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Literal, ParamSpec

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from hpsearch.report.style import GRID, INK, MUTED, NORMAL, SHADE, SMALL, WIDTH, Look, drawing

Handle = Line2D | Patch
Entry = tuple[Handle, str]
LineStyle = Literal["-", "--", ":", ""]
P = ParamSpec("P")

LEFT, RIGHT, HEAD, FOOT, GAP = 44.0, 12.0, 24.0, 36.0, 10.0
"""Margins around each plot, points."""
LEGEND_ROW = 14.5


def styled(build: Callable[P, Figure | None]) -> Callable[P, Figure | None]:
    """The function, building its figure in the style of the reports."""

    @wraps(build)
    def inside(*args: P.args, **kwargs: P.kwargs) -> Figure | None:
        with drawing():
            return build(*args, **kwargs)

    return inside


@dataclass(frozen=True, slots=True)
class Layout:
    """Plots of equal size in rows, a legend below.

    Attributes:
        count: Number of plots.
        columns: Of them, beside each other.
        height: Of each plot, points.
        left: Margin for labels of the first column.
        between: Margin on the left of each further column.
        foot: Margin below each row for ticks and label.
        legend: Groups of entries, each in columns of its own.
    """

    count: int = 1
    columns: int = 1
    height: float = 190.0
    left: float = LEFT
    between: float = GAP
    foot: float = FOOT
    legend: Sequence[Sequence[Entry]] = field(default_factory=tuple)


def lay_out(layout: Layout) -> tuple[Figure, list[Axes]]:
    """An empty figure and its axes, by row."""
    columns = min(layout.columns, layout.count)
    rows = math.ceil(layout.count / columns)
    groups = [group for group in layout.legend if group]
    below = sum(map(_legend_height, groups), 6.0 if groups else 0.0)
    tall = rows * (HEAD + layout.height + layout.foot) + below
    figure = Figure(figsize=(WIDTH / 72, tall / 72), dpi=72)
    FigureCanvasAgg(figure)
    wide = (WIDTH - layout.left - RIGHT - (columns - 1) * layout.between) / columns
    axes = []
    for at in range(layout.count):
        row, column = divmod(at, columns)
        x = layout.left + column * (wide + layout.between)
        y = tall - (row + 1) * (HEAD + layout.height) - row * layout.foot
        axes.append(figure.add_axes((x / WIDTH, y / tall, wide / WIDTH, layout.height / tall)))
    top = below
    for group in groups:
        _add_legend(figure, group, top / tall)
        top -= _legend_height(group)
    return figure, axes


def _legend_columns(group: Sequence[Entry]) -> int:
    """As many as fit side by side."""
    widest = 36 + 5.5 * max(len(text) for _, text in group)
    return max(1, min(len(group), int((WIDTH - 8) / widest)))


def _legend_height(group: Sequence[Entry]) -> float:
    return LEGEND_ROW * math.ceil(len(group) / _legend_columns(group))


def _add_legend(figure: Figure, group: Sequence[Entry], top: float) -> None:
    # A legend fills its columns downwards; entries are read along the rows.
    columns = _legend_columns(group)
    rows = math.ceil(len(group) / columns)
    padded = [*group, *[(Line2D([], [], linestyle="none"), "")] * (rows * columns - len(group))]
    turned = [padded[row * columns + column] for column in range(columns) for row in range(rows)]
    figure.legend(
        [handle for handle, _ in turned],
        [text for _, text in turned],
        loc="upper left",
        bbox_to_anchor=(0.0, top),
        ncols=columns,
        frameon=False,
        borderpad=0.0,
        borderaxespad=0.3,
        handlelength=1.9,
        handletextpad=0.6,
        columnspacing=1.2,
        labelspacing=0.35,
    )


def name_axes(axes: Axes, x: str, y: str, count: str = "") -> None:
    """Labels: x below, y above on the left, where it needs no turned head; the number of points on the right."""
    axes.set_xlabel(x, labelpad=3)
    axes.set_ylabel(y, rotation=0, ha="left", va="bottom")
    at = 1 + 6 / height_of(axes)
    axes.yaxis.set_label_coords(-(_left(axes) - 4) / width_of(axes), at)
    if count:
        axes.text(1, at, count, transform=axes.transAxes, ha="right", va="bottom", color=MUTED, fontsize=SMALL)


def name_panel(axes: Axes, title: str, count: str = "") -> None:
    """The name of one of several plots, and its number of points."""
    at = 1 + 5 / height_of(axes)
    axes.text(0, at, title, transform=axes.transAxes, ha="left", va="bottom", fontsize=NORMAL, fontweight="bold")
    if count:
        axes.text(1, at, count, transform=axes.transAxes, ha="right", va="bottom", color=MUTED, fontsize=SMALL)


def hide_left(axes: Axes) -> None:
    """A plot that shares its vertical axis with the one on its left."""
    axes.tick_params(labelleft=False)
    axes.yaxis.label.set_visible(False)


def note_below(axes: Axes, x: float, count: int) -> None:
    """How many points lie below the axis, at its foot."""
    if count:
        at = axes.get_xaxis_transform()
        axes.text(x, 0.01, f"↓{count}", transform=at, ha="center", va="bottom", color=INK, fontsize=SMALL - 1.5)


def draw_row(axes: Axes, row: float, label: str, note: str = "") -> None:
    """The name of a row above its data, where long names have room, and a remark on the right."""
    axes.text(0.0, row - 0.28, label, transform=axes.get_yaxis_transform(), va="bottom", fontsize=SMALL)
    if note:
        axes.text(
            1,
            row - 0.28,
            note,
            transform=axes.get_yaxis_transform(),
            va="bottom",
            ha="right",
            color=MUTED,
            fontsize=SMALL,
        )
    axes.axhline(row, color=GRID, linewidth=0.6, zorder=0)


def end_rows(axes: Axes, count: int) -> None:
    """Rows from top to bottom, without ticks."""
    axes.set_ylim(count - 0.55, -0.9)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def width_of(axes: Axes) -> float:
    """Of a plot, points."""
    return float(axes.get_position().width) * WIDTH


def height_of(axes: Axes) -> float:
    """Of a plot, points."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return float(axes.get_position().height * figure.get_size_inches()[1] * 72)


def _left(axes: Axes) -> float:
    return float(axes.get_position().x0) * WIDTH


def draw_delta(axes: Axes, axis: str, delta: float | None, top: float) -> None:
    """The band of differences that do not matter, below the highest value drawn; `delta_entries` explains it."""
    if delta is None or not math.isfinite(top):
        return
    span = axes.axhspan if axis == "y" else axes.axvspan
    span(top - delta, top, color=SHADE, alpha=0.28, linewidth=0, zorder=0)


def delta_entries(delta: float | None, where: str = "below the highest value") -> list[Entry]:
    """The δ band in a legend; nothing if no δ is declared."""
    return [] if delta is None else [(Patch(color=SHADE, alpha=0.28, linewidth=0), f"δ = {delta:g} {where}")]


def sample(shown: Look | None = None, *, line: LineStyle = "-", marker: str = "", color: str = INK) -> Handle:
    """A piece of line, with a marker if there is one, for a legend."""
    if shown is None:
        return Line2D([], [], color=color, linestyle=line, marker=marker, markersize=5)
    return Line2D([], [], linestyle=line, **look_of(shown))


def look_of(shown: Look) -> dict[str, Any]:
    """The arguments of `plot` that draw markers of a look."""
    return {"color": shown.color, "marker": shown.marker, "markersize": shown.size, "markerfacecolor": shown.face}
