"""What the retrainings of a level came to: the score of each seed, and which of them failed.

A seed fails that diverged, that stalled (it learned nothing, by its own training loss), or that collapsed: it ended far
below the other seeds of its level. Foreign tables say no more of the last two than their scores and their `status`.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hpsearch.analysis.evidence import ConfirmRow, Evidence
from hpsearch.formatting import number_of
from hpsearch.records import Status
from hpsearch.statistics.intervals import wilson

COLLAPSED = "collapsed"
"""How a seed ended that fell far below the others, beside `diverged` and `stalled`."""

FAILURES = (Status.DIVERGED.value, Status.STALLED.value, COLLAPSED)

COLLAPSE = 10.0
"""Robust standard deviations below the median of its level from which a seed has collapsed. Of six to twenty normal
scores any lies there in 0.7 % of levels at most, of scores distributed as t with 3 degrees of freedom in 2 %."""

SMALLEST_FALL = 0.05
"""Of the median, how far below it a collapse lies at least, where most scores tie."""

FEWEST_SEEDS = 6
"""Of fewer, the median deviation says too little: of three normal scores one lies so far below in 5 % of levels."""


@dataclass(frozen=True, slots=True)
class Failures:
    """How many of the seeds of a level failed.

    Attributes:
        n: Seeds with an outcome.
        diverged: Of these, those that diverged.
        stalled: Those that learned nothing.
        collapsed: Those that ended far below the others.
    """

    n: int
    diverged: int = 0
    stalled: int = 0
    collapsed: int = 0

    @property
    def count(self) -> int:
        """Seeds that failed in any way."""
        return self.diverged + self.stalled + self.collapsed

    @property
    def share(self) -> float:
        """Of the seeds that have an outcome."""
        return self.count / self.n if self.n else 0.0

    @property
    def is_exception(self) -> bool:
        """Whether at most half of them did, so that the others say what the level typically scores."""
        return 2 * self.count <= self.n

    @property
    def word(self) -> str:
        """`diverged`, `stalled` or `collapsed`; of several kinds, or of none, `failed`."""
        kinds = [kind for kind in FAILURES if getattr(self, kind)]
        return kinds[0] if len(kinds) == 1 else "failed"

    def of(self, noun: str) -> str:
        """`1 of 10 fresh seeds`."""
        return f"{self.count} of {number_of(self.n, noun)}"

    @property
    def interval(self) -> str:
        """`[2 %, 40 %]`: Wilson 95 % of the share."""
        low, high = wilson(self.count, self.n)
        return f"[{100 * low:.0f} %, {100 * high:.0f} %]"

    def __add__(self, other: "Failures") -> "Failures":
        """Those of both levels."""
        kinds = {kind: getattr(self, kind) + getattr(other, kind) for kind in FAILURES}
        return Failures(self.n + other.n, **kinds)


def outcome(row: ConfirmRow) -> float:
    """The score of a retraining: -inf if it diverged, NaN if the machine or foreign code failed it."""
    if row.status == Status.DIVERGED:
        return -math.inf
    if row.status not in (Status.OK, Status.STALLED):
        return math.nan
    score = float(np.mean(row.folds)) if row.folds and math.isnan(row.report) else row.report
    return score if math.isnan(score) or math.isfinite(score) else -math.inf


def outcomes(evidence: Evidence, level: str) -> Mapping[int, float]:
    """Key to score of all retrainings of a level that have one."""
    return evidence.once(_outcomes, level)


def _outcomes(evidence: Evidence, level: str) -> Mapping[int, float]:
    scores = {row.key: outcome(row) for row in evidence.confirmed(level)}
    return {key: score for key, score in scores.items() if not math.isnan(score)}


def failed_seeds(evidence: Evidence, level: str) -> Mapping[int, str]:
    """Key to the way in which it failed, of the seeds of a level that did."""
    return evidence.once(_failed_seeds, level)


def _failed_seeds(evidence: Evidence, level: str) -> Mapping[int, str]:
    scores = outcomes(evidence, level)
    stalled = {row.key for row in evidence.confirmed(level) if row.status == Status.STALLED}
    found = {key: Status.DIVERGED.value for key, score in scores.items() if math.isinf(score)}
    found |= {key: Status.STALLED.value for key in scores if key in stalled and key not in found}
    others = [key for key in scores if key not in found]
    lost = collapsed(np.array([scores[key] for key in others]), evidence.design.delta)
    return found | {key: COLLAPSED for key, far in zip(others, lost, strict=True) if far}


def failures_of(evidence: Evidence, level: str) -> Failures:
    """How many of the seeds of a level failed, and how."""
    return counted(failed_seeds(evidence, level), len(outcomes(evidence, level)))


def counted(failed: Mapping[int, str], n: int) -> Failures:
    """The counts of `failed_seeds`, of so many with an outcome."""
    return Failures(n, **Counter(failed.values()))


def collapsed(scores: np.ndarray, delta: float | None = None) -> np.ndarray:
    """(S,) which of the scores of a level lie far below the others.

    Below the median by ten robust standard deviations (1.4826 times the median absolute deviation; Hampel, JASA 1974),
    and by 5 % of the median and `delta` at least. None does of fewer than six; nor can half of them, which would be the
    median themselves.

    Args:
        scores: (S,) finite, higher is better.
        delta: Smallest difference that matters; None if none is declared.

    Examples:
        >>> collapsed(np.array([0.97, 0.98, 0.97, 0.10, 0.96, 0.97]))
        array([False, False, False,  True, False, False])
    """
    if len(scores) < FEWEST_SEEDS:
        return np.zeros(len(scores), dtype=bool)
    middle = float(np.median(scores))
    deviation = 1.4826 * float(np.median(np.abs(scores - middle)))
    far: np.ndarray = scores < middle - max(COLLAPSE * deviation, SMALLEST_FALL * abs(middle), delta or 0.0)
    return far
