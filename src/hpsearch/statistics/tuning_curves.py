"""Tuning curves: the score of the best of k trials of one level, from its N independent random trials.

Legend: N trials, K budgets, U distinct scores. `val` selects, `report` evaluates; both have shape (N,), one entry per
trial, and higher is better. A failed trial scores -inf; no score may be NaN or +inf.
"""

import math
from collections.abc import Sequence

import numpy as np

TRIALS_PER_CLAIM = 5
"""Trials needed per trial of a claimed budget: beyond k = N/5 bootstrap intervals cover far less than stated."""

FEWEST_TRIALS = 20
"""Minimum number of trials for any claim (R05)."""

DECLARED = (1, 5, 10)
"""Budgets at which levels are compared, besides the largest claim."""


def u_weights(n: int, k: int) -> np.ndarray:
    """Return weights of the ascending scores whose sum is the mean maximum over all subsets of k (Tang et al., 2020).

    w_i = C(i-1, k-1) / C(n, k), computed by w_n = k/n and w_{i-1} = w_i (i-k)/(i-1) to avoid large binomials.

    Args:
        n: Number of trials, >= 1.
        k: Budget, in [1, n].

    Returns:
        Shape (n,).

    Raises:
        ValueError: If k is not a budget of n trials.

    Examples:
        >>> u_weights(4, 2).round(3).tolist()  # of 6 pairs, the highest of 4 is in 3
        [0.0, 0.167, 0.333, 0.5]
    """
    refuse_budget(n, k)
    ranks = np.arange(n, k, -1.0)
    weights = np.zeros(n)
    weights[k - 1 :] = k / n * np.cumprod(np.append(1.0, (ranks - k) / (ranks - 1)))[::-1]
    return weights


def tied_weights(val: np.ndarray, k: int) -> np.ndarray:
    """Return the probability of each trial to be selected on `val` from k trials drawn without replacement.

    Equal scores share their weight equally: ties are broken at random.

    Args:
        val: Shape (N,) scores.
        k: Budget, in [1, N].

    Returns:
        Shape (N,), in the order of the trials.

    Raises:
        ValueError: If a score is NaN or +inf, or k is not in 1 … N.
    """
    refuse_unordered(val)
    weights = u_weights(len(val), k)
    _, group, size = np.unique(val, return_inverse=True, return_counts=True)
    starts = np.cumsum(size) - size
    shared: np.ndarray = (np.add.reduceat(weights, starts) / size)[group]
    return shared


def expected_report(val: np.ndarray, report: np.ndarray, k: int) -> float:
    """Return the expected `report` score of the trial selected on `val` from k, free of selection bias.

    Examples:
        >>> val, report = np.array([0.7, 0.8, 0.9]), np.array([0.72, 0.81, 0.84])
        >>> round(expected_report(val, report, k=1), 3), round(expected_report(val, report, k=3), 3)
        (0.79, 0.84)
    """
    return float(curves(val, report, [k])[1][0])


def curves(val: np.ndarray, report: np.ndarray, ks: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the expected `val` and `report` scores of the best of each k; their difference is the optimism.

    Args:
        val: Shape (N,) scores that select.
        report: Shape (N,) scores that evaluate.
        ks: K budgets, in [1, N].

    Returns:
        Two arrays of shape (K,).

    Raises:
        ValueError: If a score is NaN or +inf, or a budget is not in 1 … N.
    """
    refuse_unordered(report)
    weights = np.stack([tied_weights(val, k) for k in ks], axis=1)
    return expectation(val, weights), expectation(report, weights)


def expectation(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the sums (M,) of scores (N,) times weights (N, M), -inf exactly where a failed trial has weight."""
    finite = np.isfinite(scores)
    if finite.all():
        sums: np.ndarray = scores @ weights
        return sums
    failed = weights[~finite].any(axis=0)
    return np.where(failed, -np.inf, scores[finite] @ weights[finite])


def median_best(val: np.ndarray, k: int) -> float:
    """Return the median score of the best of k trials: the empirical quantile at 0.5^(1/k) (Lourie et al., 2024).

    It is finite as long as the share f of failed trials satisfies f^k < 1/2.

    Raises:
        ValueError: If a score is NaN or +inf, or k is not in 1 … N.
    """
    n = len(val)
    refuse_budget(n, k)
    refuse_unordered(val)
    return float(np.sort(val)[math.ceil(n * 0.5 ** (1 / k)) - 1])


def largest_claim(n: int) -> int:
    """Return the largest budget k that `n` trials support a claim about: floor(N/5)."""
    return n // TRIALS_PER_CLAIM


def budgets(n: int) -> list[int]:
    """Return the declared budgets 1, 5, 10 and floor(N/5), as far as N/5 reaches; empty below 20 trials (R05)."""
    largest = largest_claim(n)
    return sorted({k for k in (*DECLARED, largest) if k <= largest}) if n >= FEWEST_TRIALS else []


def efficiency_blocks(val: np.ndarray, report: np.ndarray, k: int) -> np.ndarray:
    """Return the `report` score of the winner on `val` of each block of k trials (Bergstra & Bengio, 2012).

    Blocks follow the order of drawing and share no trial, so that each is a complete search; a remainder is left out.
    Winners that tie are averaged.

    Args:
        val: Shape (N,), in the order of drawing.
        report: Shape (N,), in the order of drawing.
        k: Trials per block, in [1, N].

    Returns:
        Shape (floor(N/k),).

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


def refuse_budget(n: int, k: int) -> None:
    """Refuse a budget that exceeds the number of trials.

    Raises:
        ValueError: If k is not in 1 … n.
    """
    if not 1 <= k <= n:
        raise ValueError(f"budget k must be between 1 and the number of trials {n}, got {k}")


def refuse_unordered(*scores: np.ndarray) -> None:
    """Refuse scores by which trials cannot be ordered.

    Raises:
        ValueError: If a score is NaN or +inf.
    """
    for of_trials in scores:
        wrong = np.flatnonzero(np.isnan(of_trials) | (of_trials == np.inf))
        if len(wrong):
            raise ValueError(
                f"scores must be numbers, or -inf for a failed trial, got {of_trials[wrong[0]]} in trial {wrong[0]}"
            )
