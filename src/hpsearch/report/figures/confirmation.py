"""F9 to F11 and the factorial plot: frozen recipes on fresh seeds."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hpsearch.analysis.findings import Confirmed, Findings, Pair, Rule
from hpsearch.formatting import number_of
from hpsearch.report.blocks import MINUS, TIMES
from hpsearch.report.figures.axes import (
    Entry,
    Layout,
    delta_entries,
    draw_delta,
    draw_row,
    end_rows,
    lay_out,
    look_of,
    name_axes,
    sample,
    scale,
    span_of,
    styled,
)
from hpsearch.report.figures.style import GRID, INK, MUTED, SHADE, SMALL, look, short, short_names
from hpsearch.report.levels import (
    MOST_DRAWN,
    Series,
    failed,
    has_report,
    interval_label,
    level_series,
    numbers_of,
    score_name,
    selection_rows,
    shown_pairs,
)

DOTS_ONLY = frozenset({Rule.ENOUGH_SEEDS, Rule.NO_MISSING_PAIR})
"""Where no other gate is closed, seeds are shown, but no interval."""


@styled
def paired_differences(findings: Findings) -> Figure | None:
    """F9: each pair's differences seed by seed, their mean, its intervals; None without a pair that may be shown."""
    most = math.comb(MOST_DRAWN, 2)
    pairs = [pair for pair in shown_pairs(findings, most) if may_show_seeds(pair)]
    if not pairs:
        return None
    design = findings.evidence.design
    legend = [_pair_legend(pairs), delta_entries(design.delta, "on either side of zero")]
    figure, (axes,) = lay_out(Layout(height=38.0 * len(pairs) + 10, left=14, legend=legend))
    if design.delta is not None:
        axes.axvspan(-design.delta, design.delta, color=SHADE, alpha=0.28, linewidth=0, zorder=0)
    axes.axvline(0, color=INK, linewidth=1)
    low, high = _difference_span(pairs, design.delta)
    scale(axes, "x", low, high)
    names = short_names([level.name for level in design.levels], 21)
    for row, pair in enumerate(pairs):
        state = ", ".join(pair.refused) if pair.refused else pair.state.replace("_", " ")
        draw_row(axes, row, f"{names[pair.a]} {MINUS} {names[pair.b]}", state)
        _draw_pair(axes, row, pair, (low, high))
    end_rows(axes, len(pairs))
    count = f"n = {numbers_of([pair.n for pair in pairs], 'paired seed')}"
    name_axes(axes, f"difference in {score_name(design, confirm_part(findings))}", "pair", count)
    return figure


def confirm_part(findings: Findings) -> str:
    """The rows on which retrainings are compared."""
    return "report" if findings.evidence.design.rows.get("report") or has_report(findings) else "val"


def may_show_seeds(pair: Pair) -> bool:
    """Whether the differences of single seeds may be shown."""
    return pair.n > 0 and set(pair.refused) <= DOTS_ONLY


def _pair_legend(pairs: Sequence[Pair]) -> list[Entry]:
    entries: list[Entry] = [(sample(line="", marker="o", color=MUTED), "a seed")]
    if any(not pair.refused for pair in pairs):
        entries += [
            (sample(marker="D"), "mean, adjusted"),
            (Line2D([], [], color=SHADE, linewidth=4), "95 %, this pair alone"),
        ]
    if any(_images(pair) for pair in pairs):
        entries.append((sample(line=":"), f"adjusted, seeds {TIMES} images"))
    return entries


def _images(pair: Pair) -> bool:
    return not pair.refused and pair.ci_images is not None


def _difference_span(pairs: Sequence[Pair], delta: float | None) -> tuple[float, float]:
    """Limits around zero, δ and all intervals; a seed far beyond them, such as one that diverged, is pointed at."""
    ends = [0.0, *((-1.3 * delta, 1.3 * delta) if delta is not None else ())]
    for pair in pairs:
        if not pair.refused:
            ends += [*pair.ci, *pair.ci_sim, *(pair.ci_images or ())]
    finite = np.concatenate([pair.differences[np.isfinite(pair.differences)] for pair in pairs])
    ends += np.quantile(finite, [0.03, 0.97]).tolist() if len(finite) else []
    return span_of(ends, pad=0.05)


def _draw_pair(axes: Axes, row: int, pair: Pair, limits: tuple[float, float]) -> None:
    inside = pair.differences[(pair.differences >= limits[0]) & (pair.differences <= limits[1])]
    spread = (np.arange(len(inside)) * 0.618 % 1 - 0.5) * 0.24
    axes.plot(inside, row + spread, "o", color=MUTED, markersize=3.2, alpha=0.7, markeredgewidth=0)
    point_outside(axes, row, [float(value) for value in pair.differences], limits)
    if pair.refused:
        return
    if all(map(math.isfinite, pair.ci)):
        axes.hlines(row, *pair.ci, color=SHADE, linewidth=5, alpha=0.8)
    if all(map(math.isfinite, pair.ci_sim)):
        middle, half = sum(pair.ci_sim) / 2, (pair.ci_sim[1] - pair.ci_sim[0]) / 2
        axes.errorbar([middle], [row], xerr=half, fmt="none", ecolor=INK, capsize=3, elinewidth=1.3)
    if pair.ci_images is not None and all(map(math.isfinite, pair.ci_images)):
        axes.hlines(row + 0.26, *pair.ci_images, color=INK, linewidth=1.3, linestyle=":")
    axes.plot([pair.diff], [row], "D", color=INK, markersize=4.5)


def point_outside(axes: Axes, row: float, values: Iterable[float], limits: tuple[float, float]) -> None:
    """Arrows with the number of points beyond either end."""
    values = list(values)
    for outside, text, x, ha in (
        (sum(value < limits[0] for value in values), "◂{}", 0.0, "left"),
        (sum(value > limits[1] for value in values), "{}▸", 1.0, "right"),
    ):
        if outside:
            said, at = text.format(outside), axes.get_yaxis_transform()
            axes.text(x, row + 0.3, said, transform=at, ha=ha, va="center", fontsize=SMALL)


@styled
def shrinkage(findings: Findings) -> Figure | None:
    """F10: each recipe's score from the search to fresh seeds, and to the test set; None without any score to show."""
    members = [series for series in level_series(findings) if series.name in findings.confirmed]
    if not members:
        return None
    design, stages = findings.evidence.design, _stages(findings)
    values = {series.name: _stage_scores(findings, series.name, stages) for series in members}
    ends = [end for series in members for end in findings.confirmed[series.name].interval]
    every = [value for scores in values.values() for value in scores if math.isfinite(value)]
    if not every:
        return None
    low, high = span_of([*every, *ends, max(every) - 1.5 * (design.delta or 0)])
    levels: list[Entry] = [(sample(series.look), _named(findings, series)) for series in members]
    figure, (axes,) = lay_out(Layout(height=210, foot=46, legend=[levels, delta_entries(design.delta)]))
    draw_delta(axes, "y", design.delta, max(every))
    scale(axes, "y", low, high, broken=True)
    for at, series in enumerate(members):
        dodge = 0.24 * ((at + 0.5) / len(members) - 0.5)
        x = np.arange(len(stages)) + dodge
        at_confirm = stages.index("confirm\nmean")
        axes.vlines(x[at_confirm], *findings.confirmed[series.name].interval, color=series.look.color, linewidth=1.2)
        known = np.isfinite(values[series.name])
        axes.plot(x[known], np.array(values[series.name])[known], **look_of(series.look))
    axes.set_xlim(-0.3, len(stages) - 0.7)
    axes.set_xticks(range(len(stages)), stages)
    count = numbers_of([findings.confirmed[series.name].n for series in members], "seed")
    name_axes(
        axes,
        "",
        score_name(design),
        f"n = {count}; bars: {interval_label(findings)}",
    )
    axes.set_xlabel("rows and trainings that the score comes from", labelpad=3)
    return figure


def _no_mean(one: Confirmed) -> str:
    """Why a level has no mean; empty if it has one."""
    why = f"{one.failed} diverged" if one.failed else ", ".join(one.refused)
    return f"{why}: no mean" if one.refused else ""


def _named(findings: Findings, series: Series) -> str:
    """A level, and why it has no mean if it has none."""
    why = _no_mean(findings.confirmed[series.name])
    return f"{series.label} ({why})" if why else series.label


def _stages(findings: Findings) -> list[str]:
    stages = [
        f"search\n{selection_rows(findings)}",
        *(["search\nreport"] if has_report(findings) else []),
        "confirm\nmean",
    ]
    return [*stages, "test"] if findings.evidence.tests else stages


def _stage_scores(findings: Findings, level: str, stages: Sequence[str]) -> list[float]:
    explored, test = findings.explored.get(level), [row for row in findings.evidence.tests if row.level == level]
    sign = -1.0 if score_name(findings.evidence.design).startswith("-") else 1.0
    known = {
        f"search\n{selection_rows(findings)}": explored.val if explored else math.nan,
        "search\nreport": explored.report if explored else math.nan,
        "confirm\nmean": findings.confirmed[level].mean,
        "test": sign * abs(test[0].value) if test else math.nan,
    }
    return [known[stage] for stage in stages]


@styled
def seed_strips(findings: Findings) -> Figure | None:
    """F11: every retraining's score, equal seeds joined, with each level's mean; None if nothing was confirmed."""
    members = [series for series in level_series(findings, 40) if findings.evidence.confirmed(series.name)]
    if not members:
        return None
    design = findings.evidence.design
    scores = {one.name: _scores(findings, one.name) for one in members}
    low, high = _strip_span(findings, scores)
    legend: list[Entry] = [
        (sample(line="", marker="o", color=MUTED), "a seed"),
        (sample(color=GRID), "equal seeds"),
        (sample(marker="D"), f"mean, {interval_label(findings)}"),
    ]
    figure, (axes,) = lay_out(
        Layout(height=38.0 * len(members) + 10, left=14, legend=[legend, delta_entries(design.delta)])
    )
    draw_delta(axes, "x", design.delta, high - (high - low) * 0.05)
    scale(axes, "x", low, high, broken=True)
    _join_seeds(axes, [scores[series.name] for series in members], (low, high))
    for row, series in enumerate(members):
        _draw_strip(axes, findings, series, row, scores[series.name], (low, high))
    end_rows(axes, len(members))
    count = f"n = {number_of(sum(map(len, scores.values())), 'retraining')}"
    name_axes(axes, score_name(design, confirm_part(findings)), "level", count)
    return figure


def _scores(findings: Findings, level: str) -> dict[int, float]:
    """By key; without those of trainings that were lost."""
    return {row.key: row.report for row in findings.evidence.confirmed(level) if not math.isnan(row.report)}


def _strip_span(findings: Findings, scores: dict[str, dict[int, float]]) -> tuple[float, float]:
    good = [row.report for row in findings.evidence.confirm if not failed(row) and math.isfinite(row.report)]
    ends = [end for one in findings.confirmed.values() for end in one.interval]
    top = max([value for keys in scores.values() for value in keys.values() if math.isfinite(value)], default=0.0)
    return span_of([*good, *ends, top - 1.5 * (findings.evidence.design.delta or 0)], pad=0.05)


def _join_seeds(axes: Axes, rows: Sequence[dict[int, float]], limits: tuple[float, float]) -> None:
    lines: list[list[tuple[float, float]]] = []
    for at, (upper, lower) in enumerate(pairwise(rows)):
        for key in sorted(upper.keys() & lower.keys()):
            if limits[0] <= min(upper[key], lower[key]):
                lines.append([(upper[key], at), (lower[key], at + 1)])
    axes.add_collection(LineCollection(lines, colors=GRID, linewidths=0.9, zorder=1))


def _draw_strip(
    axes: Axes, findings: Findings, series: Series, row: int, scores: dict[int, float], limits: tuple[float, float]
) -> None:
    confirmed = findings.confirmed.get(series.name)
    note = "no score" if confirmed is None else _no_mean(confirmed)
    draw_row(axes, row, series.label, note)
    inside = [value for value in scores.values() if value >= limits[0]]
    axes.plot(inside, [row] * len(inside), linestyle="none", alpha=0.8, **{**look_of(series.look), "markersize": 4})
    point_outside(axes, row, scores.values(), limits)
    if confirmed is not None and math.isfinite(confirmed.mean):
        axes.hlines(row + 0.24, *confirmed.interval, color=INK, linewidth=1.3)
        axes.plot([confirmed.mean], [row + 0.24], "D", color=INK, markersize=4)


@styled
def interaction(findings: Findings) -> Figure | None:
    """Cell means of a 2 x 2 design: parallel lines would mean that the two effects add up; None without one."""
    effects = findings.factorial
    if effects is None:
        return None
    first, second = effects.values
    looks = [look(place) for place in range(2)]
    design = findings.evidence.design
    ends = [end for level, _ in effects.cells.values() for end in _cell_interval(findings, level)]
    means = [mean for _, mean in effects.cells.values()]
    low, high = span_of([*means, *ends, max(means) - 1.5 * (design.delta or 0)])
    names = [short(f"{effects.factors[1]}: {value}", 30) for value in second]
    legend: list[Entry] = [(sample(shown), name) for shown, name in zip(looks, names, strict=True)]
    figure, (axes,) = lay_out(Layout(height=190, legend=[legend, delta_entries(design.delta)]))
    draw_delta(axes, "y", design.delta, max(means))
    scale(axes, "y", low, high, broken=True)
    for at, (value, shown) in enumerate(zip(second, looks, strict=True)):
        cells = [effects.cells[one, value] for one in first]
        x = np.arange(2) + 0.05 * (at - 0.5)
        for place, (level, _) in zip(x, cells, strict=True):
            axes.vlines(place, *_cell_interval(findings, level), color=shown.color, linewidth=1.3)
        axes.plot(x, [mean for _, mean in cells], linestyle="-" if at else "--", **look_of(shown))
    axes.set_xlim(-0.4, 1.4)
    axes.set_xticks([0, 1], [short(str(value), 20) for value in first])
    seeds = min(findings.confirmed[level].n for level, _ in effects.cells.values() if level in findings.confirmed)
    name_axes(
        axes,
        short(effects.factors[0], 40),
        score_name(design, confirm_part(findings)),
        f"n = {number_of(seeds, 'seed')}; bars: {interval_label(findings)}",
    )
    return figure


def _cell_interval(findings: Findings, level: str) -> tuple[float, float]:
    return findings.confirmed[level].interval if level in findings.confirmed else (math.nan, math.nan)
