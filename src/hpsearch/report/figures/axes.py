"""Figures laid out in points, and the marks that every axis of a report carries."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Literal, ParamSpec

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, NullFormatter, NullLocator

from hpsearch.report.figures.style import GRID, INK, MUTED, NORMAL, SHADE, SMALL, WIDTH, Look, drawing

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


MOST_POINTS = 500
"""Of more points that would lie on each other, a figure shows so many."""

HIGHEST = 100
"""The highest of them are shown in any case."""


def thinned(values: np.ndarray) -> np.ndarray:
    """Of many values some, evenly and in their order, with the first and the last: quantiles, if they are ordered."""
    if len(values) <= MOST_POINTS:
        return values
    kept: np.ndarray = values[np.linspace(0, len(values) - 1, MOST_POINTS).round().astype(int)]
    return kept


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


_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def scale(axes: Axes, axis: str, low: float, high: float, *, count: int = 5, broken: bool = False) -> None:
    """A linear axis from low to high with few round ticks; with a break mark if it is a scale that leaves out 0."""
    ticks = [
        tick for tick in MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high) if low <= tick <= high
    ]
    _set_axis(axes, axis, (low, high), ticks, _tick_texts(ticks))
    if broken and not low <= 0 <= high:
        mark_break(axes, axis)


def log_scale(axes: Axes, axis: str, low: float, high: float, *, count: int = 5) -> None:
    """A logarithmic axis with powers of ten, or with 1, 2 and 5 in each decade where it has few of them."""
    getattr(axes, f"set_{axis}scale")("log")
    ticks = log_ticks(low, high, count)
    _set_axis(axes, axis, (low, high), ticks, [power_text(tick) for tick in ticks])


def log_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers between two positive ones, at most about so many."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    inside = [
        10.0**power
        for power in range(first, last + 1)
        if low <= 10.0**power * (1 + 1e-9) and 10.0**power <= high * (1 + 1e-9)
    ]
    if len(inside) >= 3:
        return inside[:: math.ceil(len(inside) / count)]
    fine = [digit * 10.0**power for power in range(first, last + 1) for digit in (1, 2, 5)]
    return [tick for tick in fine if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)] or [low, high]


def power_text(value: float) -> str:
    """`0.5`, `20`, `10⁻⁵`, `2·10⁷`."""
    if 1e-3 <= value < 1e5:
        return f"{value:.4g}"
    head, _, power = f"{value:.0e}".partition("e")
    tail = "10" + str(int(power)).translate(_SUPERSCRIPTS)
    return tail if head == "1" else f"{head}·{tail}"


def _tick_texts(ticks: Sequence[float]) -> list[str]:
    """Texts of equally spaced ticks, with as many digits as tell them apart."""
    if len(ticks) < 2:
        return [f"{tick:.4g}" for tick in ticks]
    step = abs(ticks[1] - ticks[0])
    largest = max(map(abs, ticks))
    if largest >= 1e5 or largest < 1e-3:
        digits = max(0, math.floor(math.log10(largest / step) + 1e-9))
        return [f"{tick:.{digits}e}".replace("e+0", "e").replace("e-0", "e-") for tick in ticks]
    shown = max(0, -math.floor(math.log10(step) + 1e-9))
    digits = shown if math.isclose(step, round(step, shown), rel_tol=1e-6) else shown + 1
    return [f"{tick + 0.0:z.{digits}f}" for tick in ticks]


def _set_axis(axes: Axes, axis: str, limits: tuple[float, float], ticks: Sequence[float], texts: Sequence[str]) -> None:
    getattr(axes, f"set_{axis}lim")(*limits)
    line = axes.xaxis if axis == "x" else axes.yaxis
    line.set_minor_locator(NullLocator())
    line.set_minor_formatter(NullFormatter())
    getattr(axes, f"set_{axis}ticks")(list(ticks), list(texts))


def mark_break(axes: Axes, axis: str) -> None:
    """Two strokes through the axis: it does not begin at zero."""
    wide, tall = width_of(axes), height_of(axes)
    for at in (5.0, 9.0):
        x, y = ((-3, 3), (at - 2, at + 2)) if axis == "y" else ((at - 2, at + 2), (-3, 3))
        stroke = Line2D([x[0] / wide, x[1] / wide], [y[0] / tall, y[1] / tall], transform=axes.transAxes)
        stroke.set(color=INK, linewidth=1.1, clip_on=False)
        axes.add_line(stroke)


def span_of(values: Iterable[float], *, pad: float = 0.06) -> tuple[float, float]:
    """Limits around the finite values."""
    finite = np.array([value for value in values if math.isfinite(value)])
    if not len(finite):
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    room = (high - low) * pad or abs(high) * 0.05 or 0.05
    return low - room, high + room


def steady_span(values: Iterable[float], *, pad: float = 0.06) -> tuple[float, float]:
    """Limits around the finite values that cut off a long lower tail, far below most of them."""
    finite = np.array([value for value in values if math.isfinite(value)])
    if not len(finite):
        return 0.0, 1.0
    top, middle = float(finite.max()), float(np.quantile(finite, 0.25))
    return span_of(finite[finite >= top - 4 * (top - middle)], pad=pad)
