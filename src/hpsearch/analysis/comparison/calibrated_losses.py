"""Levels that differ in their loss, described by two scores that mean the same for all of them.

Values of different losses are not compared (R10). Accuracy is, and so is the log loss of calibrated probabilities
(`hpsearch.scoring.calibration`), for which lower is better. No claim is made of it: claims are of the declared metric.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hpsearch.analysis.comparison.paired_scores import NOWHERE, OWN_ALPHA, ComparisonFamily
from hpsearch.analysis.evidence import ConfirmRow, Design, Evidence, LevelDesign
from hpsearch.analysis.exploration.findings import Interval
from hpsearch.records import CALIBRATED_LOSS, TEMPERATURE, Status
from hpsearch.statistics.paired_tests import mean_interval


@dataclass(frozen=True, slots=True)
class CalibratedLevel:
    """A level's frozen recipe on fresh seeds.

    Attributes:
        n: Seeds with a calibrated loss, and those that diverged.
        failed: Seeds that diverged.
        accuracy: Mean share of report rows that are right; NaN where a seed diverged.
        accuracy_interval: Its 95 % t interval over seeds.
        loss: Mean calibrated log loss of the report rows, in nats; NaN where a seed diverged, whose loss is
            infinite.
        interval: Its 95 % t interval over seeds.
        temperature: Median over seeds.
    """

    n: int
    failed: int
    accuracy: float
    accuracy_interval: Interval
    loss: float
    interval: Interval
    temperature: float


@dataclass(frozen=True, slots=True)
class CalibratedPair:
    """The calibrated log loss of one level minus that of another, seed by seed.

    Attributes:
        a: A level.
        b: Another level, or the control.
        n: Common seeds.
        diff: Mean difference, below 0 where the loss of `a` is lower; NaN where any seed of either diverged, or with
            fewer common seeds than a claim of the family needs.
        ci_sim: Its t interval, simultaneous with those of the other pairs (Bonferroni).
    """

    a: str
    b: str
    n: int
    diff: float
    ci_sim: Interval


@dataclass(frozen=True, slots=True)
class Calibrated:
    """All levels that have calibrated losses, and the pairs of the family; no pairs where none may be compared."""

    levels: Mapping[str, CalibratedLevel]
    pairs: tuple[CalibratedPair, ...]


def losses_differ(design: Design) -> bool:
    """Whether levels are trained on different losses, label smoothing, weights of classes and such included."""
    return len({_loss_of(level) for level in design.levels}) > 1


def _loss_of(level: LevelDesign) -> tuple[str, ...]:
    """What a level says of its loss and the values of it."""
    known = {**level.fixed, **level.settings}
    values = [f"{name.rpartition('.')[2]}={value}" for name, value in sorted(known.items()) if name.startswith("loss.")]
    drawn = [f"{name.rpartition('.')[2]} drawn" for name in sorted(level.space) if name.startswith("loss.")]
    return (str(known.get("loss", "")), *values, *drawn)


def calibrated_losses(evidence: Evidence, family: ComparisonFamily, *, comparable: bool) -> Calibrated | None:
    """The description; None where levels do not differ in their loss, or no retraining has a calibrated loss.

    Args:
        evidence: The retrainings.
        family: That of the main comparisons, whose number of pairs and alpha are kept.
        comparable: Whether no gate keeps all pairs from being compared.
    """
    if not losses_differ(evidence.design):
        return None
    rows = {level.name: _counted(evidence, level.name) for level in evidence.design.levels}
    levels = {name: _level(own) for name, own in rows.items() if any(map(_has_loss, own.values()))}
    if not levels:
        return None
    pairs = [_pair(a, b, rows[a], rows[b], family) for a, b in evidence.design.pairs] if comparable else []
    return Calibrated(levels, tuple(pairs))


def _has_loss(row: ConfirmRow) -> bool:
    return CALIBRATED_LOSS in row.summary


def _counted(evidence: Evidence, level: str) -> dict[int, ConfirmRow]:
    """By key: retrainings that are recorded without a calibrated loss are none that it could be compared on."""
    known = [row for row in evidence.confirmed(level) if _has_loss(row) or row.status == Status.DIVERGED]
    return {row.key: row for row in known}


def _losses(rows: list[ConfirmRow]) -> np.ndarray:
    """(S,) calibrated losses, infinite where a seed diverged."""
    return np.array([row.summary.get(CALIBRATED_LOSS, math.inf) for row in rows], dtype=np.float64)


def _level(rows: Mapping[int, ConfirmRow]) -> CalibratedLevel:
    seeds = list(rows.values())
    losses = _losses(seeds)
    ended = np.isfinite(losses)
    whole = bool(ended.all())
    accuracies = np.array([row.summary["report/accuracy"] for row in seeds if whole])
    return CalibratedLevel(
        n=len(seeds),
        failed=int((~ended).sum()),
        accuracy=float(accuracies.mean()) if whole else math.nan,
        accuracy_interval=_around(accuracies) if whole else NOWHERE,
        loss=float(losses.mean()) if whole else math.nan,
        interval=_around(losses) if whole else NOWHERE,
        temperature=float(np.median([row.summary[TEMPERATURE] for row in seeds if _has_loss(row)])),
    )


def _around(values: np.ndarray) -> Interval:
    return mean_interval(values, OWN_ALPHA) if len(values) > 1 else NOWHERE


def _pair(
    a: str, b: str, rows_a: Mapping[int, ConfirmRow], rows_b: Mapping[int, ConfirmRow], family: ComparisonFamily
) -> CalibratedPair:
    keys = sorted(rows_a.keys() & rows_b.keys())
    every = _losses([*rows_a.values(), *rows_b.values()])
    if len(keys) < family.fewest or not np.isfinite(every).all():
        return CalibratedPair(a, b, len(keys), math.nan, NOWHERE)
    d = _losses([rows_a[key] for key in keys]) - _losses([rows_b[key] for key in keys])
    return CalibratedPair(a, b, len(keys), float(d.mean()), mean_interval(d, family.each))
