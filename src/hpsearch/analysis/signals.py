"""Why, as far as signals tell: how they pass through the layers before the first update, and what became of units.

Legend: T trainings, P points in time, L layers.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpsearch.analysis.evidence import ConfirmRow, Evidence, TrialRow
from hpsearch.formatting import visible

ALIKE = 2.0
"""Ratio up to which what layers do to a signal counts as alike in all levels."""

MOST_LOST = 0.05
"""Share of dead or saturated units up to which none of them is told."""


@dataclass(frozen=True, slots=True)
class Course:
    """One statistic over time, for trials that were measured at the same points in the same layers.

    Attributes:
        epochs: (P,) when.
        layers: (L,) names.
        values: (T, P, L); NaN where nothing was measured.
    """

    epochs: np.ndarray
    layers: tuple[str, ...]
    values: np.ndarray

    @property
    def median(self) -> np.ndarray:
        """(P, L) over trials; NaN where no trial was measured, infinite where most trials were."""
        known = ~np.isnan(self.values).all(axis=0)
        found = np.full(self.values.shape[1:], math.nan)
        found[known] = np.nanmedian(self.values[:, known], axis=0)
        return found


def table(signals: Mapping[str, Any] | None, statistic: str) -> np.ndarray | None:
    """(P, L) values of a statistic, NaN for null; None if it is absent or no such table."""
    rows = (signals or {}).get(statistic)
    if not isinstance(rows, Sequence) or isinstance(rows, str) or not rows:
        return None
    try:
        found = np.array([[math.nan if value is None else float(value) for value in row] for row in rows])
    except (TypeError, ValueError):  # of other making: not numbers, or rows of unequal length
        return None
    return found if found.ndim == 2 and found.size else None


def layer_names(signals: Mapping[str, Any], count: int) -> tuple[str, ...]:
    """Names of the layers, or their numbers where they are not given."""
    named = signals.get("layers") or ()
    given = [str(one.get("name", at)) if isinstance(one, Mapping) else str(one) for at, one in enumerate(named, 1)]
    return tuple(given[:count]) if len(given) >= count else tuple(str(at) for at in range(1, count + 1))


def points(signals: Mapping[str, Any], count: int) -> np.ndarray:
    """(P,) epochs of the points, or their numbers where they are not given."""
    given = signals.get("epochs") or signals.get("steps") or ()
    return np.array(given[:count], dtype=float) if len(given) >= count else np.arange(count, dtype=float)


def draws_of_weights(evidence: Evidence, level: str) -> Sequence[TrialRow | ConfirmRow]:
    """Trainings of a level that begin with weights of their own, which the trials of one search do not.

    That is the retrainings of its recipe on fresh seeds; the trials themselves where there are none, all with the
    initial weights of one seed.
    """
    return [row for row in evidence.confirmed(level) if row.signals is not None] or evidence.draws(level)


def at_initialization(rows: Sequence[TrialRow | ConfirmRow], statistic: str) -> np.ndarray:
    """(T, L) a statistic before the first update, padded with NaN for trials with fewer layers."""
    found = []
    for row in rows:
        values = table(row.signals, statistic)
        if values is None or row.signals is None or points(row.signals, len(values))[0] != 0:
            continue
        found.append(values[0])
    padded = np.full((len(found), max(map(len, found), default=0)), math.nan)
    for at, values in enumerate(found):
        padded[at, : len(values)] = values
    return padded


def course(rows: Sequence[TrialRow], statistic: str) -> Course | None:
    """A statistic over time, of those trials that share the most frequent points and layers; None without any."""
    tables = [(row.signals, table(row.signals, statistic)) for row in rows]
    kept = [
        ((tuple(points(signals, len(values))), layer_names(signals, values.shape[1])), values)
        for signals, values in tables
        if signals is not None and values is not None
    ]
    if not kept:
        return None
    (epochs, layers), _ = Counter(grid for grid, _ in kept).most_common(1)[0]
    alike = [values for grid, values in kept if grid == (epochs, layers)]
    return Course(np.array(epochs), layers, np.stack(alike))


def mechanism_sentence(evidence: Evidence) -> str:
    """Return what signals tell of each level, in words; empty where no trial recorded any."""
    names = [level.name for level in evidence.design.levels]
    told = [_gain(evidence, names, "activation_second_moment", "activations", "first", "last"),
            _gain(evidence, names, "gradient_second_moment", "gradients", "last", "first"),
            *(_lost(evidence, names, statistic) for statistic in ("dead", "saturated"))]  # fmt: skip
    known = [one for one in told if one]
    return f"{'; '.join(known)}." if known else ""


def _gain(evidence: Evidence, names: Sequence[str], statistic: str, what: str, start: str, end: str) -> str:
    """By which factor the second moment changes through the layers before the first update, at its extremes."""
    gains = {}
    for name in names:
        values = at_initialization(draws_of_weights(evidence, name), statistic)
        ends = values[:, [0, -1] if start == "first" else [-1, 0]] if values.size else np.zeros((0, 2))
        kept = ends[np.isfinite(ends).all(axis=1) & (ends > 0).all(axis=1)]
        if len(kept):
            gains[name] = float(np.median(kept[:, 1] / kept[:, 0]))
    if not gains:
        return ""
    low, high = min(gains, key=lambda name: gains[name]), max(gains, key=lambda name: gains[name])
    moment = f"the second moment of {what} changes from the {start} to the {end} layer by a factor of"
    before = "Before the first update, " if what == "activations" else ""
    if gains[high] <= ALIKE * gains[low]:
        every = " in every option" if len(gains) > 1 else ""
        return f"{before}{moment} {_factor(float(np.median([*gains.values()])))}{every}"
    return f"{before}{moment} {_factor(gains[low])} with {visible(low)} and {_factor(gains[high])} with {visible(high)}"


def _factor(value: float) -> str:
    return f"{value:.2g}"


def _lost(evidence: Evidence, names: Sequence[str], statistic: str) -> str:
    """The level with the most and that with the fewest dead or saturated units at the last point measured."""
    shares = {}
    for name in names:
        found = course(evidence.draws(name), statistic)
        last = np.array([]) if found is None else found.median[-1]
        if np.isfinite(last).any():
            shares[name] = float(last[np.isfinite(last)].mean())
    if not shares or max(shares.values()) <= MOST_LOST:
        return ""
    low, high = min(shares, key=lambda name: shares[name]), max(shares, key=lambda name: shares[name])
    most = f"at the last point measured, {100 * shares[high]:.0f} % of units are {statistic} with {visible(high)}"
    return most if low == high else f"{most} and {100 * shares[low]:.0f} % with {visible(low)}"
