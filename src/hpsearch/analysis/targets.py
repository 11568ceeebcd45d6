"""How soon the retrainings of a recipe reach a target that all levels share (S-20)."""

import math

import numpy as np

from hpsearch.analysis.evidence import ConfirmRow, Design, Evidence
from hpsearch.analysis.pairing import outcome, outcomes
from hpsearch.analysis.sensitivity import time_to_target
from hpsearch.metrics import to_score

SHARE = 0.9
"""Of the way from chance to the control's confirmed median: the target where none was declared before the search."""


def chance(design: Design) -> float | None:
    """The score of guessing without looking; None where it depends on the targets."""
    if design.metric == "r2":
        return 0.0
    if design.classes < 2:
        return None
    if design.metric == "cross_entropy":
        return -math.log(design.classes)
    return 1 / design.classes if design.metric in ("accuracy", "macro_f1") else None


def target_of(evidence: Evidence) -> float | None:
    """The target on `val` curves: 90 % of the way from chance to the control's median, or that of the first level."""
    design = evidence.design
    scores = list(outcomes(evidence, design.control or design.levels[0].name).values())
    start = chance(design)
    median = float(np.median(scores)) if scores else math.nan
    if start is None or not math.isfinite(median) or median <= start:
        return None
    return start + SHARE * (median - start)


def time_to(evidence: Evidence, level: str, target: float | None) -> tuple[float, float, float, float] | None:
    """Median epoch of reaching the target, and the hit rate with its interval; runs that never do count as infinite.

    None without a target, or where no retraining has a `val` curve.
    """
    rows = [row for row in evidence.confirmed(level) if not math.isnan(outcome(row))]
    curves = [_curve(row, evidence.design.metric) for row in rows]
    epochs = max(map(len, curves), default=0)
    if target is None or not epochs:
        return None
    padded = np.array([[*curve, *[math.nan] * (epochs - len(curve))] for curve in curves])
    found = time_to_target(padded, target)
    return found.median, found.hit_rate, found.low, found.high


def _curve(row: ConfirmRow, metric: str) -> list[float]:
    """The score on `val` rows after each epoch, higher is better."""
    return [to_score(metric, value) for value in row.curves.get(f"val/{metric}", [])]
