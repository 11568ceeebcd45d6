"""Planned looks at growing numbers of seeds, which share the error rate: options are compared until they are apart.

A look is a comparison of all seeds so far. A spending function, declared before the first look, gives each its part
of alpha (Lan & DeMets, Biometrika 1983). Every look is tested by itself at its own part: then all claims of all looks
together keep alpha whatever ends the looks, and whichever comparisons are left out of later ones because they are
decided. That looks at the same seeds depend on each other is left unused: boundaries that use it would win up to three
points of power.
"""

import itertools
import math
from collections.abc import Sequence

from hpsearch.statistics.paired_tests import SEEDS, minimum_seeds

CLOSE = 1.5
"""A look at fewer than so many times the seeds of the one before is not worth its part of alpha."""


def spent(information: float) -> float:
    """Return the part of alpha that is spent when a share of all planned seeds is there.

    ln(1 + (e - 1) t), Pocock's type of Lan & DeMets (1983): looks have similar levels, so that large differences are
    found at the first one. It is proportional to alpha, so that p values can be adjusted for looks by division.

    Args:
        information: t in [0, 1].

    Examples:
        >>> [round(spent(t), 3) for t in (0, 0.25, 0.5, 1)]
        [0.0, 0.357, 0.62, 1.0]
    """
    return math.log1p((math.e - 1) * information)


def shares(looks: Sequence[int]) -> list[float]:
    """Return the part of alpha of each look, together 1.

    Args:
        looks: Numbers of seeds, ascending; the last one is that of all planned seeds.

    Examples:
        >>> [round(share, 3) for share in shares([10, 20, 40])]
        [0.357, 0.263, 0.38]
    """
    return [b - a for a, b in itertools.pairwise([0.0, *(spent(seeds / looks[-1]) for seeds in looks)])]


def part_of_look(looks: Sequence[int], seeds: int) -> float:
    """Return the part of alpha of the look that waits for the last of so many seeds; 1 where no looks are planned."""
    return next((part for most, part in zip(looks, shares(looks), strict=True) if seeds <= most), 1.0) if looks else 1.0


def planned_looks(most: int, comparisons: int, alpha: float) -> tuple[int, ...]:
    """Return the numbers of seeds to look at: from 10 on, each twice the one before, the last one `most`.

    The first look has at least as many seeds as a claim needs at its part of alpha, unless `most` has not either.

    Args:
        most: Number of seeds of the last look, at least 1.
        comparisons: Comparisons of the family, at least 1.
        alpha: Error rate of all claims of all looks.

    Examples:
        >>> planned_looks(40, comparisons=5, alpha=0.05), planned_looks(12, comparisons=5, alpha=0.05)
        ((10, 20, 40), (12,))
    """
    first = min(SEEDS, most)
    while first < most and first < minimum_seeds(comparisons, alpha * spent(first / most)):
        first += 1
    looks = list(itertools.takewhile(lambda seeds: CLOSE * seeds <= most, (first * 2**at for at in itertools.count())))
    return (*looks, most)
