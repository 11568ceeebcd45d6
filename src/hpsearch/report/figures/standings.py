"""The figure of the first screen: every fresh seed of every option."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hpsearch.analysis.findings import Findings, Standing
from hpsearch.formatting import number_of
from hpsearch.records import Status
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
    steady_span,
    styled,
)
from hpsearch.report.figures.confirmation import confirm_part, point_outside
from hpsearch.report.figures.style import INK, MUTED
from hpsearch.report.levels import Series, against_control, interval_label, level_series, score_name
from hpsearch.report.number_format import format_like


@styled
def standings(findings: Findings) -> Figure | None:
    """F0: dots for seeds, the mean with its interval, a ring for the default recipe; None if nothing was confirmed."""
    head, series = findings.headline, {one.name: one for one in level_series(findings, 40)}
    rows = [row for row in head.standings if row.n and row.level in series] if head is not None else []
    if not rows:
        return None
    scores = {row.level: _scores(findings, row.level) for row in rows}
    low, high = _span(rows, scores)
    legend: list[Entry] = [
        (sample(line="", marker="o", color=MUTED), "a seed"),
        (sample(marker="D"), f"mean, {interval_label(findings)}"),
    ]
    if any(low <= row.untuned <= high for row in rows):
        ring = Line2D([], [], linestyle="", marker="o", markersize=8, color=INK, fillstyle="none")
        legend.append((ring, "default recipe, untuned"))
    delta = findings.evidence.design.delta
    figure, (axes,) = lay_out(
        Layout(height=36.0 * len(rows) + 10, left=14, legend=[legend, delta_entries(delta, "below the highest mean")])
    )
    draw_delta(axes, "x", delta, max([row.typical for row in rows if math.isfinite(row.typical)], default=high))
    scale(axes, "x", low, high, broken=True)
    against = against_control(findings)
    for at, row in enumerate(rows):
        lost = f"{row.failures.count} {row.failures.word}" if row.failures.count else ""
        note = lost or against.get(row.level) or _group(row)
        if row.typical < low:
            note = ", ".join(filter(None, (format_like(row.typical, row.around), note)))
        draw_row(axes, at, series[row.level].label, note)
        _draw(axes, at, row, series[row.level], scores[row.level], (low, high))
    end_rows(axes, len(rows))
    count = f"n = {number_of(sum(map(len, scores.values())), 'retraining')}"
    name_axes(axes, score_name(findings.evidence.design, confirm_part(findings)), "option", count)
    return figure


def _span(rows: Sequence[Standing], scores: Mapping[str, Sequence[float]]) -> tuple[float, float]:
    """Limits around the upper half of the options, and what is not far below it, which would squeeze all others."""
    upper = rows[: (len(rows) + 1) // 2]
    low, high = steady_span(
        [value for row in upper for value in (*scores[row.level], row.typical, *row.around)], pad=0.01
    )
    every = [value for row in rows for value in (*scores[row.level], row.typical, *row.around)]
    return span_of(np.array([value for value in every if low - 2 * (high - low) <= value < math.inf]), pad=0.05)


def _scores(findings: Findings, level: str) -> list[float]:
    """Of every seed that came to an end; minus infinity where it diverged."""
    rows = [row for row in findings.evidence.confirmed(level) if not math.isnan(row.report)]
    return [-math.inf if row.status == Status.DIVERGED else row.report for row in rows]


def _group(row: Standing) -> str:
    return f"group {row.letters}" if row.letters else ""


def _draw(axes: Axes, at: int, row: Standing, series: Series, scores: list[float], limits: tuple[float, float]) -> None:
    inside = np.array([score for score in scores if limits[0] <= score <= limits[1]])
    spread = (np.arange(len(inside)) * 0.618 % 1 - 0.5) * 0.3
    dots = {**look_of(series.look), "marker": "o", "markersize": 3.6}
    axes.plot(inside, at + spread, linestyle="none", alpha=0.8, **dots)
    point_outside(axes, at, scores, limits)
    if row.typical >= limits[0]:
        axes.hlines(at, *row.around, color=INK, linewidth=1.6)
        axes.plot([row.typical], [at], "D", color=INK, markersize=4.5)
    if limits[0] <= row.untuned <= limits[1]:
        axes.plot([row.untuned], [at], "o", color=INK, fillstyle="none", markersize=8)
