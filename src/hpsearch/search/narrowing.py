"""Coarse-to-fine search: how each round narrows the space."""

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
    """How a round changes one dimension of the space.

    Attributes:
        name: Full name, such as `optimizer.adam.lr`, or a group.
        before: The dimension in this round.
        after: The dimension in the next round.
        reason: The reason, a clause.
    """

    name: str
    before: Dimension
    after: Dimension
    reason: str


def narrowed_spaces(search: CoarseToFine, level: Level, past: Sequence[Record]) -> list[tuple[Space, list[Change]]]:
    """The space of each round up to the one after the past trials, with its changes from the round before.

    The first round has the whole space. Only `val` scores are read; `report` rows never select anything.

    Args:
        search: Defines the rounds.
        level: The level, with the whole space.
        past: Records of all earlier rounds, in the order of k.
    """
    spaces: list[tuple[Space, list[Change]]] = [(level.space, [])]
    for number in range(search.round_of(len(past))):
        records = [record for record in past if search.round_of(record.k) == number]
        spaces.append(_narrowed(replace(level, space=spaces[-1][0]), records))
    return spaces


def _narrowed(level: Level, records: Sequence[Record]) -> tuple[Space, list[Change]]:
    # these import scipy, which other searches do not need
    from hpsearch.analysis.evidence import TrialRow  # noqa: PLC0415
    from hpsearch.analysis.exploration.trial_pool import pool_of, ranked  # noqa: PLC0415
    from hpsearch.analysis.next_space import narrowed  # noqa: PLC0415

    rows = [
        TrialRow(r.level, r.k, str(r.result.status), _score(r), math.nan, r.values, curves=r.result.curves)
        for r in records
    ]
    recipe = next((row.values for row in ranked(rows)), {})
    bounds = {name: typed_bounds(to_tree(dimension)) for name, dimension in level.space.by_name.items()}
    proposals = narrowed(bounds, pool_of(rows, -math.inf, reported=False), recipe)
    after = _with_bounds(level, {name: proposal.bounds for name, proposal in proposals.items()})
    old, new = level.space.by_name, after.by_name
    return after, [Change(name, old[name], new[name], proposals[name].reason) for name in old if name in new]


def _score(record: Record) -> float:
    if record.result.score is not None:
        return record.result.score
    return -math.inf if record.result.status is Status.DIVERGED else math.nan


def typed_bounds(dimension: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a dimension as a user types them: `low`, `high`, `log` and `step`, or `choices`."""
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
    # A widened range must stay within the bounds of its option.
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
    """The space with ranges extended to contain these values: later rounds may draw outside the first one's ranges."""

    def widened(dimension: Dimension, value: Value) -> Dimension:
        if isinstance(dimension, Choices) or not isinstance(value, int | float):
            return dimension
        return replace(dimension, low=min(dimension.low, value), high=max(dimension.high, value))

    dimensions = {
        option: {name: widened(dimension, values.get(f"{option}.{name}")) for name, dimension in names.items()}
        for option, names in space.dimensions.items()
    }
    return Space(space.options, dimensions)
