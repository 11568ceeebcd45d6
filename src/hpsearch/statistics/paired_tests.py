"""Recipes compared on the same seeds: an exact test for each pair, and simultaneous intervals for all pairs.

A pairing key names a seed and a split; both levels of a pair share n keys. d (n,) are the differences of the two scores
per key, A minus B: higher is better, and -inf is the score of a run that diverged.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import special, stats

EXACT = 14
"""Number of keys up to which all sign vectors are enumerated."""

DRAWS = 100_000
"""Number of random sign vectors for more keys."""

FEWEST_DRAWS = 10_000
"""Number of random sign vectors of a family of however many pairs."""

MOST_FLIPS = 2_000_000
"""Number of p values of flipped differences, of all pairs together, that are drawn at random."""

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
        ValueError: If `d` is empty or not finite (`signed_ranks` takes diverged runs).

    Examples:
        >>> sign_flip(np.array([1, 2, 3, 4, 5, 6]))  # all of one sign: 2 of 2^6 vectors
        0.03125
    """
    flipped = np.abs(_sign_vectors(len(_finite(d)), seed) @ d.astype(np.float64))
    return float(np.mean(flipped >= flipped[0] - _rounding(d)))


def sign_flip_interval(d: np.ndarray, level: float, seed: int | np.random.Generator = 0) -> tuple[float, float]:
    """Return the 1 - level interval of the center of symmetry of (n,) differences: those that `sign_flip` accepts.

    Its ends are typical values (Hartigan, JASA 1969): of the means of `d` over all non-empty subsets, the k-th lowest
    and the k-th highest, k = floor(level 2^(n - 1)). It excludes 0 exactly where the p of the same `seed` is at most
    `level`, and is infinite where no p can be.

    Args:
        d: Shape (n,) finite differences, as of `sign_flip`.
        level: 1 - coverage, in [0, 1).
        seed: Seed of the random subsets that stand for all of them if n > `EXACT`.

    Raises:
        ValueError: If `d` is empty or not finite.

    Examples:
        >>> sign_flip_interval(np.array([1, 2, 3, 4, 5, 6]), 0.05)  # the lowest and the highest mean of any subset
        (1.0, 6.0)
    """
    return _interval(d, _sign_vectors(len(_finite(d)), seed), level)


def _interval(d: np.ndarray, signs: np.ndarray, level: float) -> tuple[float, float]:
    k = math.floor(level * len(signs) + ROUNDING)
    if k < 1:
        return -math.inf, math.inf
    flipped, size = signs @ d.astype(np.float64), (signs < 0).sum(axis=1)
    sums = np.concatenate([flipped[0] - flipped, flipped[0] + flipped]) / 2  # of each subset, and of the rest of `d`
    sums[np.abs(sums) <= _rounding(d) / 2] = 0.0
    sizes = np.concatenate([size, len(d) - size])
    low, high = (np.divide(sums, sizes, out=np.full(len(sums), none), where=sizes > 0) for none in (-np.inf, np.inf))
    return float(np.partition(low, k)[k]), float(np.partition(high, -1 - k)[-1 - k])


def _finite(d: np.ndarray) -> np.ndarray:
    if np.ndim(d) != 1 or not len(d) or not np.isfinite(d).all():
        raise ValueError(f"differences must be one row of at least one finite number, got {np.asarray(d)!r}")
    return d


def _rounding(d: np.ndarray) -> float:
    """Return by how much sums of +-d may differ by rounding alone."""
    return 0.0 if np.issubdtype(d.dtype, np.integer) else ROUNDING * float(np.abs(d).sum())


def _sign_vectors(n: int, seed: int | np.random.Generator, draws: int | None = None) -> np.ndarray:
    """Return (F, n) int8 of +1 and -1, the first all +1, the last sign always +1: the negated ones are left out.

    All 2^(n - 1) for n <= `EXACT`, otherwise that first one and `draws` random ones, `DRAWS` by default.
    """
    if n <= EXACT:
        return _every_sign_vector(n)
    signs = 1 - 2 * np.random.default_rng(seed).integers(2, size=(1 + (draws or DRAWS), n), dtype=np.int8)
    signs[0] = 1
    signs *= signs[:, -1:].copy()
    return signs


@cache
def _every_sign_vector(n: int) -> np.ndarray:
    signs: np.ndarray = (1 - 2 * (np.arange(2 ** (n - 1))[:, None] >> np.arange(n) & 1)).astype(np.int8)
    signs.flags.writeable = False
    return signs


@dataclass(frozen=True, slots=True)
class FamilyTest:
    """The sign-flip test of one pair among all those that are compared.

    Attributes:
        p: Of the pair by itself.
        p_adjusted: At most alpha exactly where `p` is at most `level`.
        level: The level at which the pair was tested, so that all claims together keep alpha.
        interval: Its 1 - level interval, as of `sign_flip_interval`: without 0 where `p` is at most `level`.
    """

    p: float
    p_adjusted: float
    level: float
    interval: tuple[float, float]


def step_down(
    pairs: Sequence[tuple[Sequence[int], np.ndarray]], alpha: float, comparisons: int, seed: int = 0
) -> list[FamilyTest]:
    """Return the test of each pair, where the probability of any false claim is at most alpha.

    Westfall & Young (1993), step-down minP: signs are flipped key by key for all pairs at once, so that it counts how
    much pairs that share a level depend on each other. Pairs are tested in the order of their p; each at the largest
    level that keeps alpha among those that are left, the first that is not rejected ends the claims. Holm (1979) where
    that is too much to enumerate.

    Args:
        pairs: The keys of each pair, and its finite differences on them: at least one.
        alpha: Family-wise error rate, in (0, 1).
        comparisons: Pairs of the family, at least those given: for Holm, who counts those without a test, too.
        seed: Seed of random sign vectors.
    """
    if not pairs:
        return []
    keys = sorted({key for known, _ in pairs for key in known})
    place = {key: at for at, key in enumerate(keys)}
    signs = _sign_vectors(len(keys), seed, min(DRAWS, max(FEWEST_DRAWS, MOST_FLIPS // len(pairs))))
    of_pairs = [([place[key] for key in known], _finite(d)) for known, d in pairs]
    if len(signs) * len(pairs) > 2 * MOST_FLIPS:
        p = np.array([_flipped_p(d, signs[:, at])[0] for at, d in of_pairs])
        levels = holm_levels(p, alpha, comparisons)
    else:
        every = np.stack([_flipped_p(d, signs[:, at]) for at, d in of_pairs], axis=1)
        p, levels = every[0], _min_p_levels(every, alpha)
    return [
        FamilyTest(float(own), adjusted, level, _interval(d, signs[:, at], level))
        for own, (adjusted, level), (at, d) in zip(p, levels, of_pairs, strict=True)
    ]


def _flipped_p(d: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Return (F,) the p of a pair, had its signs been those of each vector; the first is its own."""
    flipped = np.abs(signs @ d.astype(np.float64))
    fewer: np.ndarray = np.searchsorted(np.sort(flipped), flipped - _rounding(d))
    return (len(signs) - fewer) / len(signs)


def _min_p_levels(every: np.ndarray, alpha: float) -> list[tuple[float, float]]:
    """Return the adjusted p and the level of each pair, given (F, m) the p of all pairs for each sign vector."""
    flips, order = len(every), every[0].argsort(kind="stable")
    found, adjusted, level, claims_end = [(math.nan, math.nan)] * len(order), 0.0, 0.0, False
    smallest = np.minimum.accumulate(every[:, order[::-1]], axis=1)[:, ::-1]  # of the pairs from each step on
    for step, pair in enumerate(order):
        adjusted = max(adjusted, float(np.mean(smallest[:, step] <= every[0, pair] + ROUNDING)))
        if not claims_end:  # any p below the first that alpha does not allow
            allowed = math.floor(alpha * flips + ROUNDING)
            too_large = np.sort(smallest[:, step])[allowed]
            level, claims_end = min(allowed, round(too_large * flips) - 1) / flips, adjusted > alpha
        found[pair] = adjusted, level
    return found


def holm_levels(p: np.ndarray, alpha: float, comparisons: int) -> list[tuple[float, float]]:
    """Return (adjusted p, level of its test) of each pair: alpha / m, alpha / (m - 1), ... until one is not reached.

    Holm (1979); an adjusted p is at most alpha exactly where p is at most the level.

    Args:
        p: Shape (n,), of independent or dependent tests.
        alpha: Family-wise error rate.
        comparisons: m >= n: those of the family without a p count as 1.

    Examples:
        >>> [round(adjusted, 2) for adjusted, _ in holm_levels(np.array([0.01, 0.04, 0.03]), 0.05, 3)]
        [0.03, 0.06, 0.06]
    """
    found, adjusted, level, claims_end = [(math.nan, math.nan)] * len(p), 0.0, 0.0, False
    for step, pair in enumerate(p.argsort(kind="stable")):
        adjusted = max(adjusted, min(1.0, float(p[pair]) * (comparisons - step)))
        if not claims_end:
            level, claims_end = alpha / (comparisons - step), adjusted > alpha
        found[pair] = adjusted, level
    return found


def signed_ranks(d: np.ndarray) -> np.ndarray:
    """Return (n,) int64 twice the signed ranks of the differences, for `sign_flip` of pairs with diverged runs.

    A key on which only A diverged has d = -inf, and +inf where only B did: the largest ranks, whatever the other
    differences. Ties share their mean rank; a difference of 0 has a rank but no sign (Pratt, 1959).

    Args:
        d: Shape (n,) differences, possibly infinite, without NaN.

    Raises:
        ValueError: If a difference is NaN.
    """
    if np.isnan(d).any():
        raise ValueError(f"differences must not be NaN: two runs that diverged are a tie, 0; got {d!r}")
    doubled = np.rint(2 * stats.rankdata(np.abs(d))).astype(np.int64)  # mean ranks are halves
    ranks: np.ndarray = np.sign(d).astype(np.int64) * doubled
    return ranks


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
    # The function behind `stats.t.ppf`, which takes twenty times as long: a report asks for hundreds of them.
    critical = float(special.stdtrit(n - 1, 1 - alpha / 2)) ** 2
    # SciPy 1.17 has the tail of the noncentral F wrong at 0, and far tails of the noncentral t and of `ncfdtr` as NaN.
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
