"""Whether a recipe lies at the edge of its space, so that a wider one might hold a higher-scoring one (R17)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import stats

from hpsearch.analysis.evidence import Evidence, LevelDesign
from hpsearch.analysis.exploration.findings import SearchSummary
from hpsearch.analysis.exploration.trial_pool import TrialPool, trial_pool
from hpsearch.analysis.findings import Rule, RuleResult
from hpsearch.analysis.next_space import Axis, edge_of, widened
from hpsearch.formatting import number_of, show_value, visible
from hpsearch.quoting import shell_quoted
from hpsearch.records import Status, Value
from hpsearch.statistics.tuning_curves import FEWEST_TRIALS

NEAR = 0.2
"""Outer part of a (log) range in which scores may still rise towards its end."""

FEWEST_NEAR = 8
"""Trials there, without which no trend is told."""

TREND_ALPHA = 0.05
"""Of the one-sided rank test of a rise (Kendall, 1938)."""


def under_tuned(evidence: Evidence, explored: Mapping[str, SearchSummary]) -> list[RuleResult]:
    """R17: each value of a recipe that lies in the outer 5 % of its range, or where scores still rise towards its end.

    A level is under-tuned, too, if the default recipe of the library has a higher `val` score than what was drawn.

    Ends without room beyond them, such as a dropout of 0, are none. A level of which no trial learned anything, or all
    have the same score, has no better place in its ranges.
    """
    return [gate for level in evidence.design.levels for gate in _of_level(evidence, level, explored.get(level.name))]


def _of_level(evidence: Evidence, level: LevelDesign, explored: SearchSummary | None) -> list[RuleResult]:
    values, pool = _recipe(evidence, level.name, explored), trial_pool(evidence, level.name)
    if len(pool) > 1 and len(np.unique(pool.val)) == 1:  # such as weights of zero, which nothing trains
        return [Rule.INSIDE_ITS_RANGE.holds("every trial has the same score, wherever it lies", level=level.name)]
    if len(pool) >= FEWEST_TRIALS and all(row.status in (Status.STALLED, Status.DIVERGED) for row in pool.rows):
        return [Rule.INSIDE_ITS_RANGE.holds("no trial learned anything, wherever it lies", level=level.name)]
    found = _behind_its_default(evidence, level, explored)
    for name, bounds in level.space.items():
        edge = edge_of(bounds, values.get(name))
        side = edge or _rising(pool, name, bounds, values.get(name))
        wider = widened(bounds, side) if side else None
        if side and wider is not None:
            reason = _at_edge(name, bounds, values[name]) if edge else _still_rising(name, bounds, side)
            found.append(Rule.INSIDE_ITS_RANGE.weakens(reason, _override(name, side, wider), level.name))
    inside = "the recipe lies inside of its ranges" if values else "it draws nothing, or has no recipe"
    return found or [Rule.INSIDE_ITS_RANGE.holds(inside, level=level.name)]


def _behind_its_default(evidence: Evidence, level: LevelDesign, explored: SearchSummary | None) -> list[RuleResult]:
    """A default recipe with a higher `val` score says that the draws have missed better values."""
    default = evidence.default(level.name)
    if explored is None or default is None or not np.isfinite(default.val) or not default.val > explored.val:
        return []
    reason = f"its default recipe scores higher on val than the recipe of {number_of(explored.n, 'draw')}"
    fix = f"search.trials={2 * evidence.design.trials}"
    return [Rule.INSIDE_ITS_RANGE.weakens(reason, fix, level.name)]


def _recipe(evidence: Evidence, level: str, explored: SearchSummary | None) -> Mapping[str, Any]:
    """What the recipe drew: that of the retrainings where it is known, else the one that the search selects."""
    retrained = {row.trial for row in evidence.confirmed(level)}
    for row in evidence.draws(level):
        if {row.k} == retrained:
            return row.values
    return {} if explored is None else explored.recipe_values


def _rising(pool: TrialPool, name: str, bounds: Mapping[str, Any], value: Value) -> str | None:
    """The end near the value towards which `val` scores rise among the trials of the outer fifth; None without one."""
    axis = Axis.of(bounds)
    if axis is None or not isinstance(value, int | float) or (axis.log and value <= 0):
        return None
    at = _place(axis, value)
    side = "low" if at <= NEAR else "high" if at >= 1 - NEAR else None
    if side is None:
        return None
    drawn = [(row.values.get(name), score) for row, score in zip(pool.rows, pool.val, strict=True)]
    near = [
        (_place(axis, one), score) for one, score in drawn if isinstance(one, int | float) and (one > 0 or not axis.log)
    ]
    near = [(-place if side == "low" else place, score) for place, score in near if _is_near(place, side)]
    return side if _rises(np.array(near)) else None


def _place(axis: Axis, value: float) -> float:
    """Where on the range a value lies, 0 to 1 from end to end."""
    return (axis.scaled(value) - axis.scaled(axis.low)) / axis.width


def _is_near(place: float, side: str) -> bool:
    return place <= NEAR if side == "low" else place >= 1 - NEAR


def _rises(near: np.ndarray) -> bool:
    """Whether scores (second column) rise with the place (first column) by Kendall's test."""
    if len(near) < FEWEST_NEAR or not np.ptp(near[:, 0]) or len(np.unique(near[:, 1])) < 2:
        return False
    return bool(stats.kendalltau(near[:, 0], near[:, 1], alternative="greater").pvalue <= TREND_ALPHA)


def _at_edge(name: str, bounds: Mapping[str, Any], value: Value) -> str:
    return f"{visible(_last(name))} = {show_value(value)} lies in the outer 5 % of its range {_range(bounds)}"


def _still_rising(name: str, bounds: Mapping[str, Any], side: str) -> str:
    end = show_value(bounds[side])
    return f"scores still rise towards the end {end} of the range of {visible(_last(name))}, {_range(bounds)}"


def _range(bounds: Mapping[str, Any]) -> str:
    return f"{show_value(bounds['low'])} to {show_value(bounds['high'])}"


def _last(name: str) -> str:
    return name.rsplit(".", 1)[-1]


def _override(name: str, side: str, wider: Mapping[str, Any]) -> str:
    """As it is typed; in words for a name that no configuration has."""
    if name.count(".") < 2:
        return f"draw {visible(name)} {'down' if side == 'low' else 'up'} to {show_value(wider[side])}"
    return shell_quoted(f"search.space.{name}.{side}={wider[side]!r}")
