"""How soon the retrainings of a recipe reach a target that all levels share (S-20)."""

import math
from collections.abc import Sequence

import numpy as np

from hpsearch.analysis.comparison.outcomes import outcomes
from hpsearch.analysis.evidence import ConfirmRow, Design, Evidence
from hpsearch.analysis.findings import Speed, TargetEpochs, TimeRatio
from hpsearch.formatting import capital, listed, number_of, show_number, visible
from hpsearch.metrics import Metric
from hpsearch.statistics.tunability import TimeToTarget, median_ratio, time_to_target

FEWEST_PAIRS = 5
"""Pairs that a median is resampled from at least."""

UNEQUAL_EPOCHS = ("data.limit", "training.batch_size")
"""What is compared where an epoch of one level is another number of steps, or of rows, than that of another."""

GROUPS = 4
"""More medians than these are not told one by one."""

NAMED = 6
"""More levels than these are counted, not named."""

SHARE = 0.9
"""Of the way from chance to the control's confirmed median: the target where none was declared before the search."""


def chance(design: Design) -> float | None:
    """The score of guessing without looking; None where it depends on the targets."""
    if design.metric.chance is None or (design.metric.of_classes and design.classes < 2):
        return None
    return design.metric.chance(design.classes)


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
    found = _times(evidence, level, sorted(outcomes(evidence, level)), target)
    return None if found is None else (found.median, found.hit_rate, found.low, found.high)


def speed_of(evidence: Evidence) -> Speed | None:
    """How soon each level's fresh seeds reach the target; None without a target, or where no retraining has a curve."""
    target, names = target_of(evidence), [level.name for level in evidence.design.levels]
    if target is None:
        return None
    found = {name: _times(evidence, name, sorted(outcomes(evidence, name)), target) for name in names}
    levels = [TargetEpochs(name, tuple(one.epochs.tolist()), one.median) for name, one in found.items() if one]
    if not levels:
        return None
    metric = evidence.design.metric
    last = max(len(_curve(row, metric)) for row in evidence.confirm)
    ordered = tuple(sorted(levels, key=lambda one: one.median))
    return Speed(target, last, ordered, _sentence(evidence.design, target, last, ordered))


def _sentence(design: Design, target: float, last: int, levels: Sequence[TargetEpochs]) -> str:
    """After how many epochs which levels are there, the first and the last ones by name."""
    groups: dict[float, list[str]] = {}
    for one in levels:
        groups.setdefault(one.median, []).append(visible(one.level))
    never, told = groups.pop(math.inf, []), list(groups.items())
    shown = told if len(told) <= GROUPS else [*told[: GROUPS - 1], told[-1]]
    reached = [f"after {median:g} {'epoch' if median == 1 else 'epochs'} by {_names(names)}" for median, names in shown]
    if len(told) > GROUPS:
        reached[-1] = f"last of all {reached[-1]}"
    seeds = f"medians of {number_of(max(len(one.epochs) for one in levels), 'fresh seed')}"
    rows = "out-of-fold" if design.folds > 1 else "val"
    what = f"{design.metric.name} of {show_number(design.metric.score(target))} on {rows} rows is reached"
    if never:
        within = f"within {number_of(last, 'epoch')} by fewer than half of the seeds of {_names(never)}"
        reached.append(f"and {within}" if reached else within)
    unequal = "" if not _unequal(design) else " An epoch is not as much work for every option."
    return f"{capital(what)} {', '.join(reached)} ({seeds}).{unequal}"


def _names(names: Sequence[str]) -> str:
    return (
        listed(names) if len(names) <= NAMED else f"{', '.join(names[: NAMED - 1])} and {len(names) - NAMED + 1} more"
    )


def time_ratios(evidence: Evidence, seed: int) -> tuple[TimeRatio, ...]:
    """Ratios of the median epochs of reaching the target, for each comparison of the design that has a target.

    None where levels are compared of which an epoch is more work than that of others, and none under K-fold, whose
    seeds share rows.

    Args:
        evidence: The retrainings.
        seed: Of the resamples.
    """
    target, found = target_of(evidence), []
    compared = {key for level in evidence.design.levels for key in level.settings}
    if target is None or evidence.design.folds > 1 or compared & set(UNEQUAL_EPOCHS):
        return ()
    for a, b in evidence.design.pairs:
        keys = sorted(outcomes(evidence, a).keys() & outcomes(evidence, b).keys())
        of_a, of_b = (_times(evidence, level, keys, target) for level in (a, b))
        if of_a is not None and of_b is not None and len(keys) >= FEWEST_PAIRS:
            found.append(TimeRatio(a, b, len(keys), *median_ratio(of_a.epochs, of_b.epochs, seed)))
    return tuple(found)


def _unequal(design: Design) -> bool:
    """Whether an epoch of one level is more work than that of another."""
    return bool({key for level in design.levels for key in level.settings} & set(UNEQUAL_EPOCHS))


def _times(evidence: Evidence, level: str, keys: Sequence[int], target: float | None) -> TimeToTarget | None:
    """When the retrainings of a level with these keys reach the target; None without a target or any curve."""
    rows = {row.key: row for row in evidence.confirmed(level)}
    curves = [_curve(rows[key], evidence.design.metric) for key in keys]
    epochs = max(map(len, curves), default=0)
    if target is None or not epochs:
        return None
    return time_to_target(np.array([[*curve, *[math.nan] * (epochs - len(curve))] for curve in curves]), target)


def _curve(row: ConfirmRow, metric: Metric) -> list[float]:
    """The score on `val` rows after each epoch, higher is better."""
    return [metric.score(value) for value in row.curves.get(f"val/{metric}", [])]
