"""The signal statistics of trials as arrays, whatever is missing in them.

Legend: P points in time, L layers, T trials.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpsearch.analysis.evidence import ConfirmRow, Evidence, TrialRow

STATISTICS = {
    "activation_second_moment": "E[z²] of activations",
    "gradient_second_moment": "E[g²] of gradients",
    "dead": "share of dead units",
    "saturated": "share of saturated units",
    "gradient_norm": "gradient norm",
    "update_ratio": "update / weight norm",
}
"""What is drawn, in order, and how its axis is called."""


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


def chosen_layers(count: int, most: int = 6) -> list[int]:
    """Places of at most so many layers, evenly spread, the first and the last among them."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, most))})
