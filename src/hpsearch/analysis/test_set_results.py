"""Models on the sealed test rows: the two errors of an accuracy, and two shipped models row by row (S-16)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from hpsearch.analysis.evidence import Evidence, TestRow
from hpsearch.statistics.proportions import McNemar, image_error, mcnemar, retrained


@dataclass(frozen=True, slots=True)
class Tested:
    """What one opening says besides the shipped model's value and interval; NaN for what does not exist.

    Attributes:
        opening: Its number.
        image_se: sqrt(p (1 - p) / n) of the shipped model: would other rows differ? Of an accuracy alone.
        retrains: S, retrained networks.
        mean: Their mean; NaN if one of them has no finite value.
        retrain_se: s / sqrt(S): would other retrained networks differ? NaN for fewer than two.
        mean_image_se: `image_se` at their mean; more networks do not make it smaller.
    """

    opening: int
    image_se: float
    retrains: int
    mean: float
    retrain_se: float
    mean_image_se: float


@dataclass(frozen=True, slots=True)
class ShippedPair:
    """Two shipped models on the same test rows, each of them one network.

    Attributes:
        first: Opening of the one.
        second: Opening of the other, the later one.
        only_first: Rows that only the first has right.
        only_second: Rows that only the second has right.
        n: All rows.
        found: Accuracy of the first minus that of the second with its 95 % interval, and the exact p.
    """

    first: int
    second: int
    only_first: int
    only_second: int
    n: int
    found: McNemar


def errors_of(evidence: Evidence) -> tuple[Tested, ...]:
    """The errors of every opening by this sweep."""
    return tuple(_tested(row, share=evidence.design.metric.is_share) for row in evidence.tests)


def _tested(row: TestRow, *, share: bool) -> Tested:
    values = np.array(row.retrained)
    alone = image_error(row.value, row.n) if share else math.nan
    if not len(values) or not np.isfinite(values).all():
        return Tested(row.opening, alone, len(values), math.nan, math.nan, math.nan)
    found = retrained(values, row.n)
    spread = math.nan if found.retrain_se is None else found.retrain_se
    return Tested(row.opening, alone, len(values), found.mean, spread, found.image_se if share else math.nan)


def shipped_pairs(rows: Sequence[TestRow]) -> tuple[ShippedPair, ...]:
    """Every two shipped models whose bitmaps were kept, in the order of their openings.

    Args:
        rows: Openings; those that have evaluated the network of an earlier one again show no other model.
    """
    again = set(repeated(rows))
    models = sorted((row for row in rows if row.opening not in again), key=lambda row: row.opening)
    kept = [(row.opening, row.correct) for row in models if row.correct is not None]
    return tuple(_pair(first, second, a, b) for (first, a), (second, b) in combinations(kept, 2))


def repeated(rows: Sequence[TestRow]) -> dict[int, int]:
    """Openings that have evaluated a network again, to the opening that did it first."""
    first: dict[str, int] = {}
    for row in sorted(rows, key=lambda row: row.opening):
        if row.weights:
            first.setdefault(row.weights, row.opening)
    return {row.opening: first[row.weights] for row in rows if first.get(row.weights, row.opening) != row.opening}


def _pair(first: int, second: int, a: np.ndarray, b: np.ndarray) -> ShippedPair:
    """From the bitmaps (n,) of two models."""
    only_a, only_b, n = int((a & ~b).sum()), int((b & ~a).sum()), len(a)
    return ShippedPair(first, second, only_a, only_b, n, mcnemar(only_a, only_b, n))
