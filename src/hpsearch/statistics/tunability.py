"""How easily a level is tuned, and how fast it reaches a target.

Legend: N trials, E epochs, S runs, T thresholds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hpsearch.statistics.bootstrap import RESAMPLES, curve_bands, percentiles
from hpsearch.statistics.intervals import wilson
from hpsearch.statistics.tuning_curves import expected_report, largest_claim


@dataclass(frozen=True, slots=True)
class GoodRegion:
    """The trials of a level that reach a threshold.

    Attributes:
        hits: Number of good trials.
        n: Number of trials, including failed ones.
        share: hits / n.
        low: Lower end of the 95 % interval of Wilson (1927).
        high: Upper end.
        ranges: Lowest and highest value of each parameter among the good trials; None if no good trial has it.
    """

    hits: int
    n: int
    share: float
    low: float
    high: float
    ranges: dict[str, tuple[float, float] | None]


@dataclass(frozen=True, slots=True)
class IsolationPoint:
    """The expected best of m trials of one bucket, with the same m for all buckets.

    Attributes:
        bucket: Label of the bucket.
        n: Number of trials in it.
        m: Budget.
        estimate: Expected `report` score.
        low: Lower end of the bootstrap interval; None if m > n/5.
        high: Upper end, or None.
    """

    bucket: int
    n: int
    m: int
    estimate: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class TimeToTarget:
    """When runs reach a target.

    Attributes:
        epochs: Shape (S,) first epoch, from 1, at which each run reaches it; inf if it never does.
        median: Median of these, including misses.
        hits: Number of runs that reach it.
        hit_rate: hits / S.
        low: Lower end of the 95 % interval of the hit rate (Wilson, 1927).
        high: Upper end.
    """

    epochs: np.ndarray
    median: float
    hits: int
    hit_rate: float
    low: float
    high: float


def good_region(report: np.ndarray, values: Mapping[str, np.ndarray], threshold: float) -> GoodRegion:
    """Measure the region of good trials: their share, and the range that each parameter spans among them.

    Args:
        report: Shape (N,) scores, higher is better; a failed trial is not good.
        values: Shape (N,) values of each parameter, on the scale of its range; NaN where a trial lacks it.
        threshold: Score from which on a trial is good.
    """
    good = report >= threshold
    hits, n = int(good.sum()), len(report)
    low, high = wilson(hits, n)
    ranges = {name: _range(column[good & ~np.isnan(column)]) for name, column in values.items()}
    return GoodRegion(hits, n, hits / n, low, high, ranges)


def _range(values: np.ndarray) -> tuple[float, float] | None:
    return (float(values.min()), float(values.max())) if len(values) else None


def isolation(
    val: np.ndarray,
    report: np.ndarray,
    bucket: np.ndarray,
    seed: int,
    alpha: float = 0.05,
    m: int | None = None,
) -> list[IsolationPoint]:
    """Return the expected best of m trials for each bucket of a parameter; the raw maximum would favor full buckets.

    Args:
        val: Shape (N,) scores that select.
        report: Shape (N,) scores that evaluate.
        bucket: Shape (N,) integer label of each trial's bucket.
        seed: Seed of the resamples.
        alpha: Each interval covers 1 - alpha.
        m: Budget; None: the size of the smallest bucket, which then has no interval.

    Returns:
        A point for each bucket that occurs, by label.

    Raises:
        ValueError: If `m` exceeds the trials of a bucket, or a score is NaN or +inf.
    """
    labels, counts = np.unique(bucket, return_counts=True)
    budget = int(counts.min()) if m is None else m
    return [_point(val[bucket == label], report[bucket == label], int(label), budget, seed, alpha) for label in labels]


def _point(val: np.ndarray, report: np.ndarray, label: int, m: int, seed: int, alpha: float) -> IsolationPoint:
    n, estimate = len(val), expected_report(val, report, m)
    if m > largest_claim(n):
        return IsolationPoint(label, n, m, estimate, None, None)
    low, high = curve_bands(val, report, [m], alpha, seed)
    return IsolationPoint(label, n, m, estimate, float(low[0]), float(high[0]))


def time_to_target(curves: np.ndarray, target: float) -> TimeToTarget:
    """Return when runs reach `target`; a run that never does counts as infinitely slow.

    Args:
        curves: Shape (S, E) score after each epoch, higher is better; NaN after a run has ended or diverged.
        target: Target score, declared before the search.
    """
    reached = curves >= target
    epochs = np.where(reached.any(axis=1), reached.argmax(axis=1) + 1.0, np.inf)
    hits = int(reached.any(axis=1).sum())
    low, high = wilson(hits, len(epochs))
    return TimeToTarget(epochs, float(np.median(epochs)), hits, hits / len(epochs), low, high)


def median_ratio(
    times_a: np.ndarray,
    times_b: np.ndarray,
    seed: int | np.random.Generator,
    alpha: float = 0.05,
    resamples: int = RESAMPLES,
) -> tuple[float, float, float]:
    """Return the median time of A over that of B, and its percentile interval by resampling pairs.

    A resample in which both medians are infinite is uninformative: it counts as 0 for the lower end and as inf for the
    upper one. The ratio itself is then NaN.

    Args:
        times_a: Shape (S,) times > 0, inf for a miss.
        times_b: Shape (S,) times of the runs with the same pairing keys.
        seed: Seed of the resamples.
        alpha: The interval covers 1 - alpha.
        resamples: Number of resamples B.

    Raises:
        ValueError: If the runs are not paired.
    """
    if times_a.shape != times_b.shape:
        raise ValueError(f"times must be paired, got {len(times_a)} and {len(times_b)} runs")
    drawn = np.random.default_rng(seed).integers(len(times_a), size=(resamples, len(times_a)))
    ratios = _over(np.median(times_a[drawn], axis=1), np.median(times_b[drawn], axis=1))
    low = percentiles(np.nan_to_num(ratios, nan=0.0, posinf=np.inf), alpha)[0]
    high = percentiles(np.nan_to_num(ratios, nan=np.inf, posinf=np.inf), alpha)[1]
    return float(_over(np.median(times_a), np.median(times_b))), float(low), float(high)


def _over(a: np.ndarray | np.floating, b: np.ndarray | np.floating) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # inf / inf
        ratio: np.ndarray = np.divide(a, b)
    return ratio
