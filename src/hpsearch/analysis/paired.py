"""Frozen recipes on the same seeds: an exact test of each pair, and intervals that hold for all pairs at once.

A pairing key names a seed and a split; n keys are common to both levels of a pair. d (n,) are the differences of the
two scores per key, A minus B: higher is better, and -inf is the score of a run that diverged.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

EXACT = 14
"""Up to so many keys, every vector of signs is tried."""
DRAWS = 100_000
"""Random vectors of signs for more keys."""
BATCH = 10_000
ROUNDING = 1e-9
"""Sums that differ by a smaller share of the sum of all absolute differences are equal: an error of arithmetic."""
SEEDS = 10
"""Confirm runs of a recipe where no more are asked for."""


def differences(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n,) float64 a - b per key, 0 where both runs diverged.

    Args:
        a: (n,) scores, none of them NaN.
        b: (n,) scores of the same keys.
    """
    if np.shape(a) != np.shape(b) or np.ndim(a) != 1:
        raise ValueError(f"paired scores must be two rows of one length, got {np.shape(a)} and {np.shape(b)}")
    if np.isnan(a).any() or np.isnan(b).any():
        raise ValueError("paired scores must not be NaN: the score of a run that diverged is -inf")
    difference: np.ndarray = np.subtract(a, b, out=np.zeros(len(a)), where=np.not_equal(a, b))
    return difference


def sign_flip(d: np.ndarray, seed: int | np.random.Generator = 0) -> float:
    """Two-sided p of a mean difference of 0: the share of sign vectors whose |sum| reaches that of `d` (Fisher, 1935).

    All 2^n vectors for n <= `EXACT`, so that p is a multiple of 2^(1 - n); else the observed one and `DRAWS` random
    ones. It presumes that A and B could change places on each key, not that the differences are normal.

    Args:
        d: (n,) finite differences; with an integer type, such as correct counts, sums are compared exactly.
        seed: Of the random vectors.

    Raises:
        ValueError: If `d` is empty or not finite (`sign_flip_ranks` takes diverged runs).
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
    """(2^(n-1), n) of +1 and -1, the last of each +1: the other half reaches the same |sums|."""
    signs: np.ndarray = 1 - 2 * (np.arange(2 ** (n - 1))[:, None] >> np.arange(n) & 1)
    return signs


def sign_flip_ranks(d: np.ndarray, seed: int | np.random.Generator = 0) -> float:
    """The two-sided p of `sign_flip` on signed ranks, for pairs of which a run diverged.

    A key on which only A diverged has d = -inf, and has +inf where only B did: the largest ranks, however large the
    other differences are. Ties share their mean rank; a difference of 0 takes a rank but has no sign (Pratt, 1959).

    Args:
        d: (n,) differences, infinite ones included, no NaN.
        seed: Of the random sign vectors of more than `EXACT` keys.
    """
    if np.isnan(d).any():
        raise ValueError(f"differences must not be NaN: two runs that diverged are a tie, 0; got {d!r}")
    doubled = np.rint(2 * stats.rankdata(np.abs(d))).astype(np.int64)  # mean ranks are halves
    return sign_flip(np.sign(d).astype(np.int64) * doubled, seed)


def mean_interval(d: np.ndarray, alpha: float) -> tuple[float, float]:
    """The 1 - alpha t interval of the mean of (n,) values, n >= 2: mean ± t(n - 1) s / sqrt(n) (Student, 1908).

    It is a single point where all values are equal, which says that they are, not that the next one will be.
    """
    if len(d) < 2:
        raise ValueError(f"a t interval needs at least 2 values, got {len(d)}")
    half = float(stats.t.ppf(1 - alpha / 2, len(d) - 1)) * spread(d) / math.sqrt(len(d))
    return float(d.mean()) - half, float(d.mean()) + half


def spread(d: np.ndarray) -> float:
    """The standard deviation with divisor n - 1; 0, without an error of arithmetic, where all values are equal."""
    return float(d.std(ddof=1)) if np.ptp(d) else 0.0


def holm(p: Sequence[float]) -> np.ndarray:
    """(m,) p values adjusted for the family: the largest (m - rank + 1) p up to each rank, at most 1 (Holm, 1979)."""
    raw = np.asarray(p, dtype=np.float64)
    order = raw.argsort(kind="stable")
    stepped = np.maximum.accumulate(raw[order] * np.arange(len(raw), 0, -1))
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def bonferroni_alpha(alpha: float, m: int) -> float:
    """The level alpha / m of each of m >= 1 intervals that hold all at once with probability >= 1 - alpha."""
    if m < 1:
        raise ValueError(f"the number of comparisons must be >= 1, got {m}")
    return alpha / m


def superiority(d: np.ndarray) -> float:
    """P(A > B), ties counted half: an effect size on these keys, not a test."""
    return float(np.mean(d > 0) + np.mean(d == 0) / 2)


def hedges_g(d: np.ndarray) -> float:
    """The mean in units of its keys' SD, mean / s, less its bias for n keys, n >= 3 (Hedges, 1981).

    The factor is G(v / 2) / (sqrt(v / 2) G((v - 1) / 2)) with v = n - 1 and the gamma function G. Where all differences
    are equal it is 0 if they are 0, else infinite.
    """
    freedom = len(d) - 1
    if freedom < 2:
        raise ValueError(f"Hedges' g needs at least 3 differences, got {len(d)}")
    mean, sd = float(d.mean()), spread(d)
    if sd == 0:
        return math.copysign(math.inf, mean) if mean else 0.0
    factor = math.exp(special.gammaln(freedom / 2) - special.gammaln((freedom - 1) / 2)) / math.sqrt(freedom / 2)
    return factor * mean / sd


def minimum_seeds(comparisons: int, alpha: float = 0.05) -> int:
    """Fewest keys on which an effect of any size can pass: the smallest n with m 2^(1 - n) <= alpha, m comparisons.

    With fewer, the smallest sign-flip p there is stays above alpha after Holm.
    """
    return 1 + math.ceil(-math.log2(bonferroni_alpha(alpha, comparisons)))


def auto_seeds(comparisons: int, alpha: float = 0.05) -> int:
    """Keys for `confirm.seeds=auto`: two more than the fewest, so that a lost run is no end, and at least `SEEDS`."""
    return max(SEEDS, minimum_seeds(comparisons, alpha) + 2) if comparisons else SEEDS


@dataclass(frozen=True, slots=True)
class PairResult:
    """Level `a` against level `b` on n common keys.

    A run that diverged leaves no mean difference: `diff`, `ci`, `ci_sim` and `sd` are None, and p is that of ranks.

    Attributes:
        a: One level.
        b: The other.
        n: Common pairing keys.
        diff: Mean of a - b.
        ci: Its 1 - alpha t interval.
        ci_sim: Its 1 - alpha / m t interval, which holds for all m pairs at once (Bonferroni).
        p: Of the sign-flip test.
        p_holm: `p` after Holm's correction for m pairs.
        superiority: Share of keys on which `a` is ahead, ties counted half.
        sd: Standard deviation of the differences, divisor n - 1.
    """

    a: str
    b: str
    n: int
    diff: float | None
    ci: tuple[float, float] | None
    ci_sim: tuple[float, float] | None
    p: float
    p_holm: float
    superiority: float
    sd: float | None


def compare_pairs(
    scores: Mapping[str, np.ndarray],
    pairs: Sequence[tuple[str, str]],
    alpha: float,
    counts: Mapping[str, np.ndarray] | None = None,
) -> list[PairResult]:
    """Each pair's result, corrected for the m pairs asked for.

    Args:
        scores: By level, (n,) per common key, n >= 2, in one order of keys; -inf for a run that diverged.
        pairs: The family: all that is compared, also what is not shown.
        alpha: Family-wise level.
        counts: By level, (n,) correct rows of the same runs where the score is an accuracy on one set of rows: sums of
            integers tie exactly.
    """
    d = [differences(scores[a], scores[b]) for a, b in pairs]
    whole = [None if counts is None else _count_differences(counts, a, b) for a, b in pairs]
    p = [_pair_p(*both) for both in zip(d, whole, strict=True)]
    return [
        _result(names, *values, alpha=alpha, m=len(pairs))
        for names, *values in zip(pairs, d, p, holm(p).tolist(), strict=True)
    ]


def _count_differences(counts: Mapping[str, np.ndarray], a: str, b: str) -> np.ndarray:
    for level in (a, b):
        if not np.issubdtype(counts[level].dtype, np.integer):
            raise ValueError(f"counts of {level} must be integers, got {counts[level].dtype}")
    difference: np.ndarray = counts[a].astype(np.int64) - counts[b].astype(np.int64)
    return difference


def _pair_p(d: np.ndarray, whole: np.ndarray | None) -> float:
    if not np.isfinite(d).all():
        return sign_flip_ranks(d)
    return sign_flip(d if whole is None else whole)


def _result(names: tuple[str, str], d: np.ndarray, p: float, p_holm: float, *, alpha: float, m: int) -> PairResult:
    ahead = superiority(d)
    if not np.isfinite(d).all():
        return PairResult(*names, len(d), None, None, None, p, p_holm, ahead, None)
    ci, ci_sim = mean_interval(d, alpha), mean_interval(d, bonferroni_alpha(alpha, m))
    return PairResult(*names, len(d), float(d.mean()), ci, ci_sim, p, p_holm, ahead, spread(d))


def contenders(levels: Sequence[str], claims: set[tuple[str, str]]) -> tuple[str, ...]:
    """The levels that no other is claimed to beat, in their own order; never none of one or more.

    Args:
        levels: All levels.
        claims: (winner, loser) of each full claim. Mean differences on common keys add up, so that no circle of claims
            arises.
    """
    beaten = {loser for _, loser in claims}
    left = tuple(level for level in levels if level not in beaten)
    assert left or not levels, f"claims go round in a circle: {sorted(claims)}"
    return left
