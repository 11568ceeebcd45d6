"""Two levels whose runs share no keys: what seeds do stays in the difference, so that more runs are needed.

a (n_a,) and b (n_b,) are scores of independent runs; higher is better.
"""

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

from hpsearch.analysis.paired import BATCH, DRAWS, ROUNDING, spread


@dataclass(frozen=True, slots=True)
class Unpaired:
    """Level A against level B without common keys.

    Attributes:
        n_a: Runs of A.
        n_b: Runs of B.
        diff: Mean of A minus mean of B.
        ci: Its 1 - alpha interval (Welch, 1947).
        p: Two-sided permutation p of no difference.
        superiority: P(A > B), ties counted half.
        superiority_ci: Its 1 - alpha interval (Brunner & Munzel, 2000) within 0 … 1; None where no run of one level
            lies among those of the other, or all are equal: its width is not known then.
    """

    n_a: int
    n_b: int
    diff: float
    ci: tuple[float, float]
    p: float
    superiority: float
    superiority_ci: tuple[float, float] | None


def unpaired(a: np.ndarray, b: np.ndarray, alpha: float, seed: int | np.random.Generator = 0) -> Unpaired:
    """A against B from independent runs.

    Args:
        a: (n_a,) finite scores, n_a >= 2.
        b: (n_b,) finite scores, n_b >= 2.
        alpha: 1 - coverage of both intervals.
        seed: Of the permutations where there are too many to try all.
    """
    for runs in (a, b):
        if np.ndim(runs) != 1 or len(runs) < 2 or not np.isfinite(runs).all():
            raise ValueError(f"unpaired scores must be a row of at least two finite numbers, got {runs!r}")
    wins = (a[:, None] > b) + (a[:, None] == b) / 2  # (n_a, n_b)
    share = float(wins.mean())
    reach = _welch_half(wins.mean(axis=1), wins.mean(axis=0), alpha)
    superiority_ci = (max(0.0, share - reach), min(1.0, share + reach)) if reach else None
    diff, half = float(a.mean() - b.mean()), _welch_half(a, b, alpha)
    return Unpaired(len(a), len(b), diff, (diff - half, diff + half), permutation_p(a, b, seed), share, superiority_ci)


def _welch_half(a: np.ndarray, b: np.ndarray, alpha: float) -> float:
    """Half the width of the interval of a difference of means, with the degrees of freedom of Welch (1947).

    On the shares of the other level's runs that each run beats it is the interval of Brunner & Munzel (2000).
    """
    part_a, part_b = spread(a) ** 2 / len(a), spread(b) ** 2 / len(b)
    if part_a + part_b == 0:
        return 0.0
    freedom = (part_a + part_b) ** 2 / (part_a**2 / (len(a) - 1) + part_b**2 / (len(b) - 1))
    return float(stats.t.ppf(1 - alpha / 2, freedom)) * math.sqrt(part_a + part_b)


def permutation_p(a: np.ndarray, b: np.ndarray, seed: int | np.random.Generator = 0) -> float:
    """The share of ways to deal all runs into A and B whose |difference of means| reaches the observed one.

    All ways if they are no more than `DRAWS`, else the observed one and `DRAWS` random ones (Fisher, 1935).
    """
    pooled = np.concatenate([a, b]).astype(np.float64)
    pooled -= pooled.mean()  # the sum of A alone then says the difference of means
    reached = abs(pooled[: len(a)].sum()) - ROUNDING * np.abs(pooled).sum()
    if math.comb(len(pooled), len(a)) <= DRAWS:
        dealt = np.array(list(combinations(range(len(pooled)), len(a))))
        return float(np.mean(np.abs(pooled[dealt].sum(axis=1)) >= reached))
    draw = np.random.default_rng(seed)
    hits = 1
    for _ in range(DRAWS // BATCH):
        shuffled = draw.permuted(np.tile(pooled, (BATCH, 1)), axis=1)
        hits += int(np.count_nonzero(np.abs(shuffled[:, : len(a)].sum(axis=1)) >= reached))
    return hits / (1 + DRAWS)
