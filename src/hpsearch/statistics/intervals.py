"""95 % confidence intervals of statistics of a sample of rows."""

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np

LEVEL = 0.95
"""Coverage of every interval."""

Z = NormalDist().inv_cdf((1 + LEVEL) / 2)

RESAMPLES = 1000
"""Number of bootstrap resamples of an interval."""

BOOTSTRAP_SEED = 1993
"""Seed of the resamples of every test metric, so that equal outputs have equal intervals."""


def wilson(hits: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Return the score interval of a share (Wilson, 1927), which has a positive width even at 0 or 1.

    Args:
        hits: Number of correct rows, in [0, n].
        n: Number of rows, >= 1.
        level: Coverage, in (0, 1).

    Examples:
        >>> low, high = wilson(10, 10)
        >>> round(low, 3), high
        (0.722, 1.0)
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, spread = hits / n, z**2 / n
    center = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return (0.0 if hits == 0 else center - half), (1.0 if hits == n else center + half)


def bootstrap_interval(
    statistic: Callable[[np.ndarray], float], n: int, seed: int = BOOTSTRAP_SEED
) -> tuple[float | None, float | None]:
    """Return the percentile bootstrap interval over rows (Efron & Tibshirani, 1993, chapter 13).

    It stays within the range of the statistic: the interval of a few squared errors with a heavy tail is asymmetric and
    never negative, where mean ± 1.96 SE would be.

    Args:
        statistic: Maps row indices (n,), drawn with replacement, to the statistic of these rows.
        n: Number of rows.
        seed: Seed of the `RESAMPLES` draws.

    Returns:
        Lower and upper end, of the draws where the statistic is defined; None and None for fewer than two rows.
    """
    if n < 2:
        return None, None
    draw = np.random.default_rng(seed)
    values = [statistic(draw.integers(n, size=n)) for _ in range(RESAMPLES)]
    low, high = np.nanquantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def resampled_error(scores: np.ndarray, val_per_train: float) -> float:
    """Return the standard error of the mean of J >= 2 fold scores: s sqrt(1/J + n_val/n_train) (Nadeau & Bengio, 2003).

    Args:
        scores: Shape (J,); the standard deviation s has the divisor J - 1.
        val_per_train: n_val / n_train.
    """
    return float(scores.std(ddof=1) * np.sqrt(1 / len(scores) + val_per_train))


def standard_error(rows: np.ndarray) -> float | None:
    """Return SD / sqrt(n) of per-row values (n,), for 0/1 values sqrt(v (1 - v) / (n - 1)); None for one row.

    Examples:
        >>> standard_error(np.array([1.0, 1.0, 0.0, 1.0]))
        0.25
    """
    return float(rows.std(ddof=1) / np.sqrt(len(rows))) if len(rows) > 1 else None
