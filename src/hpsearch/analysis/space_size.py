"""How many points a space has."""

import math
from collections.abc import Mapping

from hpsearch.analysis.evidence import Evidence, Space
from hpsearch.analysis.explore_pool import space_of
from hpsearch.analysis.explore_space import label_of
from hpsearch.analysis.linter_space import Axis


def is_exhausted(evidence: Evidence, level: str) -> bool:
    """Whether every configuration of a level's space was trained; of foreign results nobody knows the space."""
    if evidence.design.is_foreign:
        return False
    space = space_of(evidence.design, level)
    points = {label_of(dict(row.values)) for row in evidence.draws(level)}
    return len(points) >= (points_of(space) if space else 1)


def points_of(space: Space) -> float:
    """How many points a space has; infinite if any range is continuous, or nothing is known of it."""
    groups = {name.partition(".")[0] for name in space}
    return math.prod(_group_size(space, group) for group in groups) if space else math.inf


def _group_size(space: Space, group: str) -> float:
    """How many points a group has; each of its options, if it varies, brings its own values along."""
    options = space.get(group, {}).get("choices")
    if options is None:
        return math.prod(_points(bounds) for name, bounds in space.items() if name.partition(".")[0] == group)
    return sum(
        math.prod(_points(bounds) for name, bounds in space.items() if name.startswith(f"{group}.{option}."))
        for option in options
    )


def _points(bounds: Mapping[str, object]) -> float:
    """How many values bounds allow."""
    choices = bounds.get("choices")
    if isinstance(choices, list | tuple):
        return len(choices)
    axis = Axis.of(bounds)
    if axis is None:
        return 1 if "low" in bounds and bounds["low"] == bounds.get("high") else math.inf
    step = axis.step or (1 if axis.whole else None)
    return math.inf if step is None else math.floor((axis.high - axis.low) / step + 1e-9) + 1
