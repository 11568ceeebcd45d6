"""What choosing the best of many noisy scores does to the best score.

Legend: N trials, K folds, C configurations, n rows, B resamples, Q quadrature nodes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr
from scipy.stats import binom

from hpsearch.statistics.tuning_curves import refuse_unordered

STANDARD_ERRORS = 5.0
"""Distance from the best beyond which a trial is not a rival whose noise matters: failures are not Gaussian."""

REACH = 9.0
"""Standard deviations beyond which a normal density is nothing."""

MOST_PANELS = 500
"""Of a quadrature; a normal narrower than one of so many is as good as fixed."""

ROUNDING = 1e-12
"""Sums that differ by a smaller share are equal: the order of summation differs, not the configuration."""

RESAMPLES = 500

CHUNK = 4_000_000
"""Rows of all resamples together that are held at once."""


@dataclass(frozen=True, slots=True)
class Shrinkage:
    """The best score, pulled towards the mean of its rivals by the share of their spread that is noise.

    Attributes:
        lam: Share of the rivals' variance that is not noise, 0 … 1; 0 says that nothing was found above noise.
        mean: Mean score of the rivals, which are within 5 standard errors of the best.
        best: Highest score.
        shrunken: mean + lam (best - mean).
        noise_var: Variance that each rival's score has from noise, on average.
        trial_var: Variance between the rivals' scores, divisor n - 1; 0 for a lone one.
    """

    lam: float
    mean: float
    best: float
    shrunken: float
    noise_var: float
    trial_var: float


def best_probabilities(val: np.ndarray, n_val: int) -> np.ndarray:
    """(N,) probability of each trial to be the truly best, given the sampling noise of its `val` share of hits.

    Z_s ~ N(v_s, v_s (1 - v_s) / (n_val - 1)), independent (Bergstra & Bengio, 2012). It counts noise of
    the validation sample only, none of retraining. A share of 0 or 1 has no variance; equal ones share equally.

    Args:
        val: (N,) shares of hits, 0 … 1.
        n_val: Rows that each share was measured on, >= 2.

    Raises:
        ValueError: If a score is no share, or n_val is below 2.
    """
    if n_val < 2:
        raise ValueError(f"n_val must be >= 2 for a variance, got {n_val}")
    wrong = val[~((val >= 0) & (val <= 1))]
    if len(wrong):
        raise ValueError(f"val must be shares between 0 and 1, got {wrong[0]}; use normal_best for other scores")
    return normal_best(val, np.sqrt(val * (1 - val) / (n_val - 1)))


def normal_best(mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """(N,) probability of each of N independent normals to be the largest: ∫ φ_s(z) Π_{j≠s} Φ_j(z) dz by quadrature.

    Args:
        mean: (N,).
        sd: (N,) >= 0. Of those with 0, which are fixed, only the largest can win; equal ones share equally.

    Examples:
        >>> normal_best(np.array([0.0, 0.0, 1.0]), np.array([1.0, 1.0, 1.0])).round(3).tolist()
        [0.183, 0.183, 0.634]
    """
    fixed = sd == 0
    floor = mean[fixed].max(initial=-np.inf)
    probabilities = np.zeros(len(mean))
    holders = fixed & (mean == floor)
    mean, sd = mean[~fixed], sd[~fixed]
    probabilities[holders] = np.exp(log_ndtr((floor - mean) / sd).sum()) / max(1, holders.sum())
    z, width = _nodes(mean, sd, floor)
    scaled = (z[:, None] - mean) / sd  # (Q, N)
    below = log_ndtr(scaled)
    density = np.exp(below.sum(axis=1, keepdims=True) - below - scaled**2 / 2) / (np.sqrt(2 * np.pi) * sd)
    probabilities[~fixed] = width @ density
    return probabilities


def _nodes(mean: np.ndarray, sd: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """(Q,) nodes and (Q,) widths that integrate over where the largest normal can lie, above `floor`.

    Eight Gauss-Legendre nodes for each panel of one standard deviation of the narrowest normal that reaches there.
    """
    low = max((mean - REACH * sd).max(initial=floor), floor)
    high = (mean + REACH * sd).max(initial=low)
    if high <= low:
        return np.zeros(0), np.zeros(0)
    narrowest = max(sd[mean + REACH * sd >= low].min(), (high - low) / MOST_PANELS)
    edges = np.linspace(low, high, 1 + int(np.ceil((high - low) / narrowest)))
    x, width = np.polynomial.legendre.leggauss(8)
    half = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + half * (1 + x)).ravel(), (half * width).ravel()


def report_mixture(weights: np.ndarray, report: np.ndarray, report_se: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of the score of the best trial when it is uncertain which one that is.

    μ = Σ w t and σ² = Σ w (t² + se²) - μ² (Bergstra & Bengio, 2012).

    Args:
        weights: (N,) probabilities to be the best, of sum 1.
        report: (N,) report scores; test scores in the final evaluation.
        report_se: (N,) standard errors of these.
    """
    mean = weights @ report
    variance = weights @ ((report - mean) ** 2 + np.square(report_se))
    return float(mean), float(np.sqrt(variance))


def share_count(weights: np.ndarray, share: float = 0.95) -> int:
    """The fewest trials that together have `share` of the probability of being the best.

    Args:
        weights: (N,) probabilities of sum 1.
        share: 0 < share <= 1.
    """
    held = np.cumsum(np.sort(weights)[::-1])
    return 1 + int(np.searchsorted(held[:-1], share - 1e-9))


def bbc_cv(
    losses: np.ndarray,
    seed: int | np.random.Generator,
    resamples: int = RESAMPLES,
    strata: np.ndarray | None = None,
    alpha: float = 0.05,
) -> tuple[float, float, float]:
    """Loss of the configuration that cross-validation chooses, free of the choice: estimate, low and high.

    Bootstrap bias-corrected cross-validation (Tsamardinos et al., 2018): choose on the rows of a bag, score on the
    rows outside it, average over bags. Configurations that tie in a bag are averaged. The interval is that of
    percentiles.

    Args:
        losses: (n, C) out-of-fold loss of each row under each configuration; lower is better.
        seed: Of the bags.
        resamples: B.
        strata: (n,) class of each row; bags are then drawn within classes.
        alpha: The interval covers 1 - alpha.

    Raises:
        ValueError: If no bag leaves a row outside, as with a single row.
    """
    rng = np.random.default_rng(seed)
    scores = np.concatenate([_out_of_bag(losses, counts) for counts in _bags(strata, len(losses), resamples, rng)])
    if not len(scores):
        raise ValueError(f"no bag leaves a row outside to score on; {len(losses)} rows are too few")
    low, high = np.quantile(scores, [alpha / 2, 1 - alpha / 2])
    return float(scores.mean()), float(low), float(high)


def _bags(strata: np.ndarray | None, n: int, resamples: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Blocks (b, n) of how often each row is in each bag, B bags in all."""
    classes = np.zeros(n, dtype=np.intp) if strata is None else np.unique(strata, return_inverse=True)[1]
    rows_of = [np.flatnonzero(classes == c) for c in range(classes.max() + 1)]
    size = max(1, CHUNK // n)
    for start in range(0, resamples, size):
        bags = min(size, resamples - start)
        drawn = np.concatenate([rows[rng.integers(len(rows), size=(bags, len(rows)))] for rows in rows_of], axis=1)
        yield np.bincount((drawn + n * np.arange(bags)[:, None]).ravel(), minlength=bags * n).reshape(bags, n)


def _out_of_bag(losses: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(<= b,) mean loss outside each bag (b, n) of the configurations that are best inside; bags of all rows drop."""
    outside = (counts == 0).astype(np.float64)
    left = outside.sum(axis=1)
    inside = counts.astype(np.float64) @ losses
    best = _lowest(inside)
    with_rest = left > 0
    mean = (outside @ losses)[with_rest] / left[with_rest, None]
    scores: np.ndarray = mean.mean(axis=1, where=best[with_rest])
    return scores


def _lowest(sums: np.ndarray) -> np.ndarray:
    """Which of the last axis are lowest, up to rounding."""
    least = sums.min(axis=-1, keepdims=True)
    lowest: np.ndarray = sums <= least + ROUNDING * np.abs(least)
    return lowest


def expected_max_binomial(n_trials: int, p: float, n_rows: int) -> float:
    """Expected best share of hits among equally good trials: Σ_x x (F(x)^N - F(x-1)^N) / n, exact.

    Minus `p`, it is what the best still shows above the others when nothing but luck distinguishes them.

    Args:
        n_trials: N >= 1 independent trials.
        p: Probability of a hit.
        n_rows: Rows n that each share is measured on.

    Examples:
        >>> round(expected_max_binomial(n_trials=20, p=0.9, n_rows=100), 3)  # nothing but luck
        0.952
    """
    below = binom.cdf(np.arange(n_rows), n_rows, p) ** n_trials  # Σ_x x P(max = x) = Σ_{x < n} (1 - F(x)^N)
    return float(1 - below.mean())


def shrink_best(val: np.ndarray, noise_var: float | np.ndarray) -> Shrinkage:
    """The best score without the luck that a best has: mean + λ (best - mean), λ = max(0, s² - σ²) / s².

    Mean and variance s² are those of the trials within 5 standard errors of the best.

    Args:
        val: (N,) scores, N >= 2, higher is better; -inf for a failed trial.
        noise_var: Noise variance σ² of a score (of its validation sample and of retraining), one number or (N,).

    Raises:
        ValueError: If there are fewer than two trials, a score is NaN or +inf, or all have failed.
    """
    refuse_unordered(val)
    if len(val) < 2 or val.max() == -np.inf:
        raise ValueError(f"at least 2 trials, not all failed, are needed to tell spread from noise, got {val.tolist()}")
    noise = np.broadcast_to(np.asarray(noise_var, dtype=np.float64), val.shape)
    leader = int(val.argmax())
    rivals = val >= val[leader] - STANDARD_ERRORS * np.sqrt(noise[leader])
    mean, noise_mean = float(val[rivals].mean()), float(noise[rivals].mean())
    trial_var = float(val[rivals].var(ddof=1)) if rivals.sum() > 1 else 0.0
    alone = rivals.sum() == 1 or noise_mean == 0
    lam = 1.0 if alone else max(0.0, trial_var - noise_mean) / max(trial_var, noise_mean)
    best = float(val[leader])
    return Shrinkage(lam, mean, best, mean + lam * (best - mean), noise_mean, trial_var)
