"""Bootstrap intervals of tuning curves, by resampling trials within a level, for budgets up to N/5.

Legend: J levels, N trials of a level, G distinct `val` scores, K budgets, P pairs of levels, B resamples. Trials are
resampled: an interval describes what another search of the same size would show on the same split.

No resample has a higher score than the highest trial, so that percentiles end too low where much depends on it: at
k = N/5 a percentile interval of 95 % covers 0.81 to 0.94 (`python -m benchmarks bands`), and one drawn at 98 % hardly
more. Intervals here hold its mirror image about the estimate as well: they cover 0.93 to 0.98 of scores that have a
ceiling, as those of a search do, 0.90 to 0.93 of normal ones, 0.89 of exponential ones.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from hpsearch.statistics.best_probability import Level, StepCdfs
from hpsearch.statistics.tuning_curves import (
    curves,
    largest_claim,
    refuse_unordered,
    tied_weights,
    u_weights,
)

RESAMPLES = 2000
"""Default number of resamples."""

IN_EACH_TAIL = 10
"""Minimum number of resamples beyond each end of an interval: more are drawn where alpha is divided finely."""

AT_ONCE = 200
"""Resamples processed at once: they fit the cache, and the matrix products are too small for multithreading."""

DRAWN_AT_ONCE = 2_000_000
"""Draws processed at once: of more than 10,000 trials, fewer resamples."""

IN_CACHE = 100_000
"""Draws of which curves are made at once."""

AFFORDABLE = 20_000_000
"""Draws for an interval: of more than 10,000 trials fewer resamples than the default."""

FEWEST_RESAMPLES = 200
"""Of any interval, however many trials there are."""


@dataclass(frozen=True, slots=True)
class Draws:
    """Resamples of a level's trials, prepared for any budget.

    Attributes:
        group: Shape (N,) rank of each trial's `val` score among the distinct ones.
        up_to: Shape (G + 1, B) number of trials of each resample with one of the lowest g scores.
        share: Shape (N, B) each trial's share among its resample's trials with the same score.
    """

    group: np.ndarray
    up_to: np.ndarray
    share: np.ndarray

    @classmethod
    def of(cls, val: np.ndarray, counts: np.ndarray) -> "Draws":
        """Prepare the resamples in which each trial of `val` (N,) occurs `counts` (N, B) times."""
        scores, group, size = np.unique(val, return_inverse=True, return_counts=True)
        starts = np.cumsum(size) - size
        in_group = np.add.reduceat(counts[np.argsort(group, kind="stable")], starts, axis=0)
        up_to = np.zeros((len(scores) + 1, counts.shape[1]), dtype=np.intp)
        np.cumsum(in_group, axis=0, out=up_to[1:])
        return cls(group, up_to, counts / np.maximum(in_group, 1)[group])

    def weights(self, k: int) -> np.ndarray:
        """Return the probability (N, B) of each trial to be selected from k of each resample; ties share equally."""
        chosen = np.append(0.0, np.cumsum(u_weights(len(self.group), k)))
        at: np.ndarray = np.diff(chosen[self.up_to], axis=0)[self.group]
        at *= self.share
        return at


@dataclass(frozen=True, slots=True)
class Differences:
    """Differences of the expected `report` score of the best of k, first level minus second, with joint intervals.

    Attributes:
        pairs: P pairs of level indices.
        ks: K budgets.
        estimate: Shape (P, K).
        low: Shape (P, K) lower ends.
        high: Shape (P, K) upper ends.
    """

    pairs: tuple[tuple[int, int], ...]
    ks: tuple[int, ...]
    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True, slots=True)
class Flip:
    """A pair of levels of which one leads at one budget and the other at another.

    Attributes:
        first: Index of the one level.
        second: Index of the other.
        k_first: Smallest budget at which `first` leads.
        k_second: Smallest budget at which `second` leads.
    """

    first: int
    second: int
    k_first: int
    k_second: int


def curve_bands(
    val: np.ndarray,
    report: np.ndarray,
    ks: Sequence[int],
    alpha: float,
    seed: int | np.random.Generator,
    resamples: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return bootstrap intervals of the expected `report` score of the best of each k.

    Args:
        val: Shape (N,) scores that select.
        report: Shape (N,) scores that evaluate.
        ks: K budgets, in [1, N/5].
        alpha: Each interval by itself covers 1 - alpha.
        seed: Seed of the resamples.
        resamples: Number of resamples B, >= 2; None: by `enough_resamples`.

    Returns:
        Lower and upper ends, of shape (K,).

    Raises:
        ValueError: If a budget exceeds N/5, or a score is NaN or +inf.
    """
    _refuse_budgets(ks, [(val, report)])
    trials = RankedTrials.of((val, report), ks)

    def curve(size: int, streams: Sequence[np.random.Generator]) -> np.ndarray:
        return trials.resampled(size, streams[0])

    resampled = _resample([(val, report)], curve, seed, resamples or enough_resamples(len(val), alpha))
    return mirrored_percentiles(resampled, curves(val, report, ks)[1], alpha)


@dataclass(frozen=True, slots=True)
class RankedTrials:
    """The trials of a level with the weights of K budgets, prepared to be resampled.

    In the order of `val`, the weights of a budget are the same for all resamples: a curve is a matrix product.

    Attributes:
        report: Shape (N,) scores that evaluate.
        group: Shape (N,) rank of each trial's `val` score among the G distinct ones.
        groups: Number of these.
        weights: Shape (N, K) of the ascending scores, at each budget.
    """

    report: np.ndarray
    group: np.ndarray
    groups: int
    weights: np.ndarray

    @classmethod
    def of(cls, level: Level, ks: Sequence[int]) -> "RankedTrials":
        """Prepare the `val` and `report` scores of a level for these budgets."""
        val, report = level
        scores, group = np.unique(val, return_inverse=True)
        return cls(report, group, len(scores), np.stack([u_weights(len(val), k) for k in ks], axis=1))

    def resampled(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Return the expected `report` score of the best of each k in each of so many resamples, shape (K, size)."""
        n = len(self.group)
        drawn = np.ascontiguousarray(rng.integers(n, size=(n, size), dtype=np.int32).T)
        some = max(1, IN_CACHE // n)
        return np.concatenate([self._curves(drawn[start : start + some]) for start in range(0, size, some)], axis=1)

    def _curves(self, drawn: np.ndarray) -> np.ndarray:
        """Return the same of the trials (B, N) that were drawn for some resamples."""
        size, n = drawn.shape
        cell = (self.group[drawn] + self.groups * np.arange(size)[:, None]).ravel()
        counts = np.bincount(cell, minlength=size * self.groups)
        sums = np.bincount(cell, self.report[drawn].ravel(), len(counts))
        ascending = np.repeat(sums / np.maximum(counts, 1), counts).reshape(size, n)  # trials that tie share their mean
        finite = np.isfinite(ascending)
        if finite.all():
            return np.ascontiguousarray((ascending @ self.weights).T)
        failed = ~finite @ (self.weights > 0)
        return np.where(failed, -np.inf, np.where(finite, ascending, 0.0) @ self.weights).T


def simultaneous_bands(
    levels: Sequence[Level], ks: Sequence[Sequence[int]], alpha: float, seed: int | np.random.Generator
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return intervals of the expected `report` score of each level that hold together (Bonferroni over all of them).

    Args:
        levels: `val` and `report` scores of each level.
        ks: Budgets of each level, in [1, N/5].
        alpha: All intervals together cover 1 - alpha.
        seed: Seed of the resamples.

    Returns:
        For each level the lower and upper ends at its budgets.

    Raises:
        ValueError: If a budget exceeds N/5 of its level, or a score is NaN or +inf.
    """
    each = alpha / sum(map(len, ks))
    streams = np.random.default_rng(seed).spawn(len(levels))
    return [
        curve_bands(*level, of_level, each, stream) for level, of_level, stream in zip(levels, ks, streams, strict=True)
    ]


def best_bands(
    levels: Sequence[Level],
    ks: Sequence[int],
    alpha: float,
    seed: int | np.random.Generator,
    resamples: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return bootstrap intervals of the probability that a level is best, within [0, 1].

    Args:
        levels: `val` and `report` scores of each level.
        ks: K budgets, in [1, N/5] of the smallest level.
        alpha: Each interval by itself covers 1 - alpha.
        seed: Seed of the resamples.
        resamples: Number of resamples B, >= 2; None: by `enough_resamples`.

    Returns:
        Lower ends (J, K) and upper ends (J, K).

    Raises:
        ValueError: If a budget exceeds N/5 of a level, or a score is NaN or +inf.
    """
    _refuse_budgets(ks, levels)
    ladder = StepCdfs.of([report for _, report in levels])

    def best(size: int, streams: Sequence[np.random.Generator]) -> np.ndarray:
        drawn = zip(levels, streams, strict=True)
        draws = [Draws.of(val, draw_counts(len(val), size, rng)) for (val, _), rng in drawn]
        return np.stack([ladder.prob_best([draw.weights(k) for draw in draws]) for k in ks], axis=1)

    trials = sum(len(val) for val, _ in levels)
    enough = resamples or enough_resamples(trials, alpha)
    resampled = _resample(levels, best, seed, enough)
    weights = [np.stack([tied_weights(val, k) for k in ks], axis=1) for val, _ in levels]
    low, high = mirrored_percentiles(resampled, ladder.prob_best(weights), alpha)
    return low.clip(0, 1), high.clip(0, 1)


def curve_differences(
    levels: Sequence[Level],
    ks: Sequence[int],
    alpha: float,
    seed: int | np.random.Generator,
    resamples: int | None = None,
) -> Differences:
    """Compare all pairs of levels at all declared budgets, with simultaneous intervals (Bonferroni over both).

    Args:
        levels: `val` and `report` scores of each level, J >= 2; `report` finite.
        ks: K declared budgets, in [1, N/5] of the smallest level.
        alpha: All intervals together cover 1 - alpha.
        seed: Seed of the resamples.
        resamples: Number of resamples B, >= 2; None: by `enough_resamples`.

    Raises:
        ValueError: If a budget exceeds N/5 of a level, a score is NaN or +inf, or a `report` score is infinite.
    """
    if not all(np.isfinite(report).all() for _, report in levels):
        raise ValueError("report scores must be finite to be subtracted; compare by probability of being best instead")
    pairs = tuple(combinations(range(len(levels)), 2))
    first, second = (list(side) for side in zip(*pairs, strict=True))
    each = alpha / (len(pairs) * len(ks))

    _refuse_budgets(ks, levels)
    trials = [RankedTrials.of(level, ks) for level in levels]

    def differences(size: int, streams: Sequence[np.random.Generator]) -> np.ndarray:
        curve = np.array([each.resampled(size, rng) for each, rng in zip(trials, streams, strict=True)])
        return curve[first] - curve[second]

    enough = resamples or enough_resamples(max(len(val) for val, _ in levels), each)
    resampled = _resample(levels, differences, seed, enough)
    curve = np.array([curves(val, report, ks)[1] for val, report in levels])
    estimate = curve[first] - curve[second]
    low, high = mirrored_percentiles(resampled, estimate, each)
    return Differences(pairs, tuple(ks), estimate, low, high)


def budget_flips(differences: Differences) -> list[Flip]:
    """Return the pairs whose difference excludes zero on opposite sides at two declared budgets."""
    flips = []
    for (first, second), low, high in zip(differences.pairs, differences.low, differences.high, strict=True):
        ahead, behind = np.flatnonzero(low > 0), np.flatnonzero(high < 0)
        if len(ahead) and len(behind):
            flips.append(Flip(first, second, differences.ks[ahead[0]], differences.ks[behind[0]]))
    return flips


def enough_resamples(trials: int, alpha: float, affordable: int = AFFORDABLE) -> int:
    """Return how many resamples an interval is made of: 2,000, or as many as leave 10 beyond each end.

    Of many trials fewer, as many as are affordable; one beyond each end is left.

    Args:
        trials: Draws that a resample consists of.
        alpha: Error rate of the interval.
        affordable: Draws of all resamples together.

    Examples:
        >>> enough_resamples(100, alpha=0.05), enough_resamples(100, alpha=0.001), enough_resamples(100_000, alpha=0.05)
        (2000, 20000, 200)
    """
    wanted = max(RESAMPLES, math.ceil(2 * IN_EACH_TAIL / alpha))
    least = max(FEWEST_RESAMPLES, math.ceil(2 / alpha))
    return min(wanted, max(least, affordable // max(1, trials)))


def draw_counts(n: int, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Return how often each of n trials occurs in each resample of n with replacement, shape (n, resamples)."""
    drawn = rng.integers(n, size=(n, resamples), dtype=np.int32).astype(np.intp)
    return np.bincount((drawn * resamples + np.arange(resamples)).ravel(), minlength=n * resamples).reshape(n, -1)


def chunks(resamples: int, trials: int) -> Iterator[int]:
    """Yield the sizes of the chunks in which resamples of so many trials are processed."""
    most = min(AT_ONCE, max(1, DRAWN_AT_ONCE // max(1, trials)))
    for start in range(0, resamples, most):
        yield min(most, resamples - start)


def percentiles(values: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and upper alpha/2 percentile over the last axis.

    Both are values that occur, the outer ones of two neighbors, so that -inf needs no interpolation and negated values
    have the negated interval.
    """
    last = values.shape[-1] - 1
    rank = math.floor(alpha / 2 * last)
    ordered = np.partition(values, (rank, last - rank), axis=-1)
    return ordered[..., rank], ordered[..., last - rank]


def mirrored_percentiles(values: np.ndarray, estimate: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the shortest interval that holds the percentile interval and its mirror image.

    The image is the basic bootstrap interval (Davison & Hinkley, 1997, equation 2.10); an end of it that is not finite
    is left out.

    Args:
        values: Shape (…, B) the statistic of each resample.
        estimate: Shape (…) the statistic of the trials themselves, about which is mirrored.
        alpha: Error rate of either interval.

    Returns:
        Lower and upper ends, (…).

    Examples:
        >>> low, high = mirrored_percentiles(np.linspace(0, 1, 101), np.array(0.6), alpha=0.2)
        >>> round(float(low), 3), round(float(high), 3)  # 0.1 to 0.9, mirrored 0.3 to 1.1
        (0.1, 1.1)
    """
    low, high = percentiles(values, alpha)
    with np.errstate(invalid="ignore"):  # inf - inf
        below, above = 2 * estimate - high, 2 * estimate - low
    return (
        np.where(np.isfinite(below), np.minimum(low, below), low),
        np.where(np.isfinite(above), np.maximum(high, above), high),
    )


def _resample(
    levels: Sequence[Level],
    statistic: Callable[[int, Sequence[np.random.Generator]], np.ndarray],
    seed: int | np.random.Generator,
    resamples: int,
) -> np.ndarray:
    """Return the statistic (…, B) of resamples drawn within each level, each level with its own random stream."""
    for level in levels:
        refuse_unordered(*level)
    streams = np.random.default_rng(seed).spawn(len(levels))
    sizes = chunks(resamples, sum(len(val) for val, _ in levels))
    return np.concatenate([statistic(size, streams) for size in sizes], axis=-1)


def _refuse_budgets(ks: Sequence[int], levels: Sequence[Level]) -> None:
    """Refuse budgets whose bootstrap intervals are known to be too narrow."""
    n = min(len(val) for val, _ in levels)
    wrong = [k for k in ks if not 1 <= k <= largest_claim(n)]
    if wrong:
        raise ValueError(f"budgets must be between 1 and N/5 = {largest_claim(n)} of {n} trials (R05), got {wrong[0]}")
