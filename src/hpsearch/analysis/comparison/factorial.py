"""Levels that are two factors with two values each: effects and their interaction over common keys (S-19).

S common keys, J = S K folds of all of them under K-fold.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hpsearch.analysis.comparison.outcomes import outcomes
from hpsearch.analysis.comparison.paired_scores import FEWEST_FOLDS, val_per_train
from hpsearch.analysis.comparison.refusals import about_folds, missing_score_of_any
from hpsearch.analysis.evidence import Evidence
from hpsearch.analysis.exploration.findings import Interval
from hpsearch.analysis.findings import Factorial
from hpsearch.formatting import number_of, plural, visible
from hpsearch.statistics.corrected_resampling import corrected_interval
from hpsearch.statistics.paired_tests import bonferroni_alpha, mean_interval, minimum_seeds

SIMPLE = 4
"""Simple effects of a 2 x 2 design, one family."""


@dataclass(frozen=True, slots=True)
class Effect:
    """A mean contrast over pairing keys, or over folds.

    Attributes:
        diff: Its mean.
        ci: Its 1 - alpha t interval, corrected for the overlap of folds (S-10).
        ci_sim: An interval that holds for all effects of its family at once (Bonferroni).
    """

    diff: float
    ci: tuple[float, float]
    ci_sim: tuple[float, float]


@dataclass(frozen=True, slots=True)
class FactorialEffects:
    """A 2 x 2 design. An effect is the score at value 1 minus the score at value 0.

    Attributes:
        means: (2, 2) mean score of each cell.
        first: Effect of the first factor where the second is at 0, and at 1.
        second: Effect of the second factor where the first is at 0, and at 1.
        interaction: By how much each factor's effect changes with the other's value: Y11 - Y10 - Y01 + Y00.
        main: Mean effects of the first and of the second factor over the other's values; None where they may not be
            stated, because the effects differ or may differ by more than delta.
    """

    means: np.ndarray
    first: tuple[Effect, Effect]
    second: tuple[Effect, Effect]
    interaction: Effect
    main: tuple[Effect, Effect] | None


def factorial(cells: np.ndarray, alpha: float, delta: float | None, ratio: float | None = None) -> FactorialEffects:
    """The interaction, four simple effects and, where they may be stated, two main effects.

    Main effects need an interaction whose interval includes 0 and is no wider than 2 delta: an interval that is wide
    says nothing about how alike the simple effects are.

    Args:
        cells: (2, 2, n) scores Y[i, j] per common pairing key, or per fold of all common keys, n >= 2.
        alpha: 1 - coverage of each `ci`, and of all of a family's `ci_sim` at once.
        delta: Smallest difference that matters, > 0; None if none is declared, and then there are no main effects.
        ratio: n_val / n_train of folds; None for keys, which share no training rows but by chance.
    """
    if cells.ndim != 3 or cells.shape[:2] != (2, 2) or not np.isfinite(cells).all():
        raise ValueError(f"cells must be finite scores of shape (2, 2, n), got shape {cells.shape}")
    if delta is not None and delta <= 0:
        raise ValueError(f"delta must be > 0, got {delta}")
    first, second = cells[1] - cells[0], cells[:, 1] - cells[:, 0]  # (2, n), by the value of the other factor

    def effect(contrast: np.ndarray, family: int) -> Effect:
        return _effect(contrast, alpha, family, ratio)

    interaction = effect(first[1] - first[0], 1)
    low, high = interaction.ci
    additive = delta is not None and low <= 0 <= high and high - low <= 2 * delta
    return FactorialEffects(
        means=cells.mean(axis=2),
        first=(effect(first[0], SIMPLE), effect(first[1], SIMPLE)),
        second=(effect(second[0], SIMPLE), effect(second[1], SIMPLE)),
        interaction=interaction,
        main=(effect(first.mean(axis=0), 2), effect(second.mean(axis=0), 2)) if additive else None,
    )


def _effect(contrast: np.ndarray, alpha: float, family: int, ratio: float | None) -> Effect:
    own, simultaneous = (
        mean_interval(contrast, each) if ratio is None else corrected_interval(contrast, ratio, 1, each)
        for each in (alpha, bonferroni_alpha(alpha, family))
    )
    return Effect(float(contrast.mean()), own, simultaneous)


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
    lack, keys = missing_score_of_any(evidence, layout.cells.values()), _keys(evidence, layout)
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
