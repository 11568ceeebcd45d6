"""Recipes compared on the same seeds: an exact test for each pair, and simultaneous intervals for all pairs.

A pairing key names a seed and a split; both levels of a pair share n keys. d (n,) are the differences of the two scores
per key, A minus B: higher is better, and -inf is the score of a run that diverged.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

EXACT = 14
"""Number of keys up to which all sign vectors are enumerated."""

DRAWS = 100_000
"""Number of random sign vectors for more keys."""

BATCH = 10_000
"""Number of random sign vectors drawn at once."""

ROUNDING = 1e-9
"""Sums that differ by less than this share of the sum of absolute differences are equal up to rounding."""

SEEDS = 10
"""Default number of confirmation runs of a recipe."""


def differences(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the differences a - b per key, (n,) float64; 0 where both runs diverged.

    Args:
        a: Shape (n,) scores without NaN.
        b: Shape (n,) scores of the same keys.

    Raises:
        ValueError: If the shapes differ, or a score is NaN.
    """
    if np.shape(a) != np.shape(b) or np.ndim(a) != 1:
        raise ValueError(f"paired scores must be two rows of one length, got {np.shape(a)} and {np.shape(b)}")
    if np.isnan(a).any() or np.isnan(b).any():
        raise ValueError("paired scores must not be NaN: the score of a run that diverged is -inf")
    difference: np.ndarray = np.subtract(a, b, out=np.zeros(len(a)), where=np.not_equal(a, b))
    return difference


def sign_flip(d: np.ndarray, seed: int | np.random.Generator = 0) -> float:
    """Return the two-sided p of a mean difference of 0: the share of sign vectors whose |sum| reaches that of `d`.

    Fisher (1935). All 2^n vectors for n <= `EXACT`, so that p is a multiple of 2^(1 - n); otherwise the observed one
    and `DRAWS` random ones. It assumes that A and B are exchangeable on each key, not that the differences are normal.

    Args:
        d: Shape (n,) finite differences; sums of an integer type, such as correct counts, are compared exactly.
        seed: Seed of the random vectors.

    Raises:
        ValueError: If `d` is empty or not finite (`sign_flip_ranks` takes diverged runs).

    Examples:
        >>> sign_flip(np.array([1, 2, 3, 4, 5, 6]))  # all of one sign: 2 of 2^6 vectors
        0.03125
    """
    if np.ndim(d) != 1 or not len(d) or not np.isfinite(d).all():
        raise ValueError(f"differences must be one row of at least one finite number, got {np.asarray(d)!r}")
    whole = np.issubdtype(d.dtype, np.integer)
    d = d.astype(np.int64 if whole else np.float64)
    reached = abs(d.sum()) - (0 if whole else ROUNDING * np.abs(d).sum())
    if len(d) <= EXACT:
        return float(np.mean(np.abs(_half_of_all_signs(len(d)) @ d) >= reached))
    draw = np.random.default_rng(seed)
    hits = 1
    for _ in range(DRAWS // BATCH):
        signs = 1 - 2 * draw.integers(2, size=(BATCH, len(d)), dtype=np.int8)
        hits += int(np.count_nonzero(np.abs(signs @ d) >= reached))
    return hits / (1 + DRAWS)


def _half_of_all_signs(n: int) -> np.ndarray:
    """Return (2^(n-1), n) of +1 and -1, the last of each +1: the other half has the same |sums|."""
    signs: np.ndarray = 1 - 2 * (np.arange(2 ** (n - 1))[:, None] >> np.arange(n) & 1)
    return signs


def sign_flip_ranks(d: np.ndarray, seed: int | np.random.Generator = 0) -> float:
    """Return the two-sided p of `sign_flip` on signed ranks, for pairs with diverged runs.

    A key on which only A diverged has d = -inf, and +inf where only B did: the largest ranks, whatever the other
    differences. Ties share their mean rank; a difference of 0 has a rank but no sign (Pratt, 1959).

    Args:
        d: Shape (n,) differences, possibly infinite, without NaN.
        seed: Seed of the random sign vectors for more than `EXACT` keys.

    Raises:
        ValueError: If a difference is NaN.
    """
    if np.isnan(d).any():
        raise ValueError(f"differences must not be NaN: two runs that diverged are a tie, 0; got {d!r}")
    doubled = np.rint(2 * stats.rankdata(np.abs(d))).astype(np.int64)  # mean ranks are halves
    return sign_flip(np.sign(d).astype(np.int64) * doubled, seed)


def mean_interval(d: np.ndarray, alpha: float) -> tuple[float, float]:
    """Return the 1 - alpha t interval of the mean of (n,) values, n >= 2: mean ± t(n - 1) s / sqrt(n) (Student, 1908).

    It has zero width where all values are equal, which does not mean that the next value will be equal, too.

    Raises:
        ValueError: If there are fewer than 2 values.
    """
    if len(d) < 2:
        raise ValueError(f"a t interval needs at least 2 values, got {len(d)}")
    half = float(stats.t.ppf(1 - alpha / 2, len(d) - 1)) * spread(d) / math.sqrt(len(d))
    return float(d.mean()) - half, float(d.mean()) + half


def spread(d: np.ndarray) -> float:
    """Return the standard deviation with divisor n - 1; exactly 0 where all values are equal."""
    return float(d.std(ddof=1)) if np.ptp(d) else 0.0


def holm(p: Sequence[float]) -> np.ndarray:
    """Return Holm's (1979) adjusted p values (m,): the largest (m - rank + 1) p up to each rank, at most 1.

    Examples:
        >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
        [0.03, 0.06, 0.06]
    """
    raw = np.asarray(p, dtype=np.float64)
    order = raw.argsort(kind="stable")
    stepped = np.maximum.accumulate(raw[order] * np.arange(len(raw), 0, -1))
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def bonferroni_alpha(alpha: float, m: int) -> float:
    """Return the level alpha / m of each of m >= 1 intervals that hold simultaneously with probability >= 1 - alpha.

    Raises:
        ValueError: If m is below 1.
    """
    if m < 1:
        raise ValueError(f"the number of comparisons must be >= 1, got {m}")
    return alpha / m


def superiority(d: np.ndarray) -> float:
    """Return P(A > B) with ties counted half: an effect size on these keys, not a test."""
    return float(np.mean(d > 0) + np.mean(d == 0) / 2)


def minimum_seeds(comparisons: int, alpha: float = 0.05) -> int:
    """Return the smallest number of keys n on which any effect can be significant: m 2^(1 - n) <= alpha, m comparisons.

    With fewer, even the smallest sign-flip p stays above alpha after Holm's correction.

    Examples:
        >>> minimum_seeds(comparisons=1), minimum_seeds(comparisons=10)
        (6, 9)
    """
    return 1 + math.ceil(-math.log2(bonferroni_alpha(alpha, comparisons)))


def auto_seeds(comparisons: int, alpha: float = 0.05) -> int:
    """Return `confirm.seeds=auto`: two more than the minimum, to allow for failed runs, and at least `SEEDS`."""
    return max(SEEDS, minimum_seeds(comparisons, alpha) + 2) if comparisons else SEEDS


def contenders(levels: Sequence[str], claims: set[tuple[str, str]]) -> tuple[str, ...]:
    """Return the levels that no other is claimed to beat, in order; at least one, if there are levels.

    Args:
        levels: All levels.
        claims: (winner, loser) of each full claim. Mean differences on common keys are additive, so claims cannot be
            cyclic.
    """
    beaten = {loser for _, loser in claims}
    left = tuple(level for level in levels if level not in beaten)
    assert left or not levels, f"claims go round in a circle: {sorted(claims)}"
    return left


def power_paired(n: int, delta: float, sd: float, alpha: float) -> float:
    """Return the probability that the two-sided t test of n differences finds a mean difference of `delta`.

    t^2 is F(1, n - 1) with noncentrality n (delta / sd)^2 (Cohen, 1988, chapter 2): exact for normal differences, with
    both tails.

    Args:
        n: Number of pairing keys, >= 2.
        delta: Mean difference, of either sign, in units of the metric.
        sd: Standard deviation of the differences, >= 0, in the same unit.
        alpha: Level of the test; alpha / m where m pairs are compared.

    Raises:
        ValueError: If n or sd is too small.
    """
    if n < 2 or sd < 0:
        raise ValueError(f"power needs n >= 2 and sd >= 0, got n={n} and sd={sd}")
    if delta == 0:
        return alpha
    if sd == 0:
        return 1.0
    noncentrality = n * (delta / sd) ** 2
    critical = float(stats.t.ppf(1 - alpha / 2, n - 1)) ** 2
    # SciPy 1.17 has the tail of the noncentral F wrong at 0, and the far tail of the noncentral t as NaN.
    return float(stats.ncf.sf(critical, 1, n - 1, noncentrality)) if noncentrality else alpha


def seeds_needed(delta: float, sd: float, alpha: float, power: float = 0.8) -> int:
    """Return the smallest number of keys, >= 2, with which the paired t test finds `delta` with the given power.

    A claim by `sign_flip` also needs `minimum_seeds`, however small `sd` is.

    Args:
        delta: Smallest difference that matters, > 0.
        sd: Standard deviation of the differences, observed or planned, >= 0.
        alpha: Level of the test; alpha / m where m pairs are compared.
        power: In (alpha, 1).

    Raises:
        ValueError: If `delta` or `power` is out of range.

    Examples:
        >>> seeds_needed(delta=0.5, sd=1.0, alpha=0.05)
        34
    """
    if delta <= 0 or not alpha < power < 1:
        raise ValueError(f"seeds are needed for delta > 0 and alpha < power < 1, got {delta=}, {alpha=}, {power=}")
    below, enough = 1, 2
    while power_paired(enough, delta, sd, alpha) < power:
        below, enough = enough, 2 * enough
    while enough - below > 1:
        middle = (below + enough) // 2
        if power_paired(middle, delta, sd, alpha) < power:
            below = middle
        else:
            enough = middle
    return enough
