"""What the trials say about the search itself, and the overrides of the next round.

The rules follow the questions that the tuning playbook asks of a search before it believes its result (Godbole et
al., 2023): is the selected point inside the space, were enough points tried near it, do runs end while they still
improve, do they over-fit, and how much of the space does not train at all. The numbers in them are ours.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from hpsearch.analysis.evidence import Design, Evidence, Space, TrialRow
from hpsearch.analysis.exploration.findings import SearchSummary
from hpsearch.analysis.exploration.space import Column, columns_of, label_of
from hpsearch.analysis.exploration.trial_pool import TrialPool, space_of, trial_pool
from hpsearch.analysis.findings import Hint
from hpsearch.analysis.next_space import ENOUGH, Axis, calmer, edge_of, narrowed, near_the_highest, override_of, widened
from hpsearch.formatting import number_of, plural, show_number, show_value, visible
from hpsearch.records import NO_LEVEL


def is_exhausted(evidence: Evidence, level: str) -> bool:
    """Whether every configuration of a level's space was trained; of foreign results nobody knows the space."""
    if evidence.design.is_foreign:
        return False
    space = space_of(evidence.design, level)
    points = {label_of(dict(row.values)) for row in evidence.draws(level)}
    return len(points) >= (points_of(space) if space else 1)


def points_of(space: Space) -> float:
    """How many points a space has; infinite if any range is continuous, or nothing is known of it."""
    groups = {name.partition(".")[0] for name in space}
    return math.prod(_group_size(space, group) for group in groups) if space else math.inf


def _group_size(space: Space, group: str) -> float:
    """How many points a group has; each of its options, if it varies, brings its own values along."""
    options = space.get(group, {}).get("choices")
    if options is None:
        return math.prod(_points(bounds) for name, bounds in space.items() if name.partition(".")[0] == group)
    return sum(
        math.prod(_points(bounds) for name, bounds in space.items() if name.startswith(f"{group}.{option}."))
        for option in options
    )


def _points(bounds: Mapping[str, object]) -> float:
    """How many values bounds allow."""
    choices = bounds.get("choices")
    if isinstance(choices, list | tuple):
        return len(choices)
    axis = Axis.of(bounds)
    if axis is None:
        return 1 if "low" in bounds and bounds["low"] == bounds.get("high") else math.inf
    step = axis.step or (1 if axis.whole else None)
    return math.inf if step is None else math.floor((axis.high - axis.low) / step + 1e-9) + 1


DECADE = 10
"""Ratio of the ends of a range above which its logarithm should be drawn."""

END = 0.2
"""Last part of the epochs in which a curve must be flat."""

FEWEST_CURVES = 3
"""Trials that a slope and its error are estimated from."""

INFEASIBLE = 0.1
"""Share of diverged trials from which on a part of the space is not worth drawing from."""

LOST = 0.8
"""Share of diverged trials in the part that is cut off, at the least."""

RISE = 0.02
"""Share of its lowest value by which a loss must have risen."""

REPEATED = 0.1
"""Share of draws that may repeat others in a finite space."""


@dataclass(frozen=True, slots=True)
class _Level:
    """One level, as the rules read it."""

    evidence: Evidence
    name: str
    explored: Mapping[str, SearchSummary]
    space: Space
    pool: TrialPool

    @property
    def design(self) -> Design:
        return self.evidence.design

    @property
    def found(self) -> SearchSummary:
        return self.explored[self.name]

    @property
    def top(self) -> list[TrialRow]:
        """The five highest-scoring trials."""
        rows = {row.k: row for row in self.evidence.draws(self.name)}
        return [rows[k] for k in self.found.top if k in rows]

    def hint(self, code: str, sentence: str, overrides: Sequence[str | None] = ()) -> Hint:
        """A hint in the words of a search; of foreign results, without overrides, for we did not make the search."""
        where = "In the search, " if self.name == NO_LEVEL else f"In the search of {visible(self.name)}, "
        typed = () if self.design.is_foreign else tuple(one for one in overrides if one is not None)
        return Hint(code, self.name, where + sentence, typed)


def lint(evidence: Evidence, explored: Mapping[str, SearchSummary]) -> tuple[Hint, ...]:
    """What is noticed about the search of each level, with the overrides of the next round.

    A range that several levels draw from has one override, which holds for all of them.

    Args:
        evidence: Everything.
        explored: What was found, by level.
    """
    hints: list[Hint] = []
    for level in evidence.design.levels:
        if level.name in explored:
            pool = trial_pool(evidence, level.name)
            of_level = _Level(evidence, level.name, explored, space_of(evidence.design, level.name), pool)
            hints += _once([hint for rule in RULES for hint in rule(of_level)])
    return tuple(hints)


def _once(hints: Sequence[Hint]) -> list[Hint]:
    """The hints with one override for each key: that of the rule that reads most of the trials."""
    order = sorted(hints, key=lambda hint: hint.code != "few_good")  # it also widens where the recipe lies at an end
    giver: dict[str, Hint] = {}
    for hint in order:
        for override in hint.overrides:
            giver.setdefault(override.partition("=")[0], hint)
    return [
        replace(hint, overrides=tuple(one for one in hint.overrides if giver[one.partition("=")[0]] is hint))
        for hint in hints
    ]


def _boundary(level: _Level) -> Iterator[Hint]:
    """The recipe lies in the outer 5 % of a (log) range, and there is room beyond: widen it there."""
    for name, bounds in level.space.items():
        value = level.found.recipe_values.get(name)
        side = edge_of(bounds, value)
        wide = widened(bounds, side) if side else None
        if wide and isinstance(value, int | float):
            ends = f"{show_value(bounds['low'])} to {show_value(bounds['high'])}"
            end = "lower" if side == "low" else "upper"
            drawn = f"the selected trial has {visible(name)} = {show_value(value)}"
            sentence = f"{drawn}, in the outer 5 % at the {end} end of its range {ends}."
            yield level.hint("boundary", sentence, [override_of(name, wide)])


def _linear_decades(level: _Level) -> Iterator[Hint]:
    """A range of more than a decade is drawn linearly: nine tenths of its draws lie in its highest decade."""
    for name, bounds in level.space.items():
        axis = Axis.of(bounds)
        if axis is None or axis.log or axis.step is not None or not 0 < DECADE * axis.low < axis.high:
            continue
        ends = f"{show_value(axis.low)} to {show_value(axis.high)}"
        top = (axis.high - axis.high / DECADE) / (axis.high - axis.low)
        sentence = f"{visible(name)} is drawn linearly from {ends}: {top:.0%} of the draws lie in the highest decade."
        by_log = replace(axis, log=True).bounds(axis.low, axis.high)
        yield level.hint("linear_decades", sentence, [override_of(name, by_log)])


def _few_good(level: _Level) -> Iterator[Hint]:
    """Fewer than five trials come near the highest: draw from a narrower space or, if that is none, more often."""
    near, n = near_the_highest(level.evidence, level.pool), len(level.pool)
    if near is None or near[0].sum() >= ENOUGH:
        return
    hits = int(near[0].sum())
    new = narrowed(level.space, level.pool, level.found.recipe_values, near[0])
    changed = [override_of(name, one.bounds) for name, one in new.items() if one.leaves_out(level.space[name])]
    trials = max(1, level.design.trials)
    more = min(4 * trials, math.ceil(trials * ENOUGH / hits))
    reach = "δ" if level.design.delta is not None else "a standard error"
    come = f"{hits} of {number_of(n, 'trial')} {plural(hits, 'comes', 'come')}"
    sentence = f"only {come} within {reach} of the highest val score, to {show_number(near[1])}."
    whole = is_exhausted(level.evidence, level.name)
    yield level.hint("few_good", sentence, changed or ([] if whole else [f"search.trials={more}"]))


def _still_improving(level: _Level) -> Iterator[Hint]:
    """The `val` scores of the top trials rise over the last fifth of the epochs, by more than noise: train longer.

    The slopes of the trials give a mean and its error; by one-sided t at 5 %, the mean must be above 0. The gain of
    that fifth must also be worth something: δ or, where none is declared, one standard error of a score or a
    twentieth of what all epochs gained.
    """
    curves = _curves(level, f"val/{level.design.metric}")
    if curves is None:
        return
    curves = -curves if level.design.metric.lower_is_better else curves
    epochs = curves.shape[1]
    steps = max(1, round(END * epochs))
    gain = _changes(curves, steps)
    if _rises(gain) and gain.mean() >= _worthwhile(level, curves):
        said = f"the {len(curves)} highest-scoring trials still gain {show_number(float(gain.mean()))} of"
        sentence = f"{said} {level.design.metric} over the last {_epochs(steps)} of {epochs}."
        yield level.hint("still_improving", sentence, [f"training.epochs={2 * epochs}"])


def _worthwhile(level: _Level, curves: np.ndarray) -> float:
    """The smallest gain that training longer is worth."""
    rows, last = level.design.rows.get("val", 0), float(curves[:, -1].mean())
    if level.design.delta is not None:
        return level.design.delta
    if level.design.metric.is_share and rows > 1 and 0 < last < 1:
        return math.sqrt(last * (1 - last) / (rows - 1))
    return float((curves[:, -1] - curves[:, 0]).mean()) / 20


def _overfitting(level: _Level) -> Iterator[Hint]:
    """Over the second half of the epochs `val` loss rises, and its gap to the training loss widens: stop earlier."""
    val, train = _curves(level, "val/loss"), _curves(level, "train/loss")
    if val is None or train is None or val.shape != train.shape:
        return
    epochs = val.shape[1]
    steps = epochs // 2
    rise, gap = (_changes(curves, steps) for curves in (val, val - train)) if steps else (np.zeros(1), np.zeros(1))
    if _rises(rise) and _rises(gap) and (val[:, -1] - val.min(axis=1)).mean() > RISE * abs(val.min(axis=1).mean()):
        said = f"the val loss of the {len(val)} highest-scoring trials rises by {show_number(float(rise.mean()))}"
        sentence = f"{said} over the last {_epochs(steps)}, and its gap to the training loss widens."
        yield level.hint("overfitting", sentence, [f"training.patience={max(2, round(epochs / 10))}"])


def _epochs(steps: int) -> str:
    return "epoch" if steps == 1 else f"{steps} epochs"


def _curves(level: _Level, name: str) -> np.ndarray | None:
    """(T, E) curves of the top trials that ran for all epochs; None for fewer than three, or than two epochs."""
    found = [row.curves.get(name, []) for row in level.top]
    epochs = level.design.epochs or max(map(len, found), default=0)
    whole = [curve for curve in found if len(curve) == epochs and np.isfinite(curve).all()]
    return np.array(whole, dtype=np.float64) if len(whole) >= FEWEST_CURVES and epochs > 1 else None


def _changes(curves: np.ndarray, steps: int) -> np.ndarray:
    """(T,) what a straight line through the last `steps` + 1 epochs of each curve rises over them."""
    x = np.arange(steps + 1) - steps / 2
    changes: np.ndarray = steps * (curves[:, -steps - 1 :] @ x) / (x @ x)
    return changes


def _rises(changes: np.ndarray) -> bool:
    """Whether the mean change is above 0, by a one-sided t at 5 % over the trials."""
    n = len(changes)
    if n < FEWEST_CURVES or not np.isfinite(changes).all():
        return False
    return bool(changes.mean() > stats.t.ppf(0.95, n - 1) * changes.std(ddof=1) / math.sqrt(n))


def _infeasible(level: _Level) -> Iterator[Hint]:
    """More than a tenth of the trials diverged: cut off the end of a range where they lie.

    Of the ends of which four fifths diverged and none is among the highest-scoring five, that is the shortest one that
    holds the most of them; it must hold half of all that diverged. Where every trial did, there is room only beyond the
    ranges: below the learning rates.
    """
    found, pool = level.found, level.pool
    if not found.n or found.failed <= INFEASIBLE * found.n:
        return
    if found.failed == found.n:  # no end of a range is any better than the rest of it
        yield level.hint("infeasible", f"every one of {number_of(found.n, 'trial')} diverged.", calmer(level.space))
        return
    kept = np.array([row.k in found.top for row in pool.rows], dtype=bool)
    ends = [
        (*_lost_end(column, side, pool.diverged, kept), column, side)
        for column in columns_of(level.space, pool.rows)
        if not column.labels and column.name in level.space
        for side in ("low", "high")
    ]
    count, cut, column, side = max(ends, key=lambda end: end[0], default=(0, math.nan, None, ""))
    sentence = f"{found.failed} of {number_of(found.n, 'trial')} diverged"
    axis = Axis.of(level.space[column.name]) if column is not None and 2 * count >= found.failed else None
    if column is None or axis is None or math.isnan(cut):
        yield level.hint("infeasible", f"{sentence}.")
        return
    end = axis.settled(cut, up=side == "low")
    bounds = axis.bounds(axis.low, end) if side == "high" else axis.bounds(end, axis.high)
    where = "above" if side == "high" else "below"
    override = override_of(column.name, bounds) if bounds["low"] < bounds["high"] else None
    yield level.hint(
        "infeasible", f"{sentence}, {count} of them with {visible(column.name)} {where} {show_value(end)}.", [override]
    )


def _lost_end(column: Column, side: str, diverged: np.ndarray, kept: np.ndarray) -> tuple[int, float]:
    """How many diverged trials lie at this end of a range, and where it begins; 0 and NaN if there is no such end."""
    at = np.flatnonzero(column.present)
    at = at[np.argsort(column.numbers[at] * (1 if side == "low" else -1), kind="stable")]
    lost, size = np.cumsum(diverged[at]), np.arange(1, len(at) + 1)
    distinct = np.append(np.diff(column.numbers[at]) != 0, False)  # something must stay, and equal values together
    cuts = np.flatnonzero((lost >= LOST * size) & (np.cumsum(kept[at]) == 0) & distinct)
    if not len(cuts):
        return 0, math.nan
    last = cuts[lost[cuts].argmax()]
    middle = float(column.numbers[at[last : last + 2]].mean())
    return int(lost[last]), math.exp(middle) if column.log else middle


def _repeats(level: _Level) -> Iterator[Hint]:
    """Draws that repeat others: any in a space without end, a tenth in a finite one; or all of its points are drawn."""
    draws = [row for row in level.evidence.draws(level.name) if row.values]
    points = {label_of(dict(row.values)) for row in draws}
    size, again = points_of(level.space), len(draws) - len(points)
    if points and len(points) >= size:
        yield level.hint(
            "exhausted",
            f"all {number_of(len(points), 'configuration')} of the space {plural(len(points), 'was', 'were')} trained.",
        )
    elif again > (REPEATED * len(draws) if math.isfinite(size) else 0):
        repeat = f"{again} of {number_of(len(draws), 'trial')} {plural(again, 'repeats', 'repeat')}"
        yield level.hint("duplicates", f"{repeat} a point that was drawn before.")


RULES: tuple[Callable[[_Level], Iterator[Hint]], ...] = (
    _boundary,
    _linear_decades,
    _few_good,
    _still_improving,
    _overfitting,
    _infeasible,
    _repeats,
)
