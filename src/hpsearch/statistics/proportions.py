"""Shares of rows or runs: failure rates of levels, shipped models on the same test rows, reuse of a test set."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from scipy import stats

from hpsearch.statistics.intervals import wilson


def newcombe(hits_a: int, n_a: int, hits_b: int, n_b: int, alpha: float = 0.05) -> tuple[float, float]:
    """Return the 1 - alpha interval of a difference of two independent shares, A minus B (Newcombe, 1998, method 10).

    It combines two Wilson intervals, so that it stays within [-1, 1] and has a positive width even if no run failed.

    Args:
        hits_a: Number of hits among A's runs, in [0, n_a].
        n_a: Number of A's runs, >= 1.
        hits_b: Number of hits among B's runs, in [0, n_b].
        n_b: Number of B's runs, >= 1.
        alpha: 1 - coverage, in (0, 1).

    Examples:
        >>> low, high = newcombe(56, 70, 48, 80)  # the first example of the article
        >>> round(low, 4), round(high, 4)
        (0.0524, 0.3339)
    """
    share_a, share_b = hits_a / n_a, hits_b / n_b
    low_a, high_a = wilson(hits_a, n_a, 1 - alpha)
    low_b, high_b = wilson(hits_b, n_b, 1 - alpha)
    diff = share_a - share_b
    return diff - math.hypot(share_a - low_a, high_b - share_b), diff + math.hypot(high_a - share_a, share_b - low_b)


def fisher(hits_a: int, n_a: int, hits_b: int, n_b: int) -> float:
    """Return the two-sided exact p of equal shares, over all tables that are no likelier (Fisher, 1935).

    Examples:
        >>> round(fisher(3, 4, 1, 4), 4)  # the lady tasting tea
        0.4857
    """
    return float(stats.fisher_exact([[hits_a, n_a - hits_a], [hits_b, n_b - hits_b]]).pvalue)


@dataclass(frozen=True, slots=True)
class McNemar:
    """Comparison of two models on the same rows.

    Attributes:
        diff: Accuracy of A minus that of B.
        low: Lower end of its interval, >= -1.
        high: Upper end, <= 1.
        p: Two-sided exact p that each is equally often right where the other is wrong.
    """

    diff: float
    low: float
    high: float
    p: float


def mcnemar(b: int, c: int, n: int, alpha: float = 0.05) -> McNemar:
    """Compare two models on the same n rows: exact test (McNemar, 1947), interval of Agresti & Min (2005).

    The interval is Wald's after adding 1/2 to each of the four counts, so that it has a positive width for b = c = 0.

    Args:
        b: Number of rows that only A classifies correctly.
        c: Number of rows that only B classifies correctly.
        n: Number of rows, >= 1 and >= b + c.
        alpha: 1 - coverage, in (0, 1).

    Raises:
        ValueError: If the counts are inconsistent.

    Examples:
        >>> round(mcnemar(b=10, c=2, n=1000).p, 4)  # 2 (1 + 12 + 66) / 2^12
        0.0386
    """
    if min(b, c) < 0 or n < max(1, b + c):
        raise ValueError(f"needs b, c >= 0 and n >= 1 with b + c <= n, got b={b}, c={c}, n={n}")
    p = min(1.0, 2 * float(stats.binom.cdf(min(b, c), b + c, 0.5)))
    center = (b - c) / (n + 2)
    half = NormalDist().inv_cdf(1 - alpha / 2) * math.sqrt(b + c + 1 - (b - c) ** 2 / (n + 2)) / (n + 2)
    return McNemar((b - c) / n, max(-1.0, center - half), min(1.0, center + half), p)


def reuse_half_width(n: int, openings: int, alpha: float = 0.05) -> float:
    """Return the half-width of simultaneous intervals of m accuracies on one test set: sqrt(ln(2 m / alpha) / (2 n)).

    Hoeffding (1963) with a union bound: valid for m models chosen before the first opening. If one was changed after an
    opening, no such width is valid.

    Args:
        n: Number of test rows, >= 1.
        openings: Number of openings m, >= 1.
        alpha: Probability that any of the m intervals misses.

    Raises:
        ValueError: If there is no row or no opening.

    Examples:
        >>> round(reuse_half_width(10_000, openings=1), 4), round(reuse_half_width(10_000, openings=20), 4)
        (0.0136, 0.0183)
    """
    if n < 1 or openings < 1:
        raise ValueError(f"needs at least one row and one opening, got n={n} and openings={openings}")
    return math.sqrt(math.log(2 * openings / alpha) / (2 * n))


@dataclass(frozen=True, slots=True)
class Retrained:
    """A recipe's accuracy over S retrained models on n test rows, with standard errors of two kinds.

    Attributes:
        mean: Mean over all models.
        retrain_se: s / sqrt(S), the error from retraining; None for a single model.
        image_se: sqrt(p (1 - p) / n), the error from the sample of images; more models do not reduce it.
    """

    mean: float
    retrain_se: float | None
    image_se: float


def retrained(accuracies: np.ndarray, n: int) -> Retrained:
    """Return the mean accuracy of S >= 1 retrained models with its two standard errors.

    Args:
        accuracies: Shape (S,), in [0, 1].
        n: Number of test rows.
    """
    mean = float(accuracies.mean())
    several = len(accuracies) > 1
    retrain_se = float(accuracies.std(ddof=1)) / math.sqrt(len(accuracies)) if several else None
    return Retrained(mean, retrain_se, image_error(mean, n))


def image_error(share: float, n: int) -> float:
    """Return sqrt(p (1 - p) / n), the standard error of a share p of n rows, even as a mean over several models."""
    return math.sqrt(max(0.0, share * (1 - share)) / n)
