"""Differences over folds or redrawn splits of one data set: their training rows overlap, so that they are correlated.

d (J,) are differences of scores A minus B per fold or split, higher is better. Whatever their number, the standard
error never falls below s sqrt(n_val / n_train): more splits of the same rows add no new rows.
"""

import numpy as np
from scipy import stats

from hpsearch.statistics.intervals import resampled_error


def corrected_se(d: np.ndarray, n_val: float, n_train: float) -> float:
    """Return the standard error of the mean of J >= 2 differences, s sqrt(1/J + n_val/n_train) (Nadeau & Bengio, 2003).

    Args:
        d: Shape (J,) differences.
        n_val: Number of rows scored in each fold or split, > 0.
        n_train: Number of training rows, > 0; for K folds n_val / n_train is 1 / (K - 1).

    Raises:
        ValueError: If there are fewer than 2 differences, or a part is empty.
    """
    if len(d) < 2 or n_val <= 0 or n_train <= 0:
        raise ValueError(f"needs 2 differences and positive parts, got {len(d)} with {n_val=}, {n_train=}")
    return resampled_error(d, n_val / n_train) if np.ptp(d) else 0.0


def corrected_interval(d: np.ndarray, n_val: float, n_train: float, alpha: float) -> tuple[float, float]:
    """Return the 1 - alpha interval of the mean difference, with `corrected_se` and J - 1 degrees of freedom."""
    half = float(stats.t.ppf(1 - alpha / 2, len(d) - 1)) * corrected_se(d, n_val, n_train)
    return float(d.mean()) - half, float(d.mean()) + half
