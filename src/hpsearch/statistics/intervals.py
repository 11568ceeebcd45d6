"""95 % intervals of what was measured on a sample of rows."""

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np

LEVEL = 0.95
"""Coverage of every interval."""

Z = NormalDist().inv_cdf((1 + LEVEL) / 2)

RESAMPLES = 1000

BOOTSTRAP_SEED = 1993
"""Seeds the resamples of every test metric, so that the same outputs have the same interval."""


def wilson(hits: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """The score interval of a share (Wilson, 1927): it has a width even where every row is right, or none.

    Args:
        hits: Rows that are right, 0 … n.
        n: All rows, >= 1.
        level: Coverage, in (0, 1).

    Examples:
        >>> low, high = wilson(10, 10)
        >>> round(low, 3), high
        (0.722, 1.0)
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, spread = hits / n, z**2 / n
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return (0.0 if hits == 0 else centre - half), (1.0 if hits == n else centre + half)


def bootstrap_interval(
    statistic: Callable[[np.ndarray], float], n: int, seed: int = BOOTSTRAP_SEED
) -> tuple[float | None, float | None]:
    """The percentile bootstrap interval over rows (Efron & Tibshirani, 1993, chapter 13); none for fewer than two.

    It stays within what the statistic can be: an interval of a few squared errors with a heavy tail is lopsided and
    never negative, where mean ± 1.96 SE would be.

    Args:
        statistic: From (n,) row numbers, drawn with replacement, to the statistic of these rows.
        n: Number of rows.
        seed: Of the `RESAMPLES` draws.
    """
    if n < 2:
        return None, None
    draw = np.random.default_rng(seed)
    values = [statistic(draw.integers(n, size=n)) for _ in range(RESAMPLES)]
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def resampled_error(scores: np.ndarray, val_per_train: float) -> float:
    """Standard error of the mean of J >= 2 fold scores: s sqrt(1/J + n_val/n_train) (Nadeau & Bengio, 2003).

    Args:
        scores: (J,), whose standard deviation s has the divisor J - 1.
        val_per_train: n_val / n_train.
    """
    return float(scores.std(ddof=1) * np.sqrt(1 / len(scores) + val_per_train))


def standard_error(rows: np.ndarray) -> float | None:
    """SD / sqrt(n) of per-row values (n,); for 0/1 values this is sqrt(v (1 - v) / (n - 1)). None for one row.

    Examples:
        >>> standard_error(np.array([1.0, 1.0, 0.0, 1.0]))
        0.25
    """
    return float(rows.std(ddof=1) / np.sqrt(len(rows))) if len(rows) > 1 else None
