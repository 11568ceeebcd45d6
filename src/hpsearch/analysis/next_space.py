"""The space of the next round: ranges that are widened or narrowed, and how they are typed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.special import gammaln

from hpsearch.analysis.evidence import Evidence, Space
from hpsearch.analysis.exploration.space import columns_of, is_number, label_of
from hpsearch.analysis.exploration.trial_pool import TrialPool, ranked
from hpsearch.analysis.exploration.winners_curse import standard_error
from hpsearch.formatting import show_number, show_value
from hpsearch.quoting import hydra_quoted, list_override, shell_quoted
from hpsearch.records import Status

CHANCE = 0.05
"""Probability that any of equally good choices of one name is dropped in a round, at the most."""


def kept_choices(declared: Sequence[Any], name: str, pool: TrialPool, inside: np.ndarray) -> list[Any]:
    """The choices that the next round draws from, in the order declared; at least one.

    A choice is dropped if both hold:

    - No trial that has it is among those that ranges are narrowed to.
    - All of its trials lie so low by `val` that this is hardly chance. If all choices were equally good, any of the N
      trials that draw the value could have any choice, so that the n trials of one would miss the m highest with
      probability C(N - n, m) / C(N, m) (hypergeometric; Fisher, 1935). With m the trials above the highest of the
      choice, that must be at most 5 %, divided by the number of choices (Bonferroni).

    Hence few trials drop nothing: of 18 with three choices, the six of one must lie below eight others. What diverged
    lies lowest, a tie speaks for the choice, and the choice of the highest trial always stays.

    Args:
        declared: The choices.
        name: Of the value, or of the group.
        pool: The trials of the level, whether they draw the value or not.
        inside: (N,) which of them the ranges are narrowed to.
    """
    having = [(label_of(row.values[name]), at) for at, row in enumerate(pool.rows) if name in row.values]
    places = {at: _place(pool, at) for _, at in having}
    kept = []
    for choice in declared:
        own = [at for label, at in having if label == label_of(choice)]
        above = sum(place > max(places[at] for at in own) for place in places.values()) if own else 0
        lowly = chance_of_none(len(having), len(own), above) * len(declared) <= CHANCE
        if any(inside[at] for at in own) or not lowly:
            kept.append(choice)
    return kept


def _place(pool: TrialPool, at: int) -> tuple[bool, float]:
    """What trials are put in order by, as the recipe is: `ok` before all others, then `val`; lowest if it diverged."""
    return pool.rows[at].status == Status.OK, -math.inf if pool.diverged[at] else float(pool.val[at])


def chance_of_none(trials: int, own: int, highest: int) -> float:
    """Probability that none of `own` trials is among so many highest of all, if their places are random."""
    return math.comb(trials - own, highest) / math.comb(trials, highest)


EDGE = 0.05
"""Outer part of a (log) range in which a value counts as lying at its end (R17)."""

FURTHEST = 10.0
"""Times that a logarithmic range is widened on a side, at the most."""

ENOUGH = 5
"""Good trials that a range is narrowed to, at the least; the top of an importance analysis has as many, too."""

FEWEST = 3
"""Trials whose places on a range are read at all."""


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


@dataclass(frozen=True, slots=True)
class Narrowed:
    """What the next round draws of one value, and why.

    Attributes:
        bounds: As they are typed.
        reason: A clause.
    """

    bounds: Mapping[str, Any]
    reason: str

    def leaves_out(self, before: Mapping[str, Any]) -> bool:
        """Whether something of these bounds is not drawn again."""
        if "choices" in before:
            return list(self.bounds["choices"]) != list(before["choices"])
        return bool("low" in before and (self.bounds["low"] > before["low"] or self.bounds["high"] < before["high"]))


def narrowed(
    space: Space, pool: TrialPool, recipe: Mapping[str, object], near: np.ndarray | None = None
) -> dict[str, Narrowed]:
    """The space of a level in the next round, coarse to fine: narrower where the trials say so, else as it was.

    A range is narrowed in two steps, each only where chance hardly explains it (`chance_of_span`, `chance_of_none`; 5 %
    for all tests of a range together):

    - to what the trials span that learn, if those that stalled or diverged lie beyond, and no other value of these
      trials explains so well which of them learn;
    - to what the good ones of those that learn span. Good are the trials near the highest, or the highest five or tenth
      by `val` if these are fewer. What stalled has no say here: something else kept it from learning.

    Between n random points in a row lie n - 1 equal gaps on average, so that what lies beyond each end is expected to
    be one gap more: by so much the span is widened, and at least by 5 % of the old range. It stays within the old
    range, except where the recipe, if it learns, lies in the outer 5 %: there the range is widened, narrowed or not,
    since what is beyond was never tried (Godbole et al., 2023: a search whose good points crowd at an end says that the
    space was wrong).

    Choices are dropped as `kept_choices` says, by `val` alone. What only a dropped option draws is dropped with it.

    Args:
        space: What the trials drew from.
        pool: The trials.
        recipe: What the trial that `val` selects has drawn; empty if none is selected.
        near: (N,) which trials are near the highest (`near_the_highest`); None where nothing says what is near.

    Returns:
        Bounds and reason by name, for every value of the space.
    """
    learns = np.array([row.status == Status.OK for row in pool.rows], dtype=bool)
    good, highest = _good(pool, near, fewest=ENOUGH) & learns, _good(pool, near, fewest=1)
    widening = recipe if good.any() else {}
    columns = {column.name: column.raw for column in columns_of(space, pool.rows)}
    axes = {value: axis for value, bounds in space.items() if value in columns and (axis := Axis.of(bounds))}
    causes = _causes({value: columns[value] for value in axes}, learns)
    result: dict[str, Narrowed] = {}
    for value, bounds in space.items():
        if value in axes:
            told = learns if value in causes else np.ones_like(learns)
            result[value] = _range(axes[value], columns[value], learns, told, good, widening.get(value))
        elif "choices" in bounds:
            kept = kept_choices(bounds["choices"], value, pool, highest)
            lost = [choice for choice in bounds["choices"] if choice not in kept]
            why = (
                f"all trials of {', '.join(map(show_value, lost))} lie low" if lost else "no choice lies low throughout"
            )
            result[value] = Narrowed({"choices": kept}, why)
        else:
            result[value] = Narrowed(plain(bounds), "no trial drew it")
    return _without_dropped(space, result)


def near_the_highest(evidence: Evidence, pool: TrialPool) -> tuple[np.ndarray, float] | None:
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


def _good(pool: TrialPool, near: np.ndarray | None, fewest: int) -> np.ndarray:
    """(N,) the trials near the highest or, if fewer than five, at least so many and a tenth of the highest by `val`."""
    if near is not None and near.sum() >= ENOUGH:
        return near
    numbers = {row.k for row in ranked(pool.rows)[: max(fewest, math.ceil(len(pool) / 10))]}
    return np.array([row.k in numbers for row in pool.rows], dtype=bool)


def chance_of_span(trials: int, some: int, span: int) -> float:
    """Probability that `some` of `trials` points in a row, drawn at random, lie within `span` neighbouring ones.

    Of the C(N, g) subsets, (N - r + 1) C(r - 2, g - 2) reach from their first to their last point over exactly r.

    Args:
        trials: N.
        some: g, at least 2.
        span: From the first to the last of them, both counted.
    """
    reach = np.arange(some, span + 1)
    # Logarithms: of many trials, whole numbers take seconds.
    subsets = gammaln(reach - 1) - gammaln(some - 1) - gammaln(reach - some + 1)
    every = gammaln(trials + 1) - gammaln(some + 1) - gammaln(trials - some + 1)
    return float(np.sum((trials - reach + 1) * np.exp(subsets - every)))


def _causes(columns: Mapping[str, np.ndarray], learns: np.ndarray) -> set[str]:
    """The values that explain best which trials learn, each among those that its trials draw besides."""
    drawn = {value: ~np.isnan(raw) for value, raw in columns.items()}
    chance = {value: _Ends.of(raw[drawn[value]], raw[drawn[value] & learns]).chance for value, raw in columns.items()}
    return {
        value
        for value in columns
        if all(chance[value] <= chance[other] for other in columns if (drawn[value] & drawn[other]).any())
    }


def _range(
    axis: Axis, raw: np.ndarray, learns: np.ndarray, told: np.ndarray, good: np.ndarray, recipe: object
) -> Narrowed:
    """The new range of a number that trials have drawn, NaN where they have not.

    Args:
        axis: The old range.
        raw: (N,) values.
        learns: (N,) which trials learn.
        told: (N,) the same where this value may be why; otherwise all of them.
        good: (N,) the highest of those that learn.
        recipe: Value of the trial that is selected.
    """
    drawn = ~np.isnan(raw)
    alive, best = raw[drawn & learns], raw[drawn & good]
    low, high, reasons = axis.low, axis.high, []
    for values, some, what in (
        (raw[drawn], raw[drawn & told], f"the {len(alive)} of {drawn.sum()} trials that learn"),
        (alive, best, f"the {len(best)} highest of {len(alive)} trials that learn"),
    ):
        ends = _Ends.of(values, some)
        if ends.cut:
            first, last = _around(axis, some)
            low, high = (first if "low" in ends.cut else low), (last if "high" in ends.cut else high)
            reasons = [f"{what} {ends.where}"]
    if not reasons and len(alive) <= ENOUGH:
        reasons = [f"{len(alive)} of {drawn.sum()} trials learn: too few to tell"]
    elif not reasons:
        reasons = [f"the {len(best)} highest of {len(alive)} trials that learn lie apart, as chance may have it"]
    side = axis.side(recipe)
    if side is not None and axis.beyond(side) != getattr(axis, side):
        reasons.append(f"widened, since the best lies at the {'lower' if side == 'low' else 'upper'} end")
    low, high = (axis.beyond(one) if one == side else end for one, end in (("low", low), ("high", high)))
    return Narrowed(axis.bounds(low, high), "; ".join(reasons))


@dataclass(frozen=True, slots=True)
class _Ends:
    """How some of the values lie among all of them.

    Attributes:
        cut: `low`, `high`: ends that hold none of them by more than chance.
        chance: The least probability of lying so, or further to one side, by chance.
        where: How they lie, in words.
    """

    cut: frozenset[str]
    chance: float
    where: str

    @classmethod
    def of(cls, values: np.ndarray, some: np.ndarray) -> Self:
        """Either they lie close together, which speaks against both ends, or one end holds none of them.

        Three tests, and two steps of narrowing, share the 5 %. Two points lie somewhere, and say nothing.
        """
        if not FEWEST <= len(some) < len(values):
            return cls(frozenset(), 1.0, "")
        count, limit = len(values), CHANCE / 6
        below, above = int((values < some.min()).sum()), int((values > some.max()).sum())
        together = chance_of_span(count, len(some), count - below - above)
        ends = {"low": chance_of_none(count, below, len(some)), "high": chance_of_none(count, above, len(some))}
        least = min(together, *ends.values())
        if together <= limit:
            near = f"within {count - below - above} neighbouring values"
            return cls(frozenset(ends), least, f"lie {near} ({show_number(100 * together)} % by chance)")
        where = {"low": f"above the {below} lowest values", "high": f"below the {above} highest values"}
        cut = frozenset(side for side, chance in ends.items() if chance <= limit)
        told = [f"{where[side]} ({show_number(100 * ends[side])} % by chance)" for side in where if side in cut]
        return cls(cut, least, f"lie {' and '.join(told)}")


def _around(axis: Axis, values: np.ndarray) -> tuple[float, float]:
    """What these values span, and a margin on either side, within the old range."""
    first, last = axis.scaled(float(values.min())), axis.scaled(float(values.max()))
    margin = max((last - first) / (len(values) - 1), EDGE * axis.width)
    back = math.exp if axis.log else float
    low = max(axis.settled(back(first - margin), up=False), axis.low)
    return low, min(axis.settled(back(last + margin), up=True), axis.high)


def _without_dropped(space: Space, result: Mapping[str, Narrowed]) -> dict[str, Narrowed]:
    """The new space without the values of options that no trial takes any more."""
    gone = [
        f"{group}.{option}."
        for group, bounds in space.items()
        if "." not in group and "choices" in bounds
        for option in bounds["choices"]
        if option not in result[group].bounds["choices"]
    ]
    return {name: found for name, found in result.items() if not name.startswith(tuple(gone))}


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
