"""Which parameters decide whether a trial is among the best (PED-ANOVA), compared with the same analysis of pure noise.

Legend: N trials, G grid points, B resamples. It finds association in random trials, not causes.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hpsearch.statistics.bootstrap import Draws, chunks, draw_counts, enough_resamples, percentiles
from hpsearch.statistics.tuning_curves import refuse_unordered

FEWEST_TRIALS = 50

FEWEST_TOP = 5

GRID = 50
"""Number of points on which the density of a numeric parameter is estimated."""

BANDWIDTH = 0.6
"""Bandwidth of the kernels, in standard deviations times n_top^(-1/5)."""

AFFORDABLE_SHUFFLED = 4_000_000
"""Draws for the intervals, of which each is shuffled for every dummy: of more than 2,000 trials fewer resamples."""

ROUNDING = 1e-9
"""Total divergence of all parameters below which it is a rounding error."""


@dataclass(frozen=True, slots=True)
class Importance:
    """The importance of a parameter, as a share of the total.

    Attributes:
        name: Name of the parameter.
        share: Importance, in [0, 1]; those of all parameters sum to 1.
        low: Lower end of the bootstrap interval, extended to contain `share`.
        high: Upper end, extended to contain `share`.
        dummy: Mean importance of its dummy, which has the parameter's own values in random order.
        dummy_high: Upper end of the dummy's interval.
        evidence: Whether `low` is above `dummy_high`.
    """

    name: str
    share: float
    low: float
    high: float
    dummy: float
    dummy_high: float
    evidence: bool


def importances(
    score: np.ndarray,
    parameters: Mapping[str, np.ndarray],
    seed: int | np.random.Generator,
    categories: Collection[str] = (),
    quantile: float = 0.2,
    alpha: float = 0.05,
    resamples: int | None = None,
) -> list[Importance]:
    """Return each parameter's importance for being among the best `quantile` of trials, highest first.

    PED-ANOVA (Watanabe et al., 2023): Pearson's divergence of a parameter's density among the top trials from that
    among all, ½ ∫ (p_top/p_all - 1)² p_all. A parameter that only some trials have is compared among those, and
    weighted by a²/b, where a of the top and b of all trials have it (conditional PED-ANOVA, theorem 4.2).

    Densities of numbers are sums of normal kernels on a grid of 50 points from the lowest to the highest value,
    truncated at the ends. Top and all share one bandwidth, 0.6 n_top^(-1/5) standard deviations of all values:
    p_top/p_all is then at most n/n_top everywhere, and a parameter and its dummy are smoothed alike. (Scott's factor,
    1.06, is for a single bell; the top values of an important parameter are far narrower than all its values.)
    Densities of categories are their shares, with one trial's weight per category added to n_top.

    Args:
        score: Shape (N,) higher is better, -inf for a failed trial.
        parameters: Shape (N,) values by name, on a log scale where the space is; NaN where a trial lacks the parameter.
        seed: Seed of resamples and dummies.
        categories: Names of the parameters whose values are unordered codes.
        quantile: Share of the trials that are the top, in (0, 1); trials tied at its edge count in part.
        alpha: Each interval covers 1 - alpha.
        resamples: Number of resamples B; None: by `enough_resamples`.

    Raises:
        ValueError: If there are fewer than 50 trials or 5 top ones (R13), a score is NaN or +inf, or scores or
            parameters do not vary.
    """
    n, top = len(score), math.floor(quantile * len(score) + 1e-9)
    if n < FEWEST_TRIALS or top < FEWEST_TOP:
        raise ValueError(f"R13: importance needs {FEWEST_TRIALS} trials and {FEWEST_TOP} top ones, got {n} and {top}")
    refuse_unordered(score)
    fields = [_Field.of(values, top, ordered=name not in categories) for name, values in parameters.items()]
    estimate = _divergences(fields, score, np.ones((n, 1), dtype=np.intp), top)[:, 0]
    if estimate.sum() < ROUNDING:
        raise ValueError("scores and parameters must vary, got none that tells the top trials from the rest")
    resamples = resamples or enough_resamples(n, alpha, AFFORDABLE_SHUFFLED)
    shares, dummies = _resampled(fields, score, top, np.random.default_rng(seed), resamples)
    rows = zip(parameters, (estimate / estimate.sum()).tolist(), shares, dummies, strict=True)
    return sorted((_importance(*row, alpha) for row in rows), key=lambda row: -row.share)


def _importance(name: str, share: float, shares: np.ndarray, dummies: np.ndarray, alpha: float) -> Importance:
    low, high = (float(end) for end in percentiles(shares, alpha))
    dummy_high = float(percentiles(dummies, alpha)[1])
    low, high = min(share, low), max(share, high)
    return Importance(name, share, low, high, float(dummies.mean()), dummy_high, low > dummy_high)


@dataclass(frozen=True, slots=True)
class _Field:
    """A parameter on its grid.

    Attributes:
        place: Shape (N,) grid point of each trial; 0 where it lacks the parameter.
        present: Shape (N, 1) 1 where a trial has the parameter, else 0.
        kernel: Shape (G, G) density over the grid (rows) that a trial at a point (columns) contributes.
    """

    place: np.ndarray
    present: np.ndarray
    kernel: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, top: int, *, ordered: bool) -> "_Field":
        present = ~np.isnan(values)
        place = np.zeros(len(values), dtype=np.intp)
        if ordered:
            place[present], kernel = _on_grid(values[present], top * present.mean())
        else:
            codes, place[present] = np.unique(values[present], return_inverse=True)
            kernel = _category_kernel(max(1, len(codes)), top * present.mean())
        return cls(place, present[:, None].astype(np.float64), kernel)

    def divergence(self, place: np.ndarray, counts: np.ndarray, tops: np.ndarray) -> np.ndarray:
        """Return the divergence in each resample, shape (B,).

        ½ (Σ t²/l - a²/b), with the densities t of the top and l of all, of sums a and b.

        Args:
            place: Shape (N, B) grid point of each trial.
            counts: Shape (N, B) how often each trial occurs.
            tops: Shape (N, B) how often it occurs among the top.
        """
        t, whole = (self._density(place, weights / weights.sum(axis=0)) for weights in (tops, counts))
        a, b = t.sum(axis=0), whole.sum(axis=0)
        pieces = np.divide(t**2, whole, out=np.zeros_like(t), where=whole > 0).sum(axis=0)
        halves: np.ndarray = (pieces - np.divide(a**2, b, out=np.zeros_like(a), where=b > 0)) / 2
        return halves.clip(min=0.0)

    def shuffled(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Return grid points (N, size) permuted, in each column, among the trials that have the parameter."""
        dealt = np.zeros((len(self.place), size), dtype=np.intp)
        holders = self.present[:, 0] > 0
        dealt[holders] = rng.permuted(np.tile(self.place[holders, None], size), axis=0)
        return dealt

    def _density(self, place: np.ndarray, weights: np.ndarray) -> np.ndarray:
        size, grid = weights.shape[1], len(self.kernel)
        cell = (place * size + np.arange(size)).ravel()
        mass = np.bincount(cell, (weights * self.present).ravel(), grid * size).reshape(grid, size)
        density: np.ndarray = self.kernel @ mass
        return density


def _on_grid(values: np.ndarray, top: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the grid point of each value, and the (G, G) kernels of the grid, each column of sum 1."""
    low, reach = values.min(initial=np.inf), np.ptp(values) if len(values) else 0.0
    if not reach > 0:
        return np.zeros(len(values), dtype=np.intp), np.eye(1)
    unit = (values - low) / reach
    x = np.linspace(0.0, 1.0, GRID)
    bandwidth = BANDWIDTH * unit.std() * top**-0.2
    kernel = np.exp(-(((x[:, None] - x) / bandwidth) ** 2) / 2)
    return np.rint(unit * (GRID - 1)).astype(np.intp), kernel / kernel.sum(axis=0)


def _category_kernel(codes: int, top: float) -> np.ndarray:
    """Return the (codes, codes) shares that a trial of each category (column) adds to each; columns sum to 1."""
    return (top * np.eye(codes) + 1.0) / (top + codes)


def _divergences(fields: Sequence[_Field], score: np.ndarray, counts: np.ndarray, top: int) -> np.ndarray:
    tops = _top_counts(score, counts, top)
    return np.stack([field.divergence(field.place[:, None], counts, tops) for field in fields])


def _top_counts(score: np.ndarray, counts: np.ndarray, top: int) -> np.ndarray:
    """Return how often each trial is among the `top` best of each resample, (N, B); ties at the edge share the rest."""
    draws = Draws.of(score, counts)
    inside: np.ndarray = np.diff(np.maximum(draws.up_to - (len(score) - top), 0), axis=0)[draws.group] * draws.share
    return inside


def _resampled(
    fields: Sequence[_Field], score: np.ndarray, top: int, rng: np.random.Generator, resamples: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the shares of the parameters and of their dummies, one row per parameter and one column per resample."""
    shares, dummies = [], []
    for size in chunks(resamples, len(score)):
        counts = draw_counts(len(score), size, rng)
        tops = _top_counts(score, counts, top)
        own = np.stack([field.divergence(field.place[:, None], counts, tops) for field in fields])
        noise = np.stack([field.divergence(field.shuffled(size, rng), counts, tops) for field in fields])
        total = np.maximum(own.sum(axis=0), np.finfo(float).tiny)
        shares.append(own / total)
        dummies.append(noise / total)
    return np.concatenate(shares, axis=1), np.concatenate(dummies, axis=1)
