"""Axes with few round ticks, honest about what they leave out, and the limits that fit the data."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullFormatter, NullLocator

from hpsearch.report.canvas import height_of, width_of
from hpsearch.report.style import INK

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
