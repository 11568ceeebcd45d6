"""The trials of a level that the statistics of a search count, and the scores that choose and judge them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from hpsearch.analysis.evidence import Design, Evidence, Space, TrialRow
from hpsearch.records import Status

INDEPENDENT = ("random", "qmc", "unknown")
"""Samplers whose trials do not depend on each other's scores; of foreign results nobody knows, and a gate says so."""

TOP = 5
"""Trials that are shown as the highest-scoring ones."""


@dataclass(frozen=True, slots=True)
class TrialPool:
    """The draws of one level that have a score.

    Attributes:
        rows: N trials, in the order of drawing.
        val: (N,) scores that choose; the worst possible one where a trial diverged.
        shown: (N,) scores that judge: on the report rows or, where there are none at all, `val` again.
        reported: Whether `shown` is of report rows.
    """

    rows: tuple[TrialRow, ...]
    val: np.ndarray
    shown: np.ndarray
    reported: bool

    @property
    def diverged(self) -> np.ndarray:
        """(N,) which trials diverged."""
        return np.array([row.status == Status.DIVERGED for row in self.rows], dtype=bool)

    def __len__(self) -> int:
        return len(self.rows)


def has_reports(evidence: Evidence) -> bool:
    """Whether trials were scored on report rows; then these judge, in every level."""
    return any(math.isfinite(row.report) for row in evidence.trials)


def trial_pool(evidence: Evidence, level: str) -> TrialPool:
    """The scored draws of a level.

    Where any trial has a report score, one without it counts as missing, unless it diverged: a mean over the others
    would mix two kinds of rows.
    """
    return evidence.once(_trial_pool, level)


def _trial_pool(evidence: Evidence, level: str) -> TrialPool:
    return pool_of(evidence.draws(level), evidence.design.metric.worst, reported=has_reports(evidence))


def pool_of(rows: Iterable[TrialRow], worst: float, *, reported: bool) -> TrialPool:
    """The scored ones of these draws; a training that diverged has the `worst` score."""
    found = []
    for row in rows:
        failed = row.status == Status.DIVERGED
        val, report = (worst, worst) if failed else (row.val, row.report if reported else row.val)
        if not math.isnan(val) and not math.isnan(report):
            found.append((row, val, report))
    scores = np.array([one[1:] for one in found], dtype=np.float64).reshape(-1, 2)
    return TrialPool(tuple(row for row, _, _ in found), scores[:, 0], scores[:, 1], reported)


def ranked(rows: Sequence[TrialRow]) -> list[TrialRow]:
    """The trials of finite score by `val`, the recipe first: `ok` before `stalled`; of ties the smaller number."""
    return sorted(filter(is_ranked, rows), key=lambda row: (row.status != Status.OK, -row.val, row.k))


def is_ranked(row: TrialRow) -> bool:
    """Whether a trial may be a recipe."""
    return row.status in (Status.OK, Status.STALLED) and math.isfinite(row.val)


def order_refused(evidence: Evidence) -> bool:
    """Whether trials depended on each other, so that no order statistic of them means anything (R02, R03)."""
    pruned = evidence.design.pruner != "none" or any(row.status == Status.PRUNED for row in evidence.trials)
    return pruned or evidence.design.sampler not in INDEPENDENT


def space_of(design: Design, level: str) -> Space:
    """What the trials of a level draw, and from what."""
    return next((one.space for one in design.levels if one.name == level), {})
