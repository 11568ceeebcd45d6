"""What the best of k trials scores: tuning curves of one level from its N independent random trials.

Legend: N trials, K budgets, U distinct scores. `val` chooses, `report` judges; both have the shape (N,), one entry for
each trial, and higher is better. A failed trial scores -inf; no score may be NaN or +inf.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

TRIALS_PER_CLAIM = 5
"""Trials that a claim about the best of one needs: beyond k = N/5 bootstrap intervals cover far less than they say."""
FEWEST_TRIALS = 20
DECLARED = (1, 5, 10)
"""Budgets at which levels are compared, besides the largest claim."""


@dataclass(frozen=True, slots=True)
class Band:
    """A simultaneous band around the distribution function of the scores.

    Attributes:
        epsilon: Half-width, in probability.
        points: (U,) distinct scores, ascending.
        share: (U,) share of the trials that score at most this.
        low: (U,) lower edge, >= 0.
        high: (U,) upper edge, <= 1.
    """

    epsilon: float
    points: np.ndarray
    share: np.ndarray
    low: np.ndarray
    high: np.ndarray


def u_weights(n: int, k: int) -> np.ndarray:
    """(n,) weights of the ascending scores whose sum is the mean maximum over all subsets of k (Tang et al., 2020).

    w_i = C(i-1, k-1) / C(n, k), by w_n = k/n and w_{i-1} = w_i (i-k)/(i-1), which needs no large binomials.

    Args:
        n: Trials, >= 1.
        k: Budget, 1 … n.

    Raises:
        ValueError: If k is not a budget of n trials.
    """
    refuse_budget(n, k)
    ranks = np.arange(n, k, -1.0)
    weights = np.zeros(n)
    weights[k - 1 :] = k / n * np.cumprod(np.append(1.0, (ranks - k) / (ranks - 1)))[::-1]
    return weights


def v_weights(n: int, k: int) -> np.ndarray:
    """(n,) weights (i/n)^k - ((i-1)/n)^k of the ascending scores: the maximum of k draws *with* replacement.

    Biased low; for comparison with papers that use it (Dodge et al., 2019).

    Args:
        n: Trials, >= 1.
        k: Budget, >= 1; it may exceed n.

    Raises:
        ValueError: If n or k is below 1.
    """
    if n < 1 or k < 1:
        raise ValueError(f"trials and budget k must be >= 1, got {n} and {k}")
    return np.diff(np.linspace(0.0, 1.0, n + 1) ** k)


def tied_weights(val: np.ndarray, k: int) -> np.ndarray:
    """(N,) probability of each trial, in its own place, to be chosen on `val` from k trials drawn without replacement.

    Equal scores share their weight equally: a tie is broken at random.

    Raises:
        ValueError: If a score is NaN or +inf, or k is not in 1 … N.
    """
    refuse_unordered(val)
    weights = u_weights(len(val), k)
    _, group, size = np.unique(val, return_inverse=True, return_counts=True)
    starts = np.cumsum(size) - size
    shared: np.ndarray = (np.add.reduceat(weights, starts) / size)[group]
    return shared


def expected_best(val: np.ndarray, k: int) -> float:
    """Unbiased estimate of the expected `val` score of the best of k trials (Tang et al., 2020)."""
    return expected_report(val, val, k)


def expected_report(val: np.ndarray, report: np.ndarray, k: int) -> float:
    """Expected `report` score of the trial that is chosen on `val` from k: free of the optimism of the choice."""
    return float(curves(val, report, [k])[1][0])


def curves(val: np.ndarray, report: np.ndarray, ks: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """(K,) expected `val` and (K,) expected `report` score of the best of each k; their difference is the optimism.

    Raises:
        ValueError: If a score is NaN or +inf, or a budget is not in 1 … N.
    """
    refuse_unordered(report)
    weights = np.stack([tied_weights(val, k) for k in ks], axis=1)
    return expectation(val, weights), expectation(report, weights)


def expectation(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(M,) sums of scores (N,) times weights (N, M); -inf where a failed trial has any weight, and only there."""
    finite = np.isfinite(scores)
    if finite.all():
        sums: np.ndarray = scores @ weights
        return sums
    failed = weights[~finite].any(axis=0)
    return np.where(failed, -np.inf, scores[finite] @ weights[finite])


def median_best(val: np.ndarray, k: int) -> float:
    """Median score of the best of k trials: the empirical quantile at 0.5^(1/k) (Lourie et al., 2024).

    It is finite as long as the share f of failed trials has f^k < 1/2.

    Raises:
        ValueError: If a score is NaN or +inf, or k is not in 1 … N.
    """
    n = len(val)
    refuse_budget(n, k)
    refuse_unordered(val)
    return float(np.sort(val)[math.ceil(n * 0.5 ** (1 / k)) - 1])


def median_interval(val: np.ndarray, k: int, alpha: float = 0.05) -> tuple[float, float]:
    """Distribution-free interval of the median score of the best of k, from order statistics (binomial quantiles).

    Its coverage is at least 1 - alpha for any distribution; ties make it conservative. The upper end is +inf for
    k > N ln 2 / ln(2/alpha), at 95 % about N/5; the lower end is -inf where too few trials lie below.

    Raises:
        ValueError: If a score is NaN or +inf, or k is not in 1 … N.
    """
    n, p = len(val), 0.5 ** (1 / k)
    refuse_budget(n, k)
    refuse_unordered(val)
    framed = np.concatenate([[-np.inf], np.sort(val), [np.inf]])  # rank i stands at index i
    low = int(stats.binom.ppf(alpha / 2, n, p))
    high = int(stats.binom.ppf(1 - alpha / 2, n, p)) + 1
    return float(framed[low]), float(framed[high])


def ecdf(val: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(U,) distinct scores, ascending, and (U,) the share of trials that score at most each."""
    points, counts = np.unique(val, return_counts=True)
    return points, np.cumsum(counts) / len(val)


def dkw_band(val: np.ndarray, alpha: float = 0.05) -> Band:
    """The band that holds the whole distribution function with probability 1 - alpha.

    Half-width sqrt(ln(2/alpha) / (2N)) (Dvoretzky, Kiefer & Wolfowitz, 1956, with the constant of Massart, 1990).
    """
    epsilon = math.sqrt(math.log(2 / alpha) / (2 * len(val)))
    points, share = ecdf(val)
    return Band(epsilon, points, share, np.maximum(share - epsilon, 0.0), np.minimum(share + epsilon, 1.0))


def largest_claim(n: int) -> int:
    """The largest budget k that N = `n` trials support a claim about: floor(N/5)."""
    return n // TRIALS_PER_CLAIM


def budgets(n: int) -> list[int]:
    """The declared grid 1, 5, 10, floor(N/5) as far as N/5 reaches, ascending; empty below 20 trials (R05)."""
    largest = largest_claim(n)
    return sorted({k for k in (*DECLARED, largest) if k <= largest}) if n >= FEWEST_TRIALS else []


def efficiency_blocks(val: np.ndarray, report: np.ndarray, k: int) -> np.ndarray:
    """(floor(N/k),) `report` score of the winner on `val` of each block of k trials (Bergstra & Bengio, 2012).

    Blocks follow the draw order and share no trial, so that each is a complete search of its own; a remainder is left
    out. Winners that tie are averaged.

    Args:
        val: (N,) in draw order.
        report: (N,) in draw order.
        k: Trials of a block, 1 … N.

    Raises:
        ValueError: If a score is NaN or +inf, or k is not in 1 … N.
    """
    refuse_budget(len(val), k)
    refuse_unordered(val, report)
    used = len(val) // k * k
    blocks = val[:used].reshape(-1, k)
    winners = blocks == blocks.max(axis=1, keepdims=True)
    scores: np.ndarray = report[:used].reshape(-1, k).mean(axis=1, where=winners)
    return scores


def coverage(n: int, share: float) -> float:
    """Probability 1 - (1-share)^n that one of n random trials at least lies in the best `share`, 0 < share < 1."""
    return -math.expm1(n * math.log1p(-share))


def trials_needed(share: float, alpha: float = 0.05) -> int:
    """The fewest random trials of which one lies in the best `share` with probability 1 - alpha.

    Args:
        share: 0 < share < 1.
        alpha: 0 < alpha < 1.
    """
    needed = math.log(alpha) / math.log1p(-share)
    return math.ceil(needed * (1 - 1e-12))  # a whole number that rounding lifted by a bit stays what it is


def refuse_budget(n: int, k: int) -> None:
    """Refuse a budget that n trials do not hold.

    Raises:
        ValueError: If k is not in 1 … n.
    """
    if not 1 <= k <= n:
        raise ValueError(f"budget k must be between 1 and the number of trials {n}, got {k}")


def refuse_unordered(*scores: np.ndarray) -> None:
    """Refuse scores that no order of trials can be made of.

    Raises:
        ValueError: If a score is NaN or +inf.
    """
    for of_trials in scores:
        wrong = np.flatnonzero(np.isnan(of_trials) | (of_trials == np.inf))
        if len(wrong):
            raise ValueError(
                f"scores must be numbers, or -inf for a failed trial, got {of_trials[wrong[0]]} in trial {wrong[0]}"
            )
