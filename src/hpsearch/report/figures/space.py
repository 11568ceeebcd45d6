"""F4 to F6: where in its space a level scores well, and how its trials learn. Hypothesis-generating, not evidence."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hpsearch.analysis.evidence import TrialRow
from hpsearch.analysis.exploration.findings import Isolation, SearchSummary
from hpsearch.analysis.findings import Findings
from hpsearch.formatting import show_coverage
from hpsearch.report.figures.axes import (
    HIGHEST,
    MOST_POINTS,
    Entry,
    Layout,
    delta_entries,
    draw_delta,
    draw_row,
    end_rows,
    hide_left,
    lay_out,
    log_scale,
    look_of,
    name_axes,
    name_panel,
    note_below,
    sample,
    scale,
    steady_span,
    styled,
    thinned,
)
from hpsearch.report.figures.style import INK, MUTED, SHADE, SMALL, short
from hpsearch.report.levels import (
    Series,
    failed,
    level_series,
    numbers_of,
    parameter_names,
    score_name,
    shown_part,
    shown_score,
)

EDGE = 0.05
"""Share of a range, on each side, in which a chosen value says that the range should be wider (R17)."""


@styled
def score_distribution(findings: Findings) -> Figure | None:
    """F4: share of trials that score at most x on `val`, failures at the left edge; None without trials."""
    design = findings.evidence.design
    pools = [
        (series, np.array([row.val for row in _scored(findings, series.name)])) for series in level_series(findings, 22)
    ]
    pools = [(series, scores) for series, scores in pools if len(scores)]
    if not pools:
        return None
    every = np.concatenate([scores for _, scores in pools])
    low, high = steady_span(every)
    half = math.sqrt(math.log(2 / design.alpha) / (2 * min(len(scores) for _, scores in pools)))
    levels: list[Entry] = [(sample(series.look), _with_failures(findings, series)) for series, _ in pools]
    figure, (axes,) = lay_out(Layout(height=200, legend=[levels, delta_entries(design.delta)]))
    for series, scores in pools:
        _draw_steps(axes, series, scores, (low, high), half if len(pools) <= 3 else 0.0)
    if len(pools) > 3:
        _draw_bracket(axes, half, show_coverage(design.alpha))
    draw_delta(axes, "x", design.delta, max(every[np.isfinite(every)].tolist(), default=math.nan))
    scale(axes, "x", low, high, broken=True)
    scale(axes, "y", 0, 1.02)
    band = f"{show_coverage(design.alpha)} DKW band ± {half:.2f}"
    count = f"n = {numbers_of([len(scores) for _, scores in pools], 'trial')}; {band}"
    name_axes(axes, score_name(design, "val"), "share of trials", count)
    return figure


def _scored(findings: Findings, level: str) -> list[TrialRow]:
    return [row for row in findings.evidence.draws(level) if not math.isnan(row.val)]


def _with_failures(findings: Findings, series: Series) -> str:
    rows = _scored(findings, series.name)
    share = sum(map(failed, rows)) / len(rows)
    return f"{series.label}: {100 * share:.0f} % diverged" if share else series.label


def _draw_steps(axes: Axes, series: Series, scores: np.ndarray, limits: tuple[float, float], half: float) -> None:
    ordered = np.sort(scores)
    steps = thinned(ordered)
    x = np.concatenate([[limits[0]], np.clip(steps, limits[0], None), [limits[1]]])
    share = np.concatenate([[0], thinned(np.arange(1, len(ordered) + 1)) / len(ordered), [1.0]])
    share[0] = (ordered <= limits[0]).mean()
    axes.step(x, share, where="post", color=series.look.color, linewidth=1.3)
    marks = np.linspace(len(x) // 8, len(x) - 2, 6).astype(int)
    axes.plot(x[marks], share[marks], linestyle="none", **look_of(series.look))
    if half:
        bands = np.clip(share - half, 0, 1), np.clip(share + half, 0, 1)
        axes.fill_between(x, *bands, step="post", color=series.look.color, alpha=0.13, linewidth=0)


def _draw_bracket(axes: Axes, half: float, level: str) -> None:
    """One bar in place of bands that would cover each other: every curve has this much on either side."""
    axes.errorbar(0.05, 0.7, yerr=half, color=INK, capsize=3, linewidth=1.1, transform=axes.get_yaxis_transform())
    said = f"{level} DKW,\nevery curve"
    axes.text(0.075, 0.7, said, transform=axes.get_yaxis_transform(), va="center", fontsize=SMALL - 1)


@styled
def slices(findings: Findings, level: str) -> Figure | None:
    """F5: each drawn value of a level against the score of its trials; None if it has none."""
    design = next(one for one in findings.evidence.design.levels if one.name == level)
    rows = _scored(findings, level)
    names = [name for name in design.space if any(name in row.values for row in rows)]
    if not names:
        return None
    part = shown_part(findings)
    scores = [shown_score(row, part) for row in rows]
    low, high = steady_span([*scores, *_isolated(findings.explored.get(level))])
    series = next(one for one in level_series(findings) if one.name == level)
    legend = _slice_legend(series, findings)
    figure, axes = lay_out(Layout(len(names), min(2, len(names)), 128, 58, foot=38, legend=legend))
    titles, top = parameter_names(names), max(filter(math.isfinite, scores), default=math.nan)
    for at, (name, one) in enumerate(zip(names, axes, strict=True)):
        draw_delta(one, "y", findings.evidence.design.delta, top)
        scale(one, "y", low, high, broken=True)
        place = _draw_value_axis(one, design.space[name], [row.values[name] for row in rows if name in row.values])
        one.set_xlabel(titles[name] + (" (log)" if design.space[name].get("log") else ""), labelpad=3)
        one.set_ylabel(score_name(findings.evidence.design, part))
        _draw_trials(one, findings, series, name, place, rows)
        _draw_isolation(one, findings.explored.get(level), name, place)
        name_panel(one, "", f"n = {sum(name in row.values for row in rows)}")
        if at % 2:
            hide_left(one)
    return figure


def _isolated(explored: SearchSummary | None) -> list[float]:
    """All scores of ranges, with their intervals."""
    pieces = [piece for found in explored.isolation.values() for piece in found] if explored is not None else []
    return [value for piece in pieces for value in (piece.score, *(piece.interval or ()))]


def _slice_legend(series: Series, findings: Findings) -> list[list[Entry]]:
    kinds: list[Entry] = [
        (sample(line="", marker="o", color=series.look.color), "a trial"),
        (sample(line="", marker="*"), "the recipe"),
        (sample(line="", marker="x", color=MUTED), "diverged"),
        (sample(line="-"), "isolation, 95 % bootstrap"),
    ]
    return [kinds, delta_entries(findings.evidence.design.delta)]


class _Places:
    """Where values stand on an axis: a number at itself, a choice at its place in the list, slightly scattered."""

    def __init__(self, choices: Sequence[Any] | None) -> None:
        self._at = None if choices is None else {str(choice): place for place, choice in enumerate(choices)}

    def __call__(self, value: Any, number: int) -> float:
        if self._at is None:
            return float(value)
        return self._at.get(str(value), -1) + (number * 0.618 % 1 - 0.5) * 0.4

    def span(self, piece: Isolation) -> tuple[float, float]:
        """The ends of a range, or of the column of a choice."""
        if self._at is None:
            return float(piece.low), float(piece.high)
        at = self._at.get(str(piece.low), -1)
        return at - 0.3, at + 0.3


def _draw_value_axis(axes: Axes, space: Mapping[str, Any], values: Sequence[Any]) -> _Places:
    choices = space.get("choices")
    if choices is not None or not all(isinstance(value, int | float) for value in values):
        listed = list(choices) if choices is not None else sorted({str(value) for value in values})
        axes.set_xlim(-0.6, len(listed) - 0.4)
        axes.set_xticks(range(len(listed)), [short(str(one), max(5, 30 // len(listed))) for one in listed])
        return _Places(listed)
    low, high = float(space.get("low", min(values))), float(space.get("high", max(values)))
    if space.get("log") and low > 0:
        room = (high / low) ** EDGE if high > low else 1.5
        log_scale(axes, "x", low / room**0.6, high * room**0.6, count=4)
        axes.axvspan(low, low * room, color=SHADE, alpha=0.14, linewidth=0)
        axes.axvspan(high / room, high, color=SHADE, alpha=0.14, linewidth=0)
    else:
        room = (high - low) * EDGE or 1.0
        scale(axes, "x", low - 0.6 * room, high + 0.6 * room, count=4)
        axes.axvspan(low, low + room, color=SHADE, alpha=0.14, linewidth=0)
        axes.axvspan(high - room, high, color=SHADE, alpha=0.14, linewidth=0)
    return _Places(None)


def _draw_trials(
    axes: Axes, findings: Findings, series: Series, name: str, place: _Places, rows: Sequence[TrialRow]
) -> None:
    part, low = shown_part(findings), axes.get_ylim()[0]
    points = [(place(row.values[name], row.k), shown_score(row, part), row) for row in rows if name in row.values]
    lost = thinned(np.array([x for x, _, row in points if failed(row)]))
    kept = _thinned_but_highest([(x, score) for x, score, row in points if not failed(row) and score >= low])
    axes.plot([x for x, _ in kept], [y for _, y in kept], "o", markersize=3, color=series.look.color, alpha=0.75)
    axes.plot(lost, [0.02] * len(lost), "x", markersize=4, color=MUTED, transform=axes.get_xaxis_transform())
    limits = axes.get_xlim()
    middle = sum(limits) / 2 if axes.get_xscale() == "linear" else math.sqrt(math.prod(limits))
    note_below(axes, middle, sum(not failed(row) and score < low for _, score, row in points))
    explored = findings.explored.get(series.name)
    chosen = [(x, score) for x, score, row in points if explored is not None and row.k == explored.recipe]
    axes.plot([x for x, _ in chosen], [y for _, y in chosen], "*", markersize=10, color=INK, markeredgewidth=0)


def _thinned_but_highest(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Of many points, in the order of drawing, evenly many of all and the highest."""
    if len(points) <= MOST_POINTS:
        return points
    highest = sorted(points, key=lambda point: -point[1])[:HIGHEST]
    return [*highest, *map(tuple, thinned(np.array(points)).tolist())]


def _draw_isolation(axes: Axes, explored: SearchSummary | None, name: str, place: _Places) -> None:
    for piece in explored.isolation.get(name, ()) if explored is not None else ():
        if not math.isfinite(piece.score):
            continue
        low, high = place.span(piece)
        axes.plot([low, high], [piece.score, piece.score], color=INK, linewidth=1.2)
        if piece.interval is not None:
            middle = math.sqrt(low * high) if axes.get_xscale() == "log" else (low + high) / 2
            axes.vlines(middle, *piece.interval, color=INK, linewidth=1.2)


@styled
def good_region(findings: Findings) -> Figure | None:
    """F6: share of the trials of a level that score within δ of its recipe; None if it is known for no level."""
    found = [
        (series, findings.explored[series.name].good)
        for series in level_series(findings, 40)
        if series.name in findings.explored
    ]
    found = [(series, good) for series, good in found if good is not None]
    if not found:
        return None
    figure, (axes,) = lay_out(Layout(height=28.0 * len(found) + 8, left=14))
    for row, (series, good) in enumerate(found):
        assert good is not None
        draw_row(axes, row, series.label)
        axes.hlines(row, *good.interval, color=series.look.color, linewidth=1.6)
        axes.plot([good.share], [row], **look_of(series.look))
    end_rows(axes, len(found))
    highest = max(good.interval[1] for _, good in found if good is not None)
    scale(axes, "x", 0, min(1.02, highest * 1.1))
    counts = numbers_of([findings.explored[series.name].n for series, _ in found], "trial")
    name_axes(axes, "share of the level's trials in its good region", "level", f"n = {counts}; bars: Wilson 95 %")
    return figure


@styled
def isolation_curves(findings: Findings) -> Figure | None:
    """F5: what each part of the range of a value that levels share gives, all of them on one axis; None without one."""
    shared = None if findings.tuning_ease is None else findings.tuning_ease.shared
    if shared is None:
        return None
    members = [series for series in level_series(findings) if series.name in shared.pieces]
    pieces = [piece for series in members for piece in shared.pieces[series.name]]
    ends = [float(end) for piece in pieces for end in (piece.low, piece.high)]
    legend: list[Entry] = [(sample(series.look), series.label) for series in members]
    delta = findings.evidence.design.delta
    figure, (axes,) = lay_out(Layout(height=210, legend=[legend, delta_entries(delta)]))
    low, high = steady_span(value for piece in pieces for value in (piece.score, *(piece.interval or ())))
    draw_delta(axes, "y", delta, max(piece.score for piece in pieces))
    scale(axes, "y", low, high, broken=True)
    log = min(ends) > 0 and max(ends) > 10 * min(ends)
    if log:
        log_scale(axes, "x", min(ends) / 1.2, max(ends) * 1.2)
    else:
        scale(axes, "x", min(ends), max(ends))
    for series in members:
        _draw_isolation_curve(axes, series, shared.pieces[series.name], log=log)
    trials = numbers_of([findings.explored[series.name].n for series in members], "trial")
    name = f"{short(shared.name, 24)}{' (log)' if log else ''}"
    name_axes(axes, name, score_name(findings.evidence.design, shown_part(findings)), f"N = {trials} per level")
    return figure


def _draw_isolation_curve(axes: Axes, series: Series, pieces: Sequence[Isolation], *, log: bool) -> None:
    """Points in the middle of the parts, joined; a bar along each part."""
    known = [piece for piece in pieces if math.isfinite(piece.score)]
    ends = np.array([(float(piece.low), float(piece.high)) for piece in known])
    middle = np.sqrt(ends.prod(axis=1)) if log else ends.mean(axis=1)
    scores, color = [piece.score for piece in known], series.look.color
    axes.hlines(scores, ends[:, 0], ends[:, 1], color=color, linewidth=1, alpha=0.5)
    axes.plot(middle, scores, color=color, linewidth=1.2)
    axes.plot(middle, scores, linestyle="none", **look_of(series.look))
    for x, piece in zip(middle, known, strict=True):
        if piece.interval is not None:
            axes.vlines(x, *piece.interval, color=color, linewidth=1.1)
