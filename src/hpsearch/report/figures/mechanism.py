"""Why: how signals pass through the layers, at initialization and over training, and the paths of optimizers."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hpsearch.analysis.evidence import ConfirmRow
from hpsearch.analysis.findings import Findings
from hpsearch.analysis.signals import Course, at_initialization, course, draws_of_weights
from hpsearch.report.figures.axes import (
    Entry,
    Layout,
    hide_left,
    lay_out,
    log_scale,
    look_of,
    name_axes,
    name_panel,
    sample,
    scale,
    styled,
)
from hpsearch.report.figures.style import GRID, INK, Look, look, short
from hpsearch.report.levels import Series, level_series

Path = np.ndarray
"""(T, 2) points, the start first."""

START, UPDATES = (-7.0, 2.0), 30

EPSILON = 1e-7


def gradient(point: np.ndarray) -> np.ndarray:
    """(2,) of x²/20 + y²."""
    return np.array([point[0] / 10, 2 * point[1]])


def textbook_paths(updates: int = UPDATES) -> dict[str, Path]:
    """SGD, Momentum, AdaGrad and Adam from the same start, each with the learning rate that suits it."""
    rules = {
        "SGD, lr 0.95": _sgd(0.95),
        "Momentum, lr 0.1": _momentum(0.1, 0.9),
        "AdaGrad, lr 1.5": _adagrad(1.5),
        "Adam, lr 0.3": _adam(0.3, 0.9, 0.999),
    }
    return {name: _walk(rule, updates) for name, rule in rules.items()}


def _walk(step: Callable[[np.ndarray], np.ndarray], updates: int) -> Path:
    points = [np.array(START)]
    for _ in range(updates):
        points.append(points[-1] + step(gradient(points[-1])))
    return np.stack(points)


def _sgd(lr: float) -> Callable[[np.ndarray], np.ndarray]:
    def step(slope: np.ndarray) -> np.ndarray:
        return np.asarray(-lr * slope)

    return step


def _momentum(lr: float, momentum: float) -> Callable[[np.ndarray], np.ndarray]:
    velocity = np.zeros(2)

    def step(slope: np.ndarray) -> np.ndarray:
        velocity[:] = momentum * velocity - lr * slope
        return velocity.copy()

    return step


def _adagrad(lr: float) -> Callable[[np.ndarray], np.ndarray]:
    squares = np.zeros(2)

    def step(slope: np.ndarray) -> np.ndarray:
        squares[:] += slope**2
        return np.asarray(-lr * slope / (np.sqrt(squares) + EPSILON))

    return step


def _adam(lr: float, beta1: float, beta2: float) -> Callable[[np.ndarray], np.ndarray]:
    mean, squares, updates = np.zeros(2), np.zeros(2), np.zeros(1)

    def step(slope: np.ndarray) -> np.ndarray:
        updates[:] += 1
        mean[:] = beta1 * mean + (1 - beta1) * slope
        squares[:] = beta2 * squares + (1 - beta2) * slope**2
        corrected = lr * np.sqrt(1 - beta2 ** updates[0]) / (1 - beta1 ** updates[0])
        return np.asarray(-corrected * mean / (np.sqrt(squares) + EPSILON))

    return step


STATISTICS = {
    "activation_second_moment": "E[z²] of activations",
    "gradient_second_moment": "E[g²] of gradients",
    "dead": "share of dead units",
    "saturated": "share of saturated units",
    "gradient_norm": "gradient norm",
    "update_ratio": "update / weight norm",
}
"""What is drawn, in order, and how its axis is called."""


def chosen_layers(count: int, most: int = 6) -> list[int]:
    """Places of at most so many layers, evenly spread, the first and the last among them."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, most))})


Theory = Mapping[str, Sequence[float]]
"""For each level what mean-field theory expects in each layer (S-23)."""

SHARES = frozenset({"dead", "saturated"})


@styled
def signal_propagation(
    findings: Findings, statistic: str = "activation_second_moment", theory: Theory | None = None
) -> Figure | None:
    """A second moment in each layer before the first update, by level, against theory; None if it was not measured."""
    evidence = findings.evidence
    drawn = [(series, draws_of_weights(evidence, series.name)) for series in level_series(findings)]
    found = [(series, at_initialization(rows, statistic)) for series, rows in drawn]
    found = [(series, values) for series, values in found if (np.isfinite(values) & (values > 0)).any()]
    if not found:
        return None
    lines = {name: values for name, values in (theory or {}).items() if any(series.name == name for series, _ in found)}
    levels: list[Entry] = [(sample(series.look), series.label) for series, _ in found]
    expected: list[Entry] = [(sample(line="--"), "theory (S-23)")] if lines else []
    figure, (axes,) = lay_out(Layout(height=210, left=50, legend=[levels, expected]))
    deepest = max(values.shape[1] for _, values in found)
    log_scale(axes, "y", *_positive_span([values for _, values in found], list(lines.values())))
    for at, (series, values) in enumerate(found):
        _draw_layers(axes, series, values, 0.3 * ((at + 0.5) / len(found) - 0.5))
        if series.name in lines:
            x = np.arange(1, len(lines[series.name]) + 1)
            axes.plot(x, lines[series.name], color=series.look.color, linestyle="--", linewidth=1.1)
    scale(axes, "x", 0.6, deepest + 0.4, count=min(deepest, 8))
    _whole_ticks(axes, deepest)
    counts = sorted({len(values) for _, values in found})
    seeds = any(isinstance(row, ConfirmRow) for _, rows in drawn for row in rows)
    of = "seeds" if seeds else "trials of one seed"
    count = f"n = {' to '.join(map(str, dict.fromkeys([counts[0], counts[-1]])))} {of} per level; mean ± SD"
    name_axes(axes, "layer, before the first update", f"{STATISTICS[statistic]} (log)", count)
    return figure


def _positive_span(tables: Sequence[np.ndarray], lines: Sequence[Sequence[float]]) -> tuple[float, float]:
    every = np.concatenate([*(values.ravel() for values in tables), *(np.asarray(line, float) for line in lines)])
    every = every[np.isfinite(every) & (every > 0)]
    return (float(every.min()) / 1.6, float(every.max()) * 1.6) if len(every) else (0.1, 10.0)


def _draw_layers(axes: Axes, series: Series, values: np.ndarray, dodge: float) -> None:
    finite = np.where(np.isfinite(values), values, math.nan)
    kept = np.flatnonzero(~np.isnan(finite).all(axis=0))
    x = kept + 1 + dodge
    mean, sd = np.nanmean(finite[:, kept], axis=0), np.nanstd(finite[:, kept], axis=0)
    floor = axes.get_ylim()[0]
    axes.vlines(x, np.maximum(mean - sd, floor), mean + sd, color=series.look.color, linewidth=1.1)
    axes.plot(x, mean, linewidth=1.2, **look_of(series.look))


def _whole_ticks(axes: Axes, last: int) -> None:
    ticks = range(1, last + 1, max(1, math.ceil(last / 10)))
    axes.set_xticks(list(ticks), list(map(str, ticks)))


@styled
def over_epochs(findings: Findings, statistic: str) -> Figure | None:
    """A statistic layer by layer over training, by level: the median of its trials; None if it was not measured."""
    found = [(series, course(findings.evidence.draws(series.name), statistic)) for series in level_series(findings, 20)]
    groups = [(series, one) for series, one in found if one is not None and np.isfinite(one.median).any()]
    if not groups:
        return None
    names = _layers(groups)
    legend: list[Entry] = [(sample(shown), short(name, 16)) for name, shown in names.items()]
    columns = min(2, len(groups))
    figure, axes = lay_out(Layout(len(groups), columns, 110, 58, foot=36, legend=[legend]))
    medians = [one.median for _, one in groups]
    for at, ((series, one), single) in enumerate(zip(groups, axes, strict=True)):
        if statistic in SHARES:
            scale(single, "y", 0, _share_limit(medians), count=4)
        else:
            log_scale(single, "y", *_positive_span(medians, []), count=4)
        for place in chosen_layers(len(one.layers)):
            single.plot(one.epochs, one.median[:, place], linewidth=1.2, **look_of(names[one.layers[place]]))
        last = max(float(one.epochs.max()), 1)
        scale(single, "x", -0.03 * last, 1.03 * last)
        single.set_xlabel("epoch", labelpad=3)
        single.set_ylabel(STATISTICS[statistic] + ("" if statistic in SHARES else " (log)"))
        name_panel(single, series.label, f"n = {len(one.values)}")
        if at % columns:
            hide_left(single)
    return figure


def _share_limit(medians: Sequence[np.ndarray]) -> float:
    """Up to 1, or less where all shares are small; never less than a tenth."""
    highest = max(float(np.nanmax(median)) for median in medians)
    return min(1.02, max(0.1, 1.15 * highest))


def _layers(groups: Sequence[tuple[Series, Course]]) -> dict[str, Look]:
    """Names of the layers that are drawn, each with its look."""
    names = dict.fromkeys(one.layers[place] for _, one in groups for place in chosen_layers(len(one.layers)))
    return {name: look(at) for at, name in enumerate(names)}


@styled
def optimizer_paths(paths: Mapping[str, Path] | None = None) -> Figure:
    """The ways of optimizers on f(x, y) = x²/20 + y².

    Args:
        paths: Name to (T, 2) points from the start on; None: four of them from (-7, 2), 30 updates each.
    """
    drawn = textbook_paths() if paths is None else paths
    figure, axes = lay_out(Layout(len(drawn), 2, 120, 44, between=14, foot=36))
    xs, ys = np.meshgrid(np.linspace(-8, 8, 81), np.linspace(-3.5, 3.5, 61))
    for at, ((name, path), one) in enumerate(zip(drawn.items(), axes, strict=True)):
        one.contour(xs, ys, xs**2 / 20 + ys**2, levels=[0.1, 0.5, 1, 2, 4, 8], colors=GRID, linewidths=0.8)
        one.plot(path[:, 0], path[:, 1], linewidth=1, **{**look_of(look(at)), "markersize": 3})
        one.plot([0], [0], "+", color=INK, markersize=8)
        scale(one, "x", -8, 8)
        scale(one, "y", -3.5, 3.5, count=4)
        one.set_xlabel("x", labelpad=3)
        one.set_ylabel("y", labelpad=2)
        name_panel(one, short(name, 20), f"n = {len(path) - 1}")
        if at % 2:
            hide_left(one)
    return figure
