"""Where in its space a level scores well: importance of the drawn values, isolation points, the good region."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np

from hpsearch.analysis.evidence import Evidence, Space, TrialRow
from hpsearch.analysis.exploration.findings import GoodRegion, Importance, Isolation
from hpsearch.analysis.exploration.trial_pool import TrialPool
from hpsearch.analysis.exploration.winners_curse import standard_error
from hpsearch.metrics import Metric
from hpsearch.records import Status
from hpsearch.statistics.importance import FEWEST_TRIALS, importances
from hpsearch.statistics.tunability import IsolationPoint, good_region, isolation

MANY = 50
"""Trials from which on a range is cut into five pieces; below it is cut into four."""

DECADES = 2
"""Of positive values whose range nobody declared: from so many on, they count as drawn on a log scale."""

DUMMY = "dummy"

ABSENT = object()
"""Stands where a trial has not drawn a value; `None` may be a choice."""


@dataclass(frozen=True, slots=True)
class Column:
    """One drawn value over N trials.

    Attributes:
        name: Of the value.
        raw: (N,) numbers as drawn; for choices, their places in `labels`. NaN where a trial has it not.
        numbers: (N,) the same on the scale it was drawn on, the logarithm for a log range.
        labels: Of the choices; empty for numbers.
        low: Lower end of the range, as written; NaN for choices.
        high: Upper end.
        log: Whether the range is logarithmic.
    """

    name: str
    raw: np.ndarray
    numbers: np.ndarray
    labels: tuple[str, ...]
    low: float
    high: float
    log: bool

    @property
    def present(self) -> np.ndarray:
        """(N,) which trials have the value."""
        known: np.ndarray = ~np.isnan(self.numbers)
        return known

    @property
    def varies(self) -> bool:
        """Whether at least two different values were drawn."""
        return len(np.unique(self.numbers[self.present])) > 1


def columns_of(space: Space, rows: Sequence[TrialRow]) -> list[Column]:
    """Every drawn value that any of the trials has: those of the space first, in its order, then others by name."""
    names = {name for row in rows for name in row.values}
    ordered = [name for name in space if name in names] + sorted(names - set(space))
    found = (_column(name, space.get(name, {}), [row.values.get(name, ABSENT) for row in rows]) for name in ordered)
    return [column for column in found if column.present.any()]


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a finite number, and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def label_of(value: object) -> str:
    """What tells a value from others, a list from a text: its JSON."""
    return json.dumps(value, sort_keys=True, default=str)


def _column(name: str, bounds: Mapping[str, Any], values: Sequence[Any]) -> Column:
    there = [value for value in values if not (value is ABSENT or value is None or _is_no_number(value))]
    if "choices" in bounds or not all(map(is_number, there)):
        return _choices(name, bounds.get("choices", ()), values)
    low = min([float(bounds.get("low", math.inf)), *map(float, there)])
    high = max([float(bounds.get("high", -math.inf)), *map(float, there)])
    log = low > 0 and bool(bounds.get("log", "low" not in bounds and high >= low * 10**DECADES))
    raw = np.array([float(value) if is_number(value) else math.nan for value in values])
    return Column(name, raw, np.log(raw) if log else raw, (), low, high, log)


def _is_no_number(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _choices(name: str, declared: Sequence[Any], values: Sequence[Any]) -> Column:
    """Choices stand at their places in the list that was declared; others that occur follow."""
    kinds = {label_of(value): str(value) for value in [*declared, *values] if value is not ABSENT}
    places = {label: float(place) for place, label in enumerate(kinds)}
    numbers = np.array([math.nan if value is ABSENT else places[label_of(value)] for value in values])
    return Column(name, numbers, numbers, tuple(kinds.values()), math.nan, math.nan, log=False)


def importances_of(columns: Sequence[Column], pool: TrialPool, seed: int) -> tuple[Importance, ...]:
    """Values by their share of importance (S-22), the dummy among them; empty where it is refused (R13).

    Each value has a dummy of its own. The one that is shown is the one that reaches highest: its mean share, and from
    0 to the upper end of its interval.
    """
    varying = {column.name: column for column in columns if column.varies}
    if len(pool) < FEWEST_TRIALS or not varying:
        return ()
    choices = [name for name, column in varying.items() if column.labels]
    try:
        found = importances(pool.val, {name: one.numbers for name, one in varying.items()}, seed, choices)
    except ValueError:  # nothing tells the top trials from the rest
        return ()
    rows = [Importance(one.name, one.share, (one.low, one.high), one.evidence) for one in found]
    dummy = max(found, key=lambda one: one.dummy_high)
    rows.append(Importance(DUMMY, dummy.dummy, (0.0, dummy.dummy_high), evidence=False))
    return tuple(sorted(rows, key=lambda row: -row.share))


def isolations_of(
    columns: Sequence[Column], pool: TrialPool, metric: Metric, seed: int
) -> dict[str, tuple[Isolation, ...]]:
    """For each value that varies, what its pieces give: choices, or four to five equal parts of the (log) range."""
    found = {column.name: _isolation(column, pool, metric, seed) for column in columns if column.varies}
    return {name: pieces for name, pieces in found.items() if len(pieces) > 1}


def _isolation(column: Column, pool: TrialPool, metric: Metric, seed: int) -> tuple[Isolation, ...]:
    inside = column.present
    ends, piece = _pieces(column, 5 if len(pool) >= MANY else 4)
    points = isolation(pool.val[inside], pool.shown[inside], piece[inside], seed)
    return tuple(Isolation(*ends[point.bucket], point.n, point.estimate, _interval(point, metric)) for point in points)


def _interval(point: IsolationPoint, metric: Metric) -> tuple[float, float] | None:
    """The ends within what the metric can be."""
    if point.low is None or point.high is None:
        return None
    return max(point.low, metric.worst), min(point.high, metric.best)


def _pieces(column: Column, parts: int) -> tuple[list[tuple[Any, Any]], np.ndarray]:
    """Ends of each piece of a value's range, and (N,) the piece of each trial; 0 where it has none."""
    numbers = np.where(column.present, column.numbers, np.nanmin(column.numbers))
    if column.labels:
        return [(label, label) for label in column.labels], numbers.astype(np.intp)
    distinct, place = np.unique(numbers, return_inverse=True)
    if len(distinct) <= parts:
        values = np.unique(column.raw[column.present]).tolist()
        return [(value, value) for value in values], place
    edges = (np.geomspace if column.log else np.linspace)(column.low, column.high, parts + 1)
    inner = np.log(edges[1:-1]) if column.log else edges[1:-1]
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)), np.searchsorted(inner, numbers, "right")


def good_of(evidence: Evidence, pool: TrialPool, columns: Sequence[Column], recipe: TrialRow) -> GoodRegion | None:
    """The trials that score within δ of the recipe; None where neither δ nor a standard error says what is near.

    Args:
        evidence: Everything.
        pool: Of the level; a trial that diverged is not good, whatever the threshold.
        columns: Of the pool.
        recipe: The trial that `val` selects.
    """
    threshold = _threshold(evidence, pool, recipe)
    if threshold is None or not len(pool):
        return None
    scores = np.where(pool.diverged, -np.inf, pool.shown)
    numbers = {one.name: one.raw for one in columns if not one.labels}
    region = good_region(scores, numbers, threshold)
    spans = {name: span for name, span in region.ranges.items() if span is not None}
    return GoodRegion(region.share, (region.low, region.high), spans, threshold)


def _threshold(evidence: Evidence, pool: TrialPool, recipe: TrialRow) -> float | None:
    """Confirmed mean - δ; without retrainings the search's score - δ; without δ that score - 1 standard error."""
    delta = evidence.design.delta
    score = recipe.report if pool.reported else recipe.val
    near = standard_error(evidence.design, pool, score) if delta is None else delta
    rows = evidence.confirmed(recipe.level) if delta is not None else []
    scores = [row.report for row in rows if row.status != Status.DIVERGED and math.isfinite(row.report)]
    score = float(np.mean(scores)) if scores else score
    return None if near is None or not math.isfinite(score) else score - near
