"""F7, F8 and F13: which values matter among good trials, how trials learn, and when retrainings reach a target."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hpsearch.analysis.evidence import TrialRow
from hpsearch.analysis.findings import Findings
from hpsearch.metrics import LOSS, Metric
from hpsearch.report.figures.axes import (
    Entry,
    Layout,
    delta_entries,
    draw_delta,
    draw_row,
    end_rows,
    hide_left,
    lay_out,
    look_of,
    name_axes,
    name_panel,
    sample,
    scale,
    steady_span,
    styled,
)
from hpsearch.report.figures.style import INK, MUTED
from hpsearch.report.levels import Series, level_series, parameter_names, score_name, selection_rows


@styled
def importance(findings: Findings) -> Figure | None:
    """F7: share of each drawn value in the divergence of good trials from all, by level; None if it is refused."""
    members = [
        one
        for one in level_series(findings, 40)
        if one.name in findings.explored and findings.explored[one.name].importance
    ]
    if not members:
        return None
    rows = [(series, item) for series in members for item in findings.explored[series.name].importance]
    legend: list[Entry] = [
        (sample(line="", marker="o"), "clearly above the dummy"),
        (sample(line="", marker="o", color=MUTED), "no evidence of importance"),
    ]
    legend[1][0].set(markerfacecolor="none")
    figure, (axes,) = lay_out(Layout(height=25.0 * len(rows) + 30 * len(members), left=14, legend=[legend]))
    at = 0.0
    for series in members:
        at = _draw_shares(axes, findings, series, at)
    end_rows(axes, 1)
    axes.set_ylim(at - 0.75, -0.9)
    scale(axes, "x", -0.015, 1.02)
    name_axes(axes, "share of the PED-ANOVA divergence (S-22)", "value", "bars: 95 % bootstrap")
    return figure


def _draw_shares(axes: Axes, findings: Findings, series: Series, at: float) -> float:
    """The rows of one level from this height on; the height of the next."""
    items = findings.explored[series.name].importance
    titles = parameter_names([item.name for item in items])
    n = findings.explored[series.name].n
    axes.text(0, at - 0.35, series.label, transform=axes.get_yaxis_transform(), va="bottom", fontweight="bold")
    axes.text(1, at - 0.35, f"n = {n}", transform=axes.get_yaxis_transform(), va="bottom", ha="right", color=MUTED)
    for row, item in enumerate(items):
        y = at + 0.75 + row
        color = series.look.color if item.evidence else MUTED
        draw_row(axes, y, titles[item.name] + (" (random numbers)" if item.name == "dummy" else ""))
        axes.hlines(y, *item.interval, color=color, linewidth=1.6)
        axes.plot([item.share], [y], "o", markersize=5, color=color, markerfacecolor=color if item.evidence else "none")
    return at + 0.75 + len(items) + 0.6


def longest_curve(findings: Findings) -> int:
    """Epochs of the longest learning curve that `learning_curves` shows."""
    rows = [row for series in level_series(findings, 20) for row in _top(findings, series.name)]
    metric = _curve_metric(findings.evidence.design.metric, rows)
    return max((len(row.curves.get(f"val/{metric}", ())) for row in rows), default=0)


@styled
def learning_curves(findings: Findings) -> Figure | None:
    """F8: median and quartiles of each level's five highest-scoring trials, and the recipe; None below two epochs."""
    groups = [(series, _top(findings, series.name)) for series in level_series(findings, 20)]
    groups = [(series, rows) for series, rows in groups if rows]
    design = findings.evidence.design
    metric = _curve_metric(design.metric, [row for _, rows in groups for row in rows])
    if metric is None or longest_curve(findings) < 2:
        return None
    name, sign = metric.name, metric.score(1.0)
    every = [sign * v for _, rows in groups for row in rows for v in row.curves.get(f"val/{name}", [])]
    top = max(filter(np.isfinite, every), default=np.nan)
    delta = design.delta if metric == design.metric else None
    legend = [
        *_curve_legend(selection_rows(findings)),
        *delta_entries(delta, f"below the highest {selection_rows(findings)} score"),
    ]
    figure, axes = lay_out(Layout(len(groups), min(2, len(groups)), 120, 58, foot=36, legend=[legend]))
    low, high = steady_span([*every, *_train(groups, name, sign)])
    for at, ((series, rows), one) in enumerate(zip(groups, axes, strict=True)):
        draw_delta(one, "y", delta, top)
        scale(one, "y", low, high, count=4, broken=True)
        _draw_group(one, series, rows, findings.explored[series.name].recipe, (name, sign))
        one.set_xlabel("epoch", labelpad=3)
        one.set_ylabel(score_name(design) if metric == design.metric else f"-{name}")
        name_panel(one, series.label, f"n = {len(rows)}")
        if at % 2:
            hide_left(one)
    return figure


def _curve_legend(rows: str) -> list[Entry]:
    return [
        (sample(), f"{rows}: median, band: quartiles"),
        (sample(line="--"), "train: median"),
        (sample(line=":"), f"the recipe, {rows}"),
    ]


def _top(findings: Findings, level: str) -> list[TrialRow]:
    explored = findings.explored.get(level)
    rows = {row.k: row for row in findings.evidence.draws(level)}
    return [rows[k] for k in (explored.top if explored else ()) if k in rows and rows[k].curves]


def _curve_metric(metric: Metric, rows: Sequence[TrialRow]) -> Metric | None:
    """The metric itself where there are curves of it, else the loss."""
    return next((one for one in (metric, LOSS) if any(f"val/{one}" in row.curves for row in rows)), None)


def _train(groups: Sequence[tuple[Series, list[TrialRow]]], name: str, sign: float) -> list[float]:
    return [sign * v for _, rows in groups for row in rows for v in row.curves.get(f"train/{name}", [])]


def _stacked(rows: Sequence[TrialRow], key: str, sign: float) -> np.ndarray:
    """(rows, epochs) curves, NaN behind the end of a shorter one."""
    found = [row.curves[key] for row in rows if row.curves.get(key)]
    table = np.full((len(found), max(map(len, found), default=0)), np.nan)
    for at, curve in enumerate(found):
        table[at, : len(curve)] = curve
    return sign * np.where(np.isfinite(table), table, np.nan)


def _quantiles(table: np.ndarray, shares: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Epochs in which some curve has a value, from 1, and the quantiles over curves there."""
    known = np.flatnonzero(~np.isnan(table).all(axis=0))
    return known + 1, np.nanquantile(table[:, known], shares, axis=0)


def _draw_group(
    axes: Axes, series: Series, rows: Sequence[TrialRow], recipe: int | None, shown: tuple[str, float]
) -> None:
    name, sign = shown
    val, train = (_stacked(rows, f"{part}/{name}", sign) for part in ("val", "train"))
    color, dashed = series.look.color, (0, (4, 2))
    if np.isfinite(val).any():
        epochs, (quarter, half, three) = _quantiles(val, [0.25, 0.5, 0.75])
        axes.fill_between(epochs, quarter, three, color=color, alpha=0.25, linewidth=0)
        axes.plot(epochs, half, color=color)
    if np.isfinite(train).any():
        epochs, (half,) = _quantiles(train, [0.5])
        axes.plot(epochs, half, color=color, linestyle=dashed, linewidth=1.2)
    chosen = _stacked([row for row in rows if row.k == recipe], f"val/{name}", sign)
    if chosen.size:
        axes.plot(np.arange(1, chosen.shape[1] + 1), chosen[0], color=INK, linestyle=":", linewidth=1.2)
    scale(axes, "x", 0, max(val.shape[1], train.shape[1]) + 0.5, count=5)


@styled
def target_epochs(findings: Findings) -> Figure | None:
    """F13: the epoch in which each fresh seed of each level reaches the target, the soonest first; None without one."""
    found, series = findings.speed, {one.name: one for one in level_series(findings, 40)}
    rows = [row for row in found.levels if row.level in series] if found is not None else []
    if found is None or not rows:
        return None
    legend: list[Entry] = [
        (sample(line="", marker="o", color=MUTED), "a seed"),
        (sample(line="", marker="D"), "median"),
    ]
    figure, (axes,) = lay_out(Layout(height=36.0 * len(rows) + 10, left=14, legend=[legend]))
    never = found.last + max(1.0, 0.08 * found.last)
    for at, row in enumerate(rows):
        missed = sum(map(math.isinf, row.epochs))
        draw_row(axes, at, series[row.level].label, f"{missed} of {len(row.epochs)} never" if missed else "")
        x = np.minimum(row.epochs, never)
        spread = (np.arange(len(x)) * 0.618 % 1 - 0.5) * 0.3
        dots = {**look_of(series[row.level].look), "marker": "o", "markersize": 3.6}
        axes.plot(x, at + spread, linestyle="none", alpha=0.8, **dots)
        axes.plot([min(row.median, never)], [at], "D", color=INK, markersize=4.5)
    end_rows(axes, len(rows))
    step = max(1, round(found.last / 5))
    ticks = [*range(max(1, step), found.last + 1, step)]
    missing = [never] if any(math.isinf(epoch) for row in rows for epoch in row.epochs) else []
    axes.set_xlim(0.5 if found.last < 10 else 0, max([found.last, *missing]) + 0.06 * found.last)
    axes.set_xticks([*ticks, *missing], [*map(str, ticks), *("never" for _ in missing)])
    count = f"n = {sum(len(row.epochs) for row in rows)} retrainings"
    name_axes(axes, f"epoch in which the {selection_rows(findings)} score reaches the target", "option", count)
    return figure
