"""Differences over folds or re-drawn splits of one pool: their training rows overlap, so that they vary together.

d (J,) are differences of scores A minus B per fold or split, higher is better. However many there are, the standard
error never falls below s sqrt(n_val / n_train): more splits of the same rows are no new rows.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy import stats

from hpsearch.metrics import resampled_error


class Rope(NamedTuple):
    """Posterior probabilities of A against B, with sum 1."""

    worse: float
    equivalent: float
    better: float


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


def rope(d: np.ndarray, val_per_train: float, delta: float) -> Rope:
    """Probabilities that A is worse by more than delta, within delta, and better by more (Benavoli et al., 2017).

    The posterior of the mean difference is a Student t with J - 1 degrees of freedom around the mean of `d`, with the
    scale `corrected_se`; a point where all differences are equal.

    Args:
        d: (J,) differences A minus B.
        val_per_train: n_val / n_train.
        delta: Half the width of the region of practical equivalence, >= 0.
    """
    if delta < 0:
        raise ValueError(f"delta must be >= 0, got {delta}")
    mean, se = float(d.mean()), corrected_se(d, val_per_train, 1)
    if se == 0:
        return Rope(float(mean < -delta), float(-delta <= mean <= delta), float(mean > delta))
    posterior = stats.t(len(d) - 1, mean, se)
    worse, better = float(posterior.cdf(-delta)), float(posterior.sf(delta))
    return Rope(worse, max(0.0, 1 - worse - better), better)


def five_by_two_t(d: np.ndarray) -> tuple[float, float]:
    """The 5x2cv t statistic and its two-sided p (Dietterich, 1998): d[0, 0] / sqrt(mean s_i^2), 5 degrees of freedom.

    Prefer `five_by_two_f`, which reads all ten differences.

    Args:
        d: (5, 2) differences: five random halvings, each half trained on once.
    """
    spread = _halving_spread(d)
    if spread == 0:
        return _without_spread(float(d[0, 0]))
    statistic = float(d[0, 0]) / math.sqrt(spread / 5)
    return statistic, float(2 * stats.t.sf(abs(statistic), 5))


def five_by_two_f(d: np.ndarray) -> tuple[float, float]:
    """The combined 5x2cv F statistic and its p (Alpaydin, 1999): sum d^2 / (2 sum s_i^2), F(10, 5).

    Args:
        d: (5, 2) differences: five random halvings, each half trained on once.
    """
    spread = _halving_spread(d)
    if spread == 0:
        return _without_spread(float(np.abs(d).max()))
    statistic = float(np.square(d).sum()) / (2 * spread)
    return statistic, float(stats.f.sf(statistic, 10, 5))


def _halving_spread(d: np.ndarray) -> float:
    """Sum over the five halvings of s_i^2, the squared deviations of both halves from their mean."""
    if d.shape != (5, 2):
        raise ValueError(f"5x2cv needs differences of shape (5, 2), got {d.shape}")
    return float(np.square(d[:, 0] - d[:, 1]).sum() / 2)


def _without_spread(value: float) -> tuple[float, float]:
    """Statistic and p in the limit where both halves agree in all halvings."""
    return (math.copysign(math.inf, value), 0.0) if value else (0.0, 1.0)
