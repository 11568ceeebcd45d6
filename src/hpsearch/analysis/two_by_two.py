"""Levels that are two factors with two values each: effects and their interaction over common keys (S-19)."""

import numpy as np

from hpsearch.analysis.evidence import Evidence
from hpsearch.analysis.explored import Interval
from hpsearch.analysis.factorial import SIMPLE, Effect, factorial
from hpsearch.analysis.findings import Factorial
from hpsearch.analysis.paired import minimum_seeds
from hpsearch.analysis.pairing import outcomes

Cells = dict[tuple[str, str], str]
"""(value of the first factor, value of the second) to the level."""


def effects_of(evidence: Evidence, alpha: float) -> Factorial | None:
    """Simple effects and interaction of a 2 x 2 design; None for any other.

    None, too, where the keys are too few or a run diverged, and under K-fold: its keys share rows, so that a t interval
    over them would be too narrow.

    Args:
        evidence: The levels with their factors, and their retrainings.
        alpha: Error rate of a family of effects, already divided by the number of looks.
    """
    shape = _layout(evidence)
    if shape is None or evidence.design.folds > 1:
        return None
    factors, values, cells = shape
    scores = _common(evidence, cells, values)
    if scores.shape[2] < minimum_seeds(SIMPLE, alpha) or not np.isfinite(scores).all():
        return None
    found = factorial(scores, alpha, evidence.design.delta)
    means = {
        (row, column): (cells[row, column], float(found.means[at, to]))
        for at, row in enumerate(values[0])
        for to, column in enumerate(values[1])
    }
    simple = [_simple(factors[0], value, one) for value, one in zip(values[1], found.first, strict=True)]
    simple += [_simple(factors[1], value, one) for value, one in zip(values[0], found.second, strict=True)]
    interaction = (found.interaction.diff, *found.interaction.ci)
    return Factorial(factors, values, means, tuple(simple), interaction, found.main is not None)


def _layout(evidence: Evidence) -> tuple[tuple[str, str], tuple[tuple[str, str], tuple[str, str]], Cells] | None:
    """Factors, their values in the order of the levels, and the level of each cell; None unless it is 2 x 2."""
    levels = evidence.design.levels
    names = {tuple(level.factors) for level in levels}
    if len(levels) != 4 or len({frozenset(one) for one in names}) != 1 or len(levels[0].factors) != 2:
        return None
    first, second = levels[0].factors
    rows, columns = (tuple(dict.fromkeys(level.factors[name] for level in levels)) for name in (first, second))
    cells = {(level.factors[first], level.factors[second]): level.name for level in levels}
    if len(rows) != 2 or len(columns) != 2 or len(cells) != 4:
        return None
    return (first, second), (rows, columns), cells


def _common(evidence: Evidence, cells: Cells, values: tuple[tuple[str, str], tuple[str, str]]) -> np.ndarray:
    """(2, 2, n) scores on the keys that all four levels have."""
    known = {level: outcomes(evidence, level) for level in cells.values()}
    keys = sorted(set.intersection(*(set(scores) for scores in known.values())))
    return np.array([[[known[cells[row, column]][key] for key in keys] for column in values[1]] for row in values[0]])


def _simple(factor: str, other: str, effect: Effect) -> tuple[str, str, float, Interval]:
    """A factor's effect where the other one has this value, with an interval that holds for all four at once."""
    return factor, other, effect.diff, effect.ci_sim
