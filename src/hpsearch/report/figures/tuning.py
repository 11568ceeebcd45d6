"""F1 to F3: what a budget of k trials gives. Hypothesis-generating, not evidence."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hpsearch.analysis.exploration.findings import Curve
from hpsearch.analysis.findings import Findings
from hpsearch.formatting import show_coverage
from hpsearch.report.captions import BANDS
from hpsearch.report.figures.axes import (
    Entry,
    Layout,
    delta_entries,
    draw_delta,
    hide_left,
    lay_out,
    log_scale,
    log_ticks,
    look_of,
    name_axes,
    name_panel,
    note_below,
    sample,
    scale,
    span_of,
    steady_span,
    styled,
    thinned,
)
from hpsearch.report.figures.style import GRID, MUTED
from hpsearch.report.levels import Series, has_report, level_series, numbers_of, score_name, shown_part, shown_rows

MARKED = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Budgets at which a curve carries its marker."""

_UNITS = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True, slots=True)
class Line:
    """A tuning curve ready to be drawn.

    Attributes:
        series: Its level.
        curve: Where it comes from.
        x: (K,) budget in trials, or in cost.
        main: (K,) the score that readers are shown.
        dotted: (K,) the optimistic score of selection; None where it is the main one.
        at_once: (M, 3) x, lower and upper end of the intervals that hold for all levels and budgets at once.
    """

    series: Series
    curve: Curve
    x: np.ndarray
    main: np.ndarray
    dotted: np.ndarray | None
    at_once: np.ndarray


def costs(findings: Findings) -> dict[str, float]:
    """Mean cost of a trial by level; empty unless it is known for all."""
    found = {name: one.mean_cost for name, one in findings.explored.items()}
    return found if found and all(math.isfinite(cost) and cost > 0 for cost in found.values()) else {}


def costs_differ(findings: Findings) -> bool:
    """Whether an equal number of trials is no equal budget: mean costs differ by more than 10 %."""
    known = costs(findings).values()
    return bool(known) and max(known) > 1.1 * min(known)


def cost_text(cost: float) -> str:
    """`1.5T`: a number of floating-point operations."""
    for size, letter in _UNITS:
        if cost >= size:
            return f"{cost / size:.3g}{letter}"
    return f"{cost:.3g}"


@styled
def tuning_curves(findings: Findings) -> Figure | None:
    """F1: expected score of the trial selected among k, against k; None if it is refused for every level."""
    return _curves(findings, dict.fromkeys(findings.explored, 1.0), _trial_axis)


@styled
def tuning_curves_by_cost(findings: Findings) -> Figure | None:
    """F1 against k times the mean cost of a trial; None unless costs differ."""
    return _curves(findings, costs(findings), _cost_axis) if costs_differ(findings) else None


def _curves(
    findings: Findings, unit: dict[str, float], draw_x: Callable[[Findings, Axes, list[Line]], None]
) -> Figure | None:
    lines = _lines(findings, unit)
    if not lines:
        return None
    top = max(_highest(line) for line in lines)
    figure, (axes,) = lay_out(Layout(height=230, foot=48, legend=_legend(findings, lines)))
    for at, line in enumerate(lines):
        _draw_line(axes, line, 1.04 ** (at - len(lines) / 2), band=len(lines) <= BANDS)
    draw_delta(axes, "y", findings.evidence.design.delta, top)
    low, high = _score_limits(findings, lines, top)
    scale(axes, "y", low, high, broken=True)
    draw_x(findings, axes, lines)
    return figure


def _lines(findings: Findings, unit: dict[str, float]) -> list[Line]:
    reported, lines = has_report(findings), []
    for series in level_series(findings):
        curve = findings.explored[series.name].curve if series.name in findings.explored else None
        if curve is None:
            continue
        x, at_once = curve.ks * unit[series.name], _at_once(findings, series.name, unit[series.name])
        main = curve.report if reported else curve.expected
        if not np.isfinite(main).any():  # a share of minus infinity makes every expectation infinite, no median
            lines.append(Line(series, curve, x, curve.median, None, at_once))
            continue
        dotted = curve.expected if reported else None
        lines.append(Line(series, curve, x, main, dotted, at_once))
    return [line for line in lines if np.isfinite(line.main).any()]


def _at_once(findings: Findings, level: str, unit: float) -> np.ndarray:
    found = () if findings.at_budget is None else findings.at_budget.budgets
    scores = [one for budget in found for one in budget.scores if one.level == level]
    return np.array([(one.trials * unit, one.low, one.high) for one in scores]).reshape(-1, 3)


def _highest(line: Line) -> float:
    finite = line.main[np.isfinite(line.main)]
    return float(finite.max()) if len(finite) else -math.inf


def _score_limits(findings: Findings, lines: Sequence[Line], top: float) -> tuple[float, float]:
    inside = [line.curve.ks >= 2 for line in lines]
    low, high = steady_span(np.concatenate([line.main[keep] for line, keep in zip(lines, inside, strict=True)]))
    dotted = [line.dotted for line in lines if line.dotted is not None]
    high = max([high, *(span_of(values)[1] for values in dotted)])
    bands = [line.curve.high[keep] for line, keep in zip(lines, inside, strict=True)]
    bands += [line.at_once[:, 2] for line in lines]
    high = max(high, span_of(np.concatenate(bands))[1]) if any(np.isfinite(band).any() for band in bands) else high
    low = min([low, *(float(line.at_once[:, 2].min()) for line in lines if len(line.at_once))])  # what overlaps is seen
    return min(low, top - 1.5 * (findings.evidence.design.delta or 0)), high


def _draw_line(axes: Axes, line: Line, dodge: float, *, band: bool) -> None:
    """A curve with its uncertainty: as a band where it hides no other, and as bars that hold for all levels at once."""
    claims = np.flatnonzero(line.curve.ks <= line.curve.claim_to)
    beyond = np.arange(claims[-1] if len(claims) else 0, len(line.x))
    color, x = line.series.look.color, line.x
    axes.plot(x[claims], line.main[claims], color=color)
    axes.plot(x[beyond], line.main[beyond], color=color, linestyle=(0, (4, 2)), linewidth=1.2)
    if line.dotted is not None:
        axes.plot(x, line.dotted, color=color, linestyle=(0, (1, 1.6)), linewidth=1.1)
    marked = np.flatnonzero(np.isin(line.curve.ks, MARKED))
    axes.plot(x[marked], line.main[marked], linestyle="none", **look_of(line.series.look))
    if band:
        axes.fill_between(x, line.curve.low, line.curve.high, color=color, alpha=0.16, linewidth=0)
    elif not len(line.at_once):
        axes.vlines(x[marked] * dodge, line.curve.low[marked], line.curve.high[marked], color=color, linewidth=1.1)
    at, low, high = line.at_once.T
    axes.vlines(at * dodge, low, high, color=color, linewidth=1.4)


def _legend(findings: Findings, lines: Sequence[Line]) -> list[list[Entry]]:
    levels: list[Entry] = [(sample(line.series.look), line.series.label) for line in lines]
    medians = any(line.main is line.curve.median for line in lines)
    name = "median (S-04)" if medians else "R_k (S-03)" if has_report(findings) else "E_k (S-01)"
    kinds: list[Entry] = [
        (sample(), f"{shown_rows(findings)} score {name}, k ≤ N/5"),
        (sample(line="--"), "k > N/5: no claims"),
    ]
    if any(line.dotted is not None for line in lines):
        kinds.append((sample(line=":"), "val score E_k (S-01): optimistic"))
    return [levels, [*kinds, *delta_entries(findings.evidence.design.delta)]]


def _counts(lines: Sequence[Line], findings: Findings) -> str:
    each = numbers_of([findings.explored[line.series.name].n for line in lines], "trial")
    if any(len(line.at_once) for line in lines):
        return f"N = {each} per level; bars: {show_coverage(findings.evidence.design.alpha)}, simultaneous"
    return f"N = {each} per level; {'bands' if len(lines) <= BANDS else 'bars'}: 95 % bootstrap"


def _trial_axis(findings: Findings, axes: Axes, lines: list[Line]) -> None:
    most = max(int(line.curve.ks.max()) for line in lines)
    log_scale(axes, "x", 0.92, most * 1.09)
    ticks = [k for k in MARKED if k <= most] if most < 1000 else [int(tick) for tick in log_ticks(1, most, 6)]
    known, texts = costs(findings), [str(k) for k in ticks]
    label = "budget of k trials (log)"
    if known and not costs_differ(findings):
        cost = sum(known.values()) / len(known)
        texts = [f"{k}\n{cost_text(k * cost)}" for k in ticks]
        label += "; second line: its cost, FLOP"
    axes.set_xticks(ticks, texts)
    name_axes(axes, label, score_name(findings.evidence.design), _counts(lines, findings))


def _cost_axis(findings: Findings, axes: Axes, lines: list[Line]) -> None:
    low, high = min(line.x.min() for line in lines), max(line.x.max() for line in lines)
    log_scale(axes, "x", low * 0.92, high * 1.09)
    ticks = log_ticks(low, high)
    axes.set_xticks(ticks, [cost_text(tick) for tick in ticks])
    name_axes(axes, "cost of the budget, FLOP (log)", score_name(findings.evidence.design), _counts(lines, findings))


@styled
def probability_highest(findings: Findings) -> Figure | None:
    """F2: probability that a level gives the highest score at a budget of k; None without budgets."""
    table = findings.best_probability
    if not table:
        return None
    ks = np.array(sorted(table))
    values = np.stack([table[int(k)] for k in ks])  # (budgets, 3, levels)
    members = level_series(findings)
    place = {level.name: at for at, level in enumerate(findings.evidence.design.levels)}
    legend: list[Entry] = [(sample(series.look), series.label) for series in members]
    figure, (axes,) = lay_out(Layout(height=200, legend=[[*legend, (sample(line=":", color=MUTED), "equal chances")]]))
    axes.axhline(1 / len(place), color=MUTED, linestyle=":", linewidth=1)
    for at, series in enumerate(members):
        dodge = 1.03 ** (at - len(members) / 2)
        _draw_probability(axes, ks, values[:, :, place[series.name]], series, dodge)
    log_scale(axes, "x", ks[0] * 0.86, ks[-1] * 1.16)
    axes.set_xticks(ks, [str(k) for k in ks])
    scale(axes, "y", 0, 1.02)
    counts = f"{len(ks)} budgets; bars: 95 % bootstrap, k ≤ N/5"
    name_axes(axes, "budget of k trials for each level (log)", "P(level is best | k)", counts)
    return figure


def _draw_probability(axes: Axes, ks: np.ndarray, values: np.ndarray, series: Series, dodge: float) -> None:
    color, inside = series.look.color, np.isfinite(values[:, 1])
    axes.vlines(ks[inside] * dodge, values[inside, 1], values[inside, 2], color=color, linewidth=1.1)
    axes.plot(ks[inside] * dodge, values[inside, 0], color=color)
    axes.plot(ks * dodge, values[:, 0], linestyle=(0, (4, 2)), linewidth=1, **look_of(series.look))


@styled
def block_winners(findings: Findings) -> Figure | None:
    """F3: report scores of the trial selected in each disjoint block of k trials; None if it is refused everywhere."""
    members = [series for series in level_series(findings, 20) if _blocks(findings, series.name)]
    if not members:
        return None
    design = findings.evidence.design
    columns = 2 if len(members) > 1 else 1
    figure, axes = lay_out(Layout(len(members), columns, 120, 58, foot=46, legend=[delta_entries(design.delta)]))
    # With one trial a block may be any failure: the limits follow the larger budgets.
    larger = [v for series in members for k, block in _blocks(findings, series.name).items() if k > 1 for v in block]
    low, high = steady_span(larger)
    top = max((value for value in larger if math.isfinite(value)), default=math.nan)
    for at, (series, one) in enumerate(zip(members, axes, strict=True)):
        draw_delta(one, "y", design.delta, top)
        scale(one, "y", low, high, count=4, broken=True)
        _draw_blocks(one, series, _blocks(findings, series.name), low)
        one.set_xlabel("k; below: number of blocks", labelpad=3)
        one.set_ylabel(score_name(design, shown_part(findings)))
        name_panel(one, series.label)
        if at % 2:
            hide_left(one)
    return figure


def _blocks(findings: Findings, level: str) -> dict[int, np.ndarray]:
    explored = findings.explored.get(level)
    return dict(sorted(explored.blocks.items())) if explored is not None else {}


def _draw_blocks(axes: Axes, series: Series, blocks: dict[int, np.ndarray], low: float) -> None:
    color = series.look.color
    for x, values in enumerate(blocks.values()):
        finite = np.sort(values[np.isfinite(values)])
        if len(finite) >= 5:
            quarter, half, three = np.quantile(finite, [0.25, 0.5, 0.75])
            axes.vlines(x, quarter, three, color=color, linewidth=10, alpha=0.35)
            axes.plot([x - 0.3, x + 0.3], [half, half], color=color, linewidth=1.6)
        inside = finite[finite >= low]
        below, inside = len(values) - len(inside), thinned(inside)
        spread = (np.arange(len(inside)) * 0.618 % 1 - 0.5) * 0.4  # a golden step scatters points evenly
        axes.plot(x + spread, inside, ".", markersize=3, color=color)
        note_below(axes, x, below)
    axes.set_xlim(-0.9, len(blocks) - 0.4)
    axes.set_xticks(range(len(blocks)), [f"{k}\n{len(values)}" for k, values in blocks.items()])
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
