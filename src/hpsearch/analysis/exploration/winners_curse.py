"""How much of a level's highest score is luck."""

import math
from dataclasses import dataclass

import numpy as np

from hpsearch.analysis.evidence import Design
from hpsearch.analysis.exploration.findings import Interval
from hpsearch.analysis.exploration.trial_pool import TrialPool
from hpsearch.statistics.selection_bias import (
    bbc_cv,
    best_probabilities,
    expected_max_binomial,
    report_mixture,
    share_count,
    shrink_best,
)

UNKNOWN = (math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class WinnersCurse:
    """What chance does to the highest of many scores; the fields are those of `SearchSummary`."""

    curse: float = math.nan
    shrinkage: float = math.nan
    shrunken: float = math.nan
    contending: int = 0
    mixture: Interval = UNKNOWN


def luck_of(design: Design, pool: TrialPool, *, refused: bool) -> WinnersCurse:
    """The luck in the highest `val` score of a level.

    Only an accuracy on a known number of rows has a known noise; of any other score nothing can be said. Two trials at
    least are needed to tell spread from noise.

    Args:
        design: Of the comparison.
        pool: Of the level.
        refused: Whether trials depended on each other; then no probability of being the highest is given.
    """
    rows = _rows(design, pool, "val", pool.val) if np.isfinite(pool.val).any() else None
    if rows is None:
        return WinnersCurse()
    shrunk = shrink_best(pool.val, noise_variance(pool.val, rows)) if len(pool) > 1 else None
    lam, shrunken, mean = (shrunk.lam, shrunk.shrunken, shrunk.mean) if shrunk else (math.nan, math.nan, pool.val[0])
    curse = expected_max_binomial(len(pool), float(mean), rows) - float(mean)
    contending, mixture = (0, UNKNOWN) if refused else _contenders(design, pool, rows)
    return WinnersCurse(curse, lam, shrunken, contending, mixture)


def noise_variance(share: np.ndarray, rows: int) -> np.ndarray:
    """(N,) variance v (1 - v) / (n - 1) that shares of hits have from the sample of n rows.

    A share of 0 or 1 counts as one row off: of other rows, no network is certain.
    """
    least = (1 / rows) * (1 - 1 / rows)
    variance: np.ndarray = np.maximum(share * (1 - share), least) / (rows - 1)
    return variance


def standard_error(design: Design, pool: TrialPool, score: float, part: str | None = None) -> float | None:
    """Of a score on the rows of this part, or else of those that readers are shown; None where it is not known."""
    scores = np.array([score])
    rows = _rows(design, pool, part or ("report" if pool.reported else "val"), scores)
    return None if rows is None else math.sqrt(noise_variance(scores, rows)[0])


def _rows(design: Design, pool: TrialPool, part: str, scores: np.ndarray) -> int | None:
    """Rows that shares of hits were counted on; None if these are no such shares, or it is not known."""
    rows = design.rows.get(part, 0)
    if not rows and part == "val":
        rows = next((len(row.losses) for row in pool.rows if row.losses is not None), 0)
    shares = design.metric.is_share and bool(((scores >= 0) & (scores <= 1)).all())
    return rows if shares and rows > 1 else None


def _contenders(design: Design, pool: TrialPool, rows: int) -> tuple[int, Interval]:
    """Trials that share 95 % of the probability of being truly the highest (S-07), and their report score."""
    weights = best_probabilities(pool.val, rows)
    if not pool.reported:
        return share_count(weights), UNKNOWN
    report_rows = _rows(design, pool, "report", pool.shown)
    spread = np.zeros(len(pool)) if report_rows is None else np.sqrt(noise_variance(pool.shown, report_rows))
    return share_count(weights), report_mixture(weights, pool.shown, spread)


def corrected_score(design: Design, pool: TrialPool, seed: int) -> tuple[float, float, float] | None:
    """Score of the selected trial without the luck of the choice (S-09), low and high; None without losses of rows.

    The losses of all trials that were scored must be there, and for a metric that is their mean. A trial that diverged
    has none and is left out: no bag chooses it.
    """
    losses = [row.losses for row, gone in zip(pool.rows, pool.diverged, strict=True) if not gone]
    matrix = _matrix(losses)
    if design.metric.rows is None or matrix is None:
        return None
    loss, low, high = bbc_cv(matrix, seed)
    base = design.metric.best
    return base - loss, base - high, base - low


def _matrix(losses: list[np.ndarray | None]) -> np.ndarray | None:
    """(n, C) losses; None if some are missing, infinite, or of other rows, or there is only one row."""
    known = [one for one in losses if one is not None]
    if not known or len(known) < len(losses) or len({len(one) for one in known}) > 1 or len(known[0]) < 2:
        return None
    matrix = np.stack(known, axis=1).astype(np.float64)
    return matrix if np.isfinite(matrix).all() else None
