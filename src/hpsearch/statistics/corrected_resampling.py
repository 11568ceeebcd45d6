"""Differences over folds or re-drawn splits of one pool: their training rows overlap, so that they vary together.

d (J,) are differences of scores A minus B per fold or split, higher is better. However many there are, the standard
error never falls below s sqrt(n_val / n_train): more splits of the same rows are no new rows.
"""

import numpy as np
from scipy import stats

from hpsearch.statistics.intervals import resampled_error


def corrected_se(d: np.ndarray, n_val: float, n_train: float) -> float:
    """Standard error of the mean of J >= 2 differences, s sqrt(1/J + n_val/n_train) (Nadeau & Bengio, 2003).

    Args:
        d: (J,) differences.
        n_val: Rows scored in each fold or split.
        n_train: Rows trained on; for K folds n_val / n_train is 1 / (K - 1).
    """
    if len(d) < 2 or n_val <= 0 or n_train <= 0:
        raise ValueError(f"needs 2 differences and positive parts, got {len(d)} with {n_val=}, {n_train=}")
    return resampled_error(d, n_val / n_train) if np.ptp(d) else 0.0


def corrected_interval(d: np.ndarray, n_val: float, n_train: float, alpha: float) -> tuple[float, float]:
    """The 1 - alpha interval of the mean difference with `corrected_se` and J - 1 degrees of freedom."""
    half = float(stats.t.ppf(1 - alpha / 2, len(d) - 1)) * corrected_se(d, n_val, n_train)
    return float(d.mean()) - half, float(d.mean()) + half
