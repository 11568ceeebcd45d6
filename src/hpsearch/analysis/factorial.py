"""Two factors with two values each, on the same pairing keys: does the effect of one depend on the other?

Y[i, j] (n,) are scores with the first factor at its value i and the second at j; higher is better. They are of n keys
or, under K-fold, of the n = J folds of all keys, whose training rows overlap.
"""

from dataclasses import dataclass

import numpy as np

from hpsearch.analysis.paired import bonferroni_alpha, mean_interval
from hpsearch.analysis.resampled import corrected_interval

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
class Factorial:
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


def factorial(cells: np.ndarray, alpha: float, delta: float | None, ratio: float | None = None) -> Factorial:
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
    return Factorial(
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
