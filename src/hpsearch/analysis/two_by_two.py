"""Levels that are two factors with two values each: effects and their interaction over common keys (S-19).

S common keys, J = S K folds of all of them under K-fold.
"""

import math
from typing import NamedTuple

import numpy as np

from hpsearch.analysis.evidence import Evidence
from hpsearch.analysis.explored import Interval
from hpsearch.analysis.factorial import SIMPLE, Effect, factorial
from hpsearch.analysis.findings import Factorial
from hpsearch.analysis.measuring import FEWEST_FOLDS
from hpsearch.analysis.paired import minimum_seeds
from hpsearch.analysis.pairing import outcomes, val_per_train
from hpsearch.analysis.refusals import about_folds
from hpsearch.analysis.scoreless import lack_of_any
from hpsearch.wording import number_of, plural, visible

Two = tuple[str, str]


class _Layout(NamedTuple):
    """A 2 x 2 design.

    Attributes:
        factors: Their names.
        values: Of the first factor and of the second, in the order of the levels.
        cells: (value of the first factor, value of the second) to the level.
    """

    factors: Two
    values: tuple[Two, Two]
    cells: dict[Two, str]


def effects_of(evidence: Evidence, alpha: float) -> Factorial | None:
    """Simple effects and interaction of a 2 x 2 design; None for any other, and where `why_no_effects` says why.

    Over keys or, under K-fold, over the folds of all keys with the correction for their overlap (S-10).

    Args:
        evidence: The levels with their factors, and their retrainings.
        alpha: Error rate of a family of effects, already divided by the number of looks.
    """
    layout, design = _layout(evidence), evidence.design
    if layout is None or not evidence.confirm or why_no_effects(evidence, alpha):
        return None
    ratio = val_per_train(design) if design.folds > 1 else None
    found = factorial(_scores(evidence, layout), alpha, design.delta, ratio)
    (first, second), (rows, columns), cells = layout
    means = {
        (row, column): (cells[row, column], float(found.means[at, to]))
        for at, row in enumerate(rows)
        for to, column in enumerate(columns)
    }
    simple = [_simple(first, value, one) for value, one in zip(columns, found.first, strict=True)]
    simple += [_simple(second, value, one) for value, one in zip(rows, found.second, strict=True)]
    interaction = (found.interaction.diff, *found.interaction.ci)
    return Factorial((first, second), layout.values, means, tuple(simple), interaction, found.main is not None)


def why_no_effects(evidence: Evidence, alpha: float) -> str:
    """Why the effects of a 2 x 2 design are not known, in a sentence without its full stop.

    Empty where they are, where nothing was retrained, and for any other design.
    """
    layout, design = _layout(evidence), evidence.design
    if layout is None or not evidence.confirm:
        return ""
    lack, keys = lack_of_any(evidence, layout.cells.values()), _keys(evidence, layout)
    fewest = 2 if design.folds > 1 else minimum_seeds(SIMPLE, alpha)
    if lack is not None:
        return lack.reason
    if any(map(math.isinf, (score for level in layout.cells.values() for score in outcomes(evidence, level).values()))):
        return "a retraining diverged, so that there are no mean effects"
    if len(keys) < fewest:
        count = f"{number_of(len(keys), 'seed')} of all four levels"
        return f"{count} {plural(len(keys), 'is', 'are')} fewer than the {fewest} that effects need"
    return _why_no_folds(evidence, layout) if design.folds > 1 else ""


def _why_no_folds(evidence: Evidence, layout: _Layout) -> str:
    folds = _folds(evidence, layout)
    if folds is None:
        return about_folds(evidence.design)
    few = f"{folds.shape[2]} folds of all common seeds are fewer than the {FEWEST_FOLDS} that effects need"
    return few if folds.shape[2] < FEWEST_FOLDS else ""


def larger_than_two_by_two(evidence: Evidence) -> str:
    """The sentence that a larger factorial is compared level by level; empty for any other design."""
    names = list(dict.fromkeys(name for level in evidence.design.levels for name in level.factors))
    values = {name: {level.factors.get(name) for level in evidence.design.levels} for name in names}
    if len(names) < 2 or _layout(evidence) is not None:
        return ""
    crossed = " x ".join(f"{len(values[name])} of {visible(name)}" for name in names)
    return (
        f"Values of {len(names)} factors are crossed ({crossed}): main effects and interaction are computed for 2 x 2 "
        "designs alone, so that these cells are compared as levels."
    )


def _layout(evidence: Evidence) -> _Layout | None:
    """The 2 x 2 design that the levels are; None if they are none."""
    levels = evidence.design.levels
    names = {tuple(level.factors) for level in levels}
    if len(levels) != 4 or len({frozenset(one) for one in names}) != 1 or len(levels[0].factors) != 2:
        return None
    first, second = levels[0].factors
    rows, columns = (tuple(dict.fromkeys(level.factors[name] for level in levels)) for name in (first, second))
    cells = {(level.factors[first], level.factors[second]): level.name for level in levels}
    if len(rows) != 2 or len(columns) != 2 or len(cells) != 4:
        return None
    return _Layout((first, second), (rows, columns), cells)


def _keys(evidence: Evidence, layout: _Layout) -> list[int]:
    """The S keys that all four levels have, ascending."""
    return sorted(set.intersection(*(set(outcomes(evidence, level)) for level in layout.cells.values())))


def _scores(evidence: Evidence, layout: _Layout) -> np.ndarray:
    """(2, 2, S) scores on the common keys; (2, 2, J) of their folds under K-fold."""
    if evidence.design.folds > 1:
        folds = _folds(evidence, layout)
        assert folds is not None, layout
        return folds
    keys, (rows, columns) = _keys(evidence, layout), layout.values
    known = {cell: outcomes(evidence, level) for cell, level in layout.cells.items()}
    return np.array([[[known[row, column][key] for key in keys] for column in columns] for row in rows])


def _folds(evidence: Evidence, layout: _Layout) -> np.ndarray | None:
    """(2, 2, J) scores of the folds of the common keys, key after key; None unless all have as many finite ones."""
    keys, (rows, columns) = _keys(evidence, layout), layout.values
    known = {
        cell: [row.folds for row in evidence.confirmed(level) if row.key in keys]
        for cell, level in layout.cells.items()
    }
    counts = {len(folds) for each in known.values() for folds in each}
    if len(counts) != 1 or counts == {0}:
        return None
    found = np.array([[np.ravel(known[row, column]) for column in columns] for row in rows])
    return found if np.isfinite(found).all() else None


def _simple(factor: str, other: str, effect: Effect) -> tuple[str, str, float, Interval]:
    """A factor's effect where the other one has this value, with an interval that holds for all four at once."""
    return factor, other, effect.diff, effect.ci_sim
