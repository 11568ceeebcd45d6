"""Selection bias: how choosing the best of many noisy scores inflates the best score.

Legend: N trials, K folds, C configurations, n rows, B resamples, Q quadrature nodes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr
from scipy.stats import binom

from hpsearch.statistics.tuning_curves import refuse_unordered

STANDARD_ERRORS = 5.0
"""Distance from the best, in standard errors, beyond which a trial is not a rival: failures are not Gaussian."""

REACH = 9.0
"""Standard deviations beyond which a normal density is negligible."""

MOST_PANELS = 500
"""Maximum number of panels of a quadrature; a normal narrower than a panel is as good as fixed."""

ROUNDING = 1e-12
"""Sums whose relative difference is smaller are equal up to the order of summation."""

RESAMPLES = 500
"""Default number of bags of `bbc_cv`."""

CHUNK = 4_000_000
"""Maximum number of rows of all resamples held at once."""


@dataclass(frozen=True, slots=True)
class Shrinkage:
    """The best score, shrunk toward the mean of its rivals by the share of their spread that is noise.

    Attributes:
        lam: Share of the rivals' variance that is not noise, in [0, 1]; at 0 nothing stands out above the noise.
        mean: Mean score of the rivals, the trials within 5 standard errors of the best.
        best: Highest score.
        shrunken: mean + lam (best - mean).
        noise_var: Average variance of the rivals' scores from noise.
        trial_var: Variance between the rivals' scores, divisor n - 1; 0 for a single one.
    """

    lam: float
    mean: float
    best: float
    shrunken: float
    noise_var: float
    trial_var: float


def best_probabilities(val: np.ndarray, n_val: int) -> np.ndarray:
    """Return the probability of each trial to be truly best, given the sampling noise of its accuracy on `val`.

    Z_s ~ N(v_s, v_s (1 - v_s) / (n_val - 1)), independent (Bergstra & Bengio, 2012). Only the noise of the validation
    sample counts, not that of retraining. A share of 0 or 1 has no variance; equal ones share equally.

    Args:
        val: Shape (N,) shares of hits, in [0, 1].
        n_val: Number of rows that each share was measured on, >= 2.

    Returns:
        Shape (N,), of sum 1.

    Raises:
        ValueError: If a score is not a share, or n_val is below 2.
    """
    if n_val < 2:
        raise ValueError(f"n_val must be >= 2 for a variance, got {n_val}")
    wrong = val[~((val >= 0) & (val <= 1))]
    if len(wrong):
        raise ValueError(f"val must be shares between 0 and 1, got {wrong[0]}; use normal_best for other scores")
    return normal_best(val, np.sqrt(val * (1 - val) / (n_val - 1)))


def normal_best(mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Return the probability of each of N independent normals to be the largest, by quadrature of ∫ φ_s Π_{j≠s} Φ_j.

    Args:
        mean: Shape (N,).
        sd: Shape (N,), >= 0. Of those with 0, which are fixed, only the largest can win; equal ones share equally.

    Returns:
        Shape (N,).

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
    """Return nodes (Q,) and widths (Q,) for integrating over the range of the largest normal above `floor`.

    Eight Gauss-Legendre nodes per panel; a panel is one standard deviation of the narrowest normal in that range.
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
    """Return mean and standard deviation of the score of the best trial when it is uncertain which one is best.

    μ = Σ w t and σ² = Σ w (t² + se²) - μ² (Bergstra & Bengio, 2012).

    Args:
        weights: Shape (N,) probabilities to be the best, of sum 1.
        report: Shape (N,) report scores, or test scores in the final evaluation.
        report_se: Shape (N,) their standard errors.
    """
    mean = weights @ report
    variance = weights @ ((report - mean) ** 2 + np.square(report_se))
    return float(mean), float(np.sqrt(variance))


def share_count(weights: np.ndarray, share: float = 0.95) -> int:
    """Return the smallest number of trials that together have probability `share` of containing the best.

    Args:
        weights: Shape (N,) probabilities of sum 1.
        share: In (0, 1].
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
    """Estimate the loss of the configuration that cross-validation chooses, corrected for the choice.

    Bootstrap bias-corrected cross-validation (Tsamardinos et al., 2018): choose on the rows of a bag, score on the rows
    outside it, average over bags. Configurations that tie in a bag are averaged. The interval is the percentile
    interval.

    Args:
        losses: Shape (n, C) out-of-fold loss of each row under each configuration; lower is better.
        seed: Seed of the bags.
        resamples: Number of bags B.
        strata: Shape (n,) class of each row; bags are then drawn within classes.
        alpha: The interval covers 1 - alpha.

    Returns:
        Estimate, lower end and upper end.

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
    """Yield blocks (b, n) of the number of times each row is in each bag, B bags in all."""
    classes = np.zeros(n, dtype=np.intp) if strata is None else np.unique(strata, return_inverse=True)[1]
    rows_of = [np.flatnonzero(classes == c) for c in range(classes.max() + 1)]
    size = max(1, CHUNK // n)
    for start in range(0, resamples, size):
        bags = min(size, resamples - start)
        drawn = np.concatenate([rows[rng.integers(len(rows), size=(bags, len(rows)))] for rows in rows_of], axis=1)
        yield np.bincount((drawn + n * np.arange(bags)[:, None]).ravel(), minlength=bags * n).reshape(bags, n)


def _out_of_bag(losses: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return mean losses (<= b,) outside each bag (b, n) of the configurations that are best inside; full bags drop."""
    outside = (counts == 0).astype(np.float64)
    left = outside.sum(axis=1)
    inside = counts.astype(np.float64) @ losses
    best = _lowest(inside)
    with_rest = left > 0
    mean = (outside @ losses)[with_rest] / left[with_rest, None]
    scores: np.ndarray = mean.mean(axis=1, where=best[with_rest])
    return scores


def _lowest(sums: np.ndarray) -> np.ndarray:
    """Return which of the last axis are lowest, up to rounding."""
    least = sums.min(axis=-1, keepdims=True)
    lowest: np.ndarray = sums <= least + ROUNDING * np.abs(least)
    return lowest


def expected_max_binomial(n_trials: int, p: float, n_rows: int) -> float:
    """Return the expected best accuracy among equally good trials, exactly: Σ_x x (F(x)^N - F(x-1)^N) / n.

    Less `p`, it is the lead that the best shows when only luck distinguishes the trials.

    Args:
        n_trials: Number of independent trials N, >= 1.
        p: Probability of a hit, in [0, 1].
        n_rows: Number of rows n that each accuracy is measured on.

    Examples:
        >>> round(expected_max_binomial(n_trials=20, p=0.9, n_rows=100), 3)  # nothing but luck
        0.952
    """
    below = binom.cdf(np.arange(n_rows), n_rows, p) ** n_trials  # Σ_x x P(max = x) = Σ_{x < n} (1 - F(x)^N)
    return float(1 - below.mean())


def shrink_best(val: np.ndarray, noise_var: float | np.ndarray) -> Shrinkage:
    """Shrink the best score by the luck of being best: mean + λ (best - mean), λ = max(0, s² - σ²) / s².

    Mean and variance s² are those of the trials within 5 standard errors of the best.

    Args:
        val: Shape (N,) scores, N >= 2, higher is better; -inf for a failed trial.
        noise_var: Noise variance σ² of a score (validation sample and retraining), one number or shape (N,).

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
