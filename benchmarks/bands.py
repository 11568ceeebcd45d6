"""How often the bands of tuning curves hold the curve of the population that trials are drawn from.

`python -m benchmarks bands` prints a table: for each population, number of trials N and budget k, the share of
simulated searches whose 95 % interval of R_k holds its population value, for the percentile bootstrap and for the
intervals of reports. A second one is of pairs of options: the share of searches in which the intervals of their
difference hold at all declared budgets at once.
"""

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from hpsearch.statistics.bootstrap import Draws, curve_differences, draw_counts, mirrored_percentiles, percentiles
from hpsearch.statistics.tuning_curves import budgets, curves, expectation

ALPHA = 0.05
RESAMPLES = 500
GRID = (np.arange(100_000) + 0.5) / 100_000
"""Quantiles at which the expected maximum of k is integrated."""

Quantile = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class Population:
    """What trials are drawn from.

    Attributes:
        quantile: Maps uniform numbers to the quality of a trial.
        correlation: Of `report` with `val`, for normal scores; 1: the two are the same score.
    """

    quantile: Quantile
    correlation: float = 1.0

    def draw(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw the `val` (n,) and `report` (n,) scores of n trials."""
        val = self.quantile(rng.random(n))
        if self.correlation == 1:
            return val, val
        noise = rng.normal(size=n)
        return val, self.correlation * val + math.sqrt(1 - self.correlation**2) * noise

    def expected_report(self, k: int) -> float:
        """Return the population's R_k: the correlation times the mean of Q(U^(1/k)), which the maximum of k is."""
        return self.correlation * float(self.quantile(GRID ** (1 / k)).mean())


def near_optimum(parameters: int) -> Quantile:
    """Return the quantiles of 1 minus a squared distance: scores around an optimum in so many parameters."""
    return lambda u: 1 - (1 - u) ** (2 / parameters)


POPULATIONS = {
    "around an optimum, 1 parameter": Population(near_optimum(1)),
    "around an optimum, 2 parameters": Population(near_optimum(2)),
    "around an optimum, 4 parameters": Population(near_optimum(4)),
    "one trial in ten fails": Population(lambda u: np.where(u < 0.1, 0.1, 0.8 + (u - 0.1) / 6)),
    "accuracies of 100 rows": Population(lambda u: np.round(0.97 + 0.02 * np.log(u), 2)),
    "normal, report correlated 0.7": Population(stats.norm.ppf, 0.7),
    "normal": Population(stats.norm.ppf),
    "exponential: no ceiling": Population(lambda u: -np.log1p(-u)),
}

PAIRS = {
    "two alike, 2 parameters": (POPULATIONS["around an optimum, 2 parameters"],) * 2,
    "1 parameter and 4": (
        POPULATIONS["around an optimum, 1 parameter"],
        POPULATIONS["around an optimum, 4 parameters"],
    ),
    "two alike, normal": (POPULATIONS["normal"],) * 2,
}


def coverage(population: Population, n: int, ks: Sequence[int], searches: int) -> np.ndarray:
    """Return the shares (2, K) of searches of n trials whose intervals hold R_k: percentiles, then those of reports."""
    truth = np.array([population.expected_report(k) for k in ks])
    held = np.zeros((2, len(ks)))
    for seed in range(searches):
        rng = np.random.default_rng([n, seed])
        val, report = population.draw(n, rng)
        draws = Draws.of(val, draw_counts(n, RESAMPLES, rng))
        resampled = np.stack([expectation(report, draws.weights(k)) for k in ks])
        plain = percentiles(resampled, ALPHA)
        ours = mirrored_percentiles(resampled, curves(val, report, ks)[1], ALPHA)
        held += [(low <= truth) & (truth <= high) for low, high in (plain, ours)]
    return held / searches


def family_coverage(pair: tuple[Population, Population], n: int, searches: int) -> float:
    """Return the share of searches in which the intervals of the difference hold at all declared budgets at once."""
    ks = budgets(n)
    truth = np.array([pair[0].expected_report(k) - pair[1].expected_report(k) for k in ks])
    held = 0
    for seed in range(searches):
        rng = np.random.default_rng([n, seed])
        found = curve_differences([each.draw(n, rng) for each in pair], ks, ALPHA, rng)
        held += bool(((found.low[0] <= truth) & (truth <= found.high[0])).all())
    return held / searches


def main(arguments: list[str]) -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--searches", type=int, default=500)
    searches = parser.parse_args(arguments).searches
    error = math.sqrt(ALPHA * (1 - ALPHA) / searches)
    print(f"{searches} searches a cell; Monte-Carlo error of 0.95: {error:.3f}\n")
    print("| scores | N | k = 1 | k = N/10 | k = N/5 |\n| --- | --- | --- | --- | --- |")
    for name, population in POPULATIONS.items():
        for n in (50, 100):
            plain, ours = coverage(population, n, (1, n // 10, n // 5), searches)
            cells = " | ".join(f"{a:.3f}, {b:.3f}" for a, b in zip(plain, ours, strict=True))
            print(f"| {name} | {n} | {cells} |", flush=True)
    print("\n| two options, all declared budgets at once | N = 50 | N = 100 |\n| --- | --- | --- |")
    for name, pair in PAIRS.items():
        print(f"| {name} | {' | '.join(f'{family_coverage(pair, n, searches // 2):.3f}' for n in (50, 100))} |")
