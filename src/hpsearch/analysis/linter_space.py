"""The space of the next round: ranges that are widened or narrowed, and how they are typed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from hpsearch.analysis.dropping import kept_choices
from hpsearch.analysis.evidence import Evidence, Space
from hpsearch.analysis.explore_noise import standard_error
from hpsearch.analysis.explore_pool import Pool, pool_of, ranked, space_of
from hpsearch.analysis.explore_space import columns_of, is_number
from hpsearch.analysis.explored import Explored
from hpsearch.quoting import hydra_quoted, list_override, shell_quoted

EDGE = 0.05
"""Outer part of a (log) range in which a value counts as lying at its end (R17)."""
FURTHEST = 10.0
"""Times that a logarithmic range is widened on a side, at the most."""
ENOUGH = 5
"""Good trials that a range is narrowed to; the top of an importance analysis has as many, too."""


@dataclass(frozen=True, slots=True)
class Axis:
    """The range of a number.

    Attributes:
        low: Lower end, included.
        high: Upper end, included.
        log: Whether logarithms are drawn.
        step: Of a grid that begins at `low`; None without one.
        whole: Whether only whole numbers are drawn.
    """

    low: float
    high: float
    log: bool
    step: float | None
    whole: bool

    @classmethod
    def of(cls, bounds: Mapping[str, Any]) -> Self | None:
        """The range that these bounds declare; None for choices, or where there is nothing to draw."""
        low, high, step = (bounds.get(key) for key in ("low", "high", "step"))
        if "choices" in bounds or not is_number(low) or not is_number(high) or not low < high:
            return None
        whole = isinstance(low, int) and isinstance(high, int)
        return cls(low, high, bool(bounds.get("log")) and low > 0, step, whole)

    def scaled(self, value: float) -> float:
        """The value on the scale that is drawn from."""
        return math.log(value) if self.log else float(value)

    @property
    def width(self) -> float:
        """Of the range, on that scale."""
        return self.scaled(self.high) - self.scaled(self.low)

    def side(self, value: object) -> str | None:
        """`low` or `high` if a value lies in the outer 5 % of the range there, or beyond; None in between."""
        if not is_number(value) or (self.log and not value > 0):
            return None
        at = (self.scaled(value) - self.scaled(self.low)) / self.width
        return "low" if at <= EDGE else "high" if at >= 1 - EDGE else None

    def settled(self, value: float, *, up: bool) -> float:
        """A new end as it is written: on the grid, whole, or with three digits of the range's width."""
        if self.step is not None or self.whole:
            step = self.step or 1
            steps = (value - self.low) / step
            number = self.low + step * (math.ceil(steps - 1e-9) if up else math.floor(steps + 1e-9))
            return round(number) if self.whole else round(number, 12)
        places = 2 - math.floor(math.log10(abs(value) if self.log else self.high - self.low))
        shifted = value * 10.0**places
        # Outward, so that what was inside stays inside.
        return round((math.ceil(shifted - 1e-6) if up else math.floor(shifted + 1e-6)) / 10.0**places, places)

    def bounds(self, low: float, high: float) -> dict[str, Any]:
        """This range with other ends, with no key that says nothing."""
        more = {"log": True} if self.log else {} if self.step is None else {"step": self.step}
        return {"low": low, "high": high, **more}

    def beyond(self, side: str) -> float:
        """The end on this side after widening the range by half of itself, a logarithmic one at most tenfold.

        What is positive stays positive, and a linear range between 0 and 1, such as that of a dropout rate, stays below
        1: the new end then lies half as far from zero or one. It is the old one where there is no room.
        """
        if self.log:
            factor = min(FURTHEST, math.exp(self.width / 2))
            return self._limited(self.high * factor if side == "high" else self.low / factor)
        half = (self.high - self.low) / 2
        if side == "high":
            share = self.low >= 0 and self.high <= 1 and not self.whole
            return self._limited(min(self.high + half, (1 + self.high) / 2) if share else self.high + half)
        return self._limited(max(self.low - half, self.low / 2) if self.low >= 0 else self.low - half)

    def _limited(self, end: float) -> float:
        """The end on the grid; on the way down, a step that would reach zero from above is not taken."""
        settled = self.settled(end, up=end > self.high)
        return self.low if self.low > 0 >= settled else settled


def edge_of(bounds: Mapping[str, Any], value: object) -> str | None:
    """`low` or `high` if a value lies in the outer 5 % of the (log) range there; None in between, and for choices."""
    axis = Axis.of(bounds)
    return None if axis is None else axis.side(value)


def widened(bounds: Mapping[str, Any], side: str) -> dict[str, Any] | None:
    """The range with more room on this side (`Axis.beyond`); None where there is none."""
    axis = Axis.of(bounds)
    if axis is None:
        return None
    end = axis.beyond(side)
    if end == getattr(axis, side):
        return None
    return axis.bounds(axis.low, end) if side == "high" else axis.bounds(end, axis.high)


def narrowed(evidence: Evidence, explored: Mapping[str, Explored], name: str) -> dict[str, Mapping[str, Any]]:
    """The space of a level in the next round, coarse to fine.

    A range becomes what the trials near the highest span, or the highest tenth by `val` if these are fewer than five.
    Between n
    random points in a row lie n - 1 equal gaps on average, so that what lies beyond each end is expected to be one gap
    more: by so much the span is widened, and at least by 5 % of the old range. It stays within the old range, except
    where the recipe lies in the outer 5 %: there the range is widened, since what is beyond was never tried (Godbole
    et al., 2023: a search whose good points crowd at an end says that the space was wrong). Fewer than two points say
    nothing: the range stays.

    Choices are dropped as `kept_choices` says, by `val` alone. What only a dropped option draws is dropped with it.

    Args:
        evidence: Everything.
        explored: What was found, by level.
        name: Of the level.

    Returns:
        Bounds by name, for every value of the space.
    """
    space, pool, found = space_of(evidence.design, name), pool_of(evidence, name), explored.get(name)
    near = near_the_highest(evidence, pool)
    inside = near[0] if near is not None and near[0].sum() >= ENOUGH else _top(pool)
    values = found.recipe_values if found else {}
    columns = {column.name: column for column in columns_of(space, pool.rows)}
    result: dict[str, Mapping[str, Any]] = {}
    for value, bounds in space.items():
        axis = Axis.of(bounds)
        if axis is not None and value in columns:
            raw = columns[value].raw[inside]
            result[value] = _range(axis, raw[~np.isnan(raw)], values.get(value))
        elif "choices" in bounds:
            result[value] = {"choices": kept_choices(bounds["choices"], value, pool, inside)}
        else:
            result[value] = plain(bounds)
    return _without_dropped(space, result)


def near_the_highest(evidence: Evidence, pool: Pool) -> tuple[np.ndarray, float] | None:
    """(N,) which trials have a `val` score within δ of the highest or, without δ, within its standard error.

    By `val` alone: the next search selects, and report rows must not have told it where to look.

    Returns:
        Which trials, and the score from which on they are; None where nothing says what is near.
    """
    alive = ~pool.diverged & np.isfinite(pool.val)
    if not alive.any():
        return None
    highest = float(pool.val[alive].max())
    error = standard_error(evidence.design, pool, highest, part="val")
    near = evidence.design.delta if evidence.design.delta is not None else error
    if near is None:
        return None
    inside: np.ndarray = alive & (pool.val >= highest - near)
    return inside, highest - near


def _top(pool: Pool) -> np.ndarray:
    """(N,) which trials are the highest tenth by `val`, rounded up."""
    numbers = [row.k for row in ranked(pool.rows)[: math.ceil(len(pool) / 10)]]
    return np.array([row.k in numbers for row in pool.rows], dtype=bool)


def _range(axis: Axis, raw: np.ndarray, recipe: object) -> dict[str, Any]:
    if len(raw) < 2:
        return axis.bounds(axis.low, axis.high)
    first, last = axis.scaled(float(raw.min())), axis.scaled(float(raw.max()))
    margin = max((last - first) / (len(raw) - 1), EDGE * axis.width)
    back = math.exp if axis.log else float
    low = max(axis.settled(back(first - margin), up=False), axis.low)
    high = min(axis.settled(back(last + margin), up=True), axis.high)
    side = axis.side(recipe)
    low, high = (axis.beyond(one) if one == side else end for one, end in (("low", low), ("high", high)))
    return axis.bounds(low, high)


def _without_dropped(space: Space, result: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The new space without the values of options that no trial takes any more."""
    gone = [
        f"{group}.{option}."
        for group, bounds in space.items()
        if "." not in group and "choices" in bounds
        for option in bounds["choices"]
        if option not in result[group]["choices"]
    ]
    return {name: bounds for name, bounds in result.items() if not name.startswith(tuple(gone))}


def calmer(space: Space) -> list[str]:
    """The overrides that let trials draw smaller learning rates, too large ones being why most trainings diverge.

    Empty where no learning rate is drawn, or there is no room below.
    """
    wide = {name: widened(bounds, "low") for name, bounds in space.items() if name.endswith(".lr")}
    typed = (override_of(name, bounds) for name, bounds in wide.items() if bounds is not None)
    return [override for override in typed if override is not None]


def plain(bounds: Mapping[str, Any]) -> dict[str, Any]:
    """Bounds with no key that says nothing."""
    return {key: value for key, value in bounds.items() if value is not None and value is not False}


def override_of(name: str, bounds: Mapping[str, Any]) -> str | None:
    """The override that gives a value these bounds, as it is typed; None for a name that no configuration has.

    `'search.space.optimizer.adam.lr={low: 0.001, high: 0.1, log: true}'`, `'search.choose.optimizer=[sgd,adam]'`.
    """
    if "." not in name:
        return list_override(f"search.choose.{name}", map(str, bounds["choices"])) if "choices" in bounds else None
    return shell_quoted(f"search.space.{name}={_spelled(bounds)}") if name.count(".") >= 2 else None


def _spelled(value: object) -> str:
    """A value in Hydra's grammar."""
    match value:
        case Mapping():
            return "{" + ", ".join(f"{key}: {_spelled(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(_spelled, value)) + "]"
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return hydra_quoted(value)
        case _:
            return repr(value)
