"""From coarse to fine: what the rounds of a search leave of its space."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hpsearch.config import ConfigError
from hpsearch.config.conversion import to_tree
from hpsearch.config.search import CoarseToFine
from hpsearch.records import Status, Value
from hpsearch.search.levels import Level
from hpsearch.search.space import Choices, Dimension, Range, Space, apply_values
from hpsearch.store.record_json import Record


@dataclass(frozen=True, slots=True)
class Change:
    """What a round makes of one value, or of the options of a group.

    Attributes:
        name: In full, as `optimizer.adam.lr`, or the group.
        before: What the round drew from.
        after: What the next one draws from.
        reason: Why, in a clause.
    """

    name: str
    before: Dimension
    after: Dimension
    reason: str


def narrowed_spaces(search: CoarseToFine, level: Level, past: Sequence[Record]) -> list[tuple[Space, list[Change]]]:
    """The space of each round up to the one after these trials, and what the round before has made of each value of it.

    The first is the whole space. Rounds read `val` scores alone: `report` rows are never selected on.

    Args:
        search: Says how the trials make up rounds.
        level: With its whole space.
        past: The records of all earlier rounds, in the order of k.
    """
    spaces: list[tuple[Space, list[Change]]] = [(level.space, [])]
    for number in range(search.round_of(len(past))):
        records = [record for record in past if search.round_of(record.k) == number]
        spaces.append(_narrowed(replace(level, space=spaces[-1][0]), records))
    return spaces


def _narrowed(level: Level, records: Sequence[Record]) -> tuple[Space, list[Change]]:
    # scipy comes with these, and other searches have no use for it
    from hpsearch.analysis.evidence import TrialRow  # noqa: PLC0415
    from hpsearch.analysis.exploration.trial_pool import pool_of, ranked  # noqa: PLC0415
    from hpsearch.analysis.next_space import narrowed  # noqa: PLC0415

    rows = [
        TrialRow(r.level, r.k, str(r.result.status), _score(r), math.nan, r.values, curves=r.result.curves)
        for r in records
    ]
    recipe = next((row.values for row in ranked(rows)), {})
    proposals = narrowed(bounds_of(level.space), pool_of(rows, -math.inf, reported=False), recipe)
    after = _with_bounds(level, {name: proposal.bounds for name, proposal in proposals.items()})
    old, new = level.space.by_name, after.by_name
    return after, [Change(name, old[name], new[name], proposals[name].reason) for name in old if name in new]


def _score(record: Record) -> float:
    if record.result.score is not None:
        return record.result.score
    return -math.inf if record.result.status is Status.DIVERGED else math.nan


def bounds_of(space: Space) -> dict[str, dict[str, Any]]:
    """Every dimension by its full name, as it is typed: `low`, `high`, `log` and `step`, or `choices`."""
    return {name: typed_bounds(to_tree(dimension)) for name, dimension in space.by_name.items()}


def typed_bounds(dimension: Mapping[str, Any]) -> dict[str, Any]:
    """A dimension as it is typed.

    Args:
        dimension: Its fields by name.
    """
    if "values" in dimension:
        return {"choices": list(dimension["values"])}
    bounds = {key: dimension[key] for key in ("low", "high", "log", "step")}
    return {key: value for key, value in bounds.items() if value is not None}


def _with_bounds(level: Level, bounds: Mapping[str, Mapping[str, Any]]) -> Space:
    space = level.space
    options = {group: tuple(map(str, bounds[group]["choices"])) for group in space.options}
    dimensions: dict[str, dict[str, Dimension]] = {}
    for option, names in space.dimensions.items():
        kept = {name: old for name, old in names.items() if f"{option}.{name}" in bounds}
        if kept:
            dimensions[option] = {n: _dimension(level, f"{option}.{n}", old, bounds) for n, old in kept.items()}
    return Space(options, dimensions)


def _dimension(level: Level, name: str, old: Dimension, bounds: Mapping[str, Mapping[str, Any]]) -> Dimension:
    new = bounds[name]
    if isinstance(old, Choices):
        return Choices(tuple(new["choices"]))
    kind = int if old.whole else float
    low, high = kind(new["low"]), kind(new["high"])
    # A range that is widened must not leave what its option allows.
    low = low if low >= old.low or _allowed(level, name, low) else old.low
    high = high if high <= old.high or _allowed(level, name, high) else old.high
    return Range(low, high, old.log, old.step, old.whole)


def _allowed(level: Level, name: str, value: Value) -> bool:
    group, option, _ = name.split(".", 2)
    composed = level.compose({group: option}) if group in level.space.options else level.base
    try:
        apply_values(composed.config, {name: value})
    except ConfigError:
        return False
    return True


def widened_to_hold(space: Space, values: Mapping[str, Value]) -> Space:
    """The space with ranges that hold these values too: a later round may have drawn beyond the first one's."""
    dimensions = {
        option: {name: _holding(dimension, values.get(f"{option}.{name}")) for name, dimension in names.items()}
        for option, names in space.dimensions.items()
    }
    return Space(space.options, dimensions)


def _holding(dimension: Dimension, value: Value) -> Dimension:
    if isinstance(dimension, Choices) or not isinstance(value, int | float):
        return dimension
    return replace(dimension, low=min(dimension.low, value), high=max(dimension.high, value))
