"""Comparison of options over several data sets by their ranks."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True, slots=True)
class RankTest:
    """Friedman's test.

    Attributes:
        ranks: (J,) mean rank of each option over the data sets; 1 is the highest score, ties share theirs.
        statistic: F_F, which follows F(J - 1, (J - 1)(N - 1)) if all options are equal; infinite where all data sets
            agree on the order.
        p: Its p.
    """

    ranks: np.ndarray
    statistic: float
    p: float


def mean_ranks(scores: np.ndarray) -> np.ndarray:
    """Mean ranks (J,) of options over data sets; 1 is the highest, ties share the mean of theirs.

    Args:
        scores: (N, J), higher is better; each row is a data set.
    """
    return np.asarray(stats.rankdata(-scores, axis=1).mean(axis=0))


def friedman(scores: np.ndarray) -> RankTest:
    """Whether options differ over data sets: Friedman's test with the correction of Iman and Davenport (1980).

    Demšar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 2006, section 3.2.2; with the usual
    correction for ties. Data sets are the sample: seeds of one data set are none.

    Args:
        scores: (N, J), higher is better; N >= 2 data sets, J >= 3 options.

    Raises:
        ValueError: For fewer data sets or options.
    """
    n, options = scores.shape
    if n < 2 or options < 3:
        raise ValueError(f"ranks must be of at least 2 data sets and 3 options, got {n} and {options}")
    ranks = stats.rankdata(-scores, axis=1)
    deviations = n * ranks.mean(axis=0) - n * (options + 1) / 2
    spread = float(np.sum(ranks**2) - n * options * (options + 1) ** 2 / 4)  # n J (J^2 - 1) / 12 without ties
    chi2 = (options - 1) * float(np.sum(deviations**2)) / spread if spread else 0.0
    rest = n * (options - 1) - chi2
    statistic = (n - 1) * chi2 / rest if rest > 1e-9 else math.inf
    p = float(stats.f.sf(statistic, options - 1, (options - 1) * (n - 1)))
    return RankTest(ranks.mean(axis=0), statistic, p)


def nemenyi_difference(options: int, datasets: int, alpha: float) -> float:
    """Mean ranks that differ by this are different, for all pairs of options at once (Nemenyi, 1963).

    Args:
        options: J.
        datasets: N.
        alpha: Error rate of all pairs together.
    """
    quantile = float(stats.studentized_range.ppf(1 - alpha, options, math.inf)) / math.sqrt(2)
    return quantile * math.sqrt(options * (options + 1) / (6 * datasets))
