"""Which fits can train in one fleet, and how they are divided into fleets."""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hpsearch.config import Config
from hpsearch.config.conversion import fingerprinted_tree
from hpsearch.config.schema import OPTION_GROUPS
from hpsearch.config.training import CustomOptimizer
from hpsearch.engine.minibatches import row_shape
from hpsearch.records import Fit

_APART = 750_000
"""Number of input values per step, over the members of a fold, above which each fold gets fleets of its own. Members
with different minibatches each need a copy, 0.4 ns per value; a step costs about 0.3 ms however few members it has."""


def shape_key(config: Config) -> str:
    """Equal for configurations whose fits can train in one fleet: everything that shapes or steps depend on."""
    shape: dict[str, Any] = {}
    for group in OPTION_GROUPS.values():
        if group.shapes_fleet:
            keys = fingerprinted_tree(getattr(config, group.name))
            shape[group.name] = {key: value for key, value in keys.items() if key not in group.per_member}
            shape[group.name] |= {key: bool(keys.get(key)) for key in group.per_member_if_any}
    if isinstance(config.optimizer, CustomOptimizer):  # which trains apart
        shape["optimizer"] = config.optimizer.kind
    shape["monitor"], shape["target"] = config.needs_monitor, config.preprocess_for_loss.target
    return json.dumps(shape, sort_keys=True)


def group_into_fleets(
    fits: Sequence[Fit], width: int, input_shape: Callable[[Fit], tuple[int, ...]]
) -> list[list[int]]:
    """Divide fits into fleets whose members have equal shapes and rows that can be stacked.

    Args:
        fits: Fits of any shapes.
        width: Maximum number of members of a fleet, >= 1.
        input_shape: Returns the shape of one row as the network of a fit sees it.

    Returns:
        For each fleet, indices into `fits`.
    """
    keys: dict[int, str] = {}
    by_shape: dict[tuple[str, tuple[int, ...], tuple[Any, ...]], list[int]] = {}
    for place, fit in enumerate(fits):
        key = keys.setdefault(id(fit.config), shape_key(fit.config))
        by_shape.setdefault((key, input_shape(fit), row_shape(fit)), []).append(place)
    fleets: list[list[int]] = []
    for (_, row, _), places in by_shape.items():
        by_fold: dict[tuple[int, int], list[int]] = {}
        for place in places:
            by_fold.setdefault((fits[place].fold.index, fits[place].replicate), []).append(place)
        numbers = min(map(len, by_fold.values())) * fits[places[0]].config.training.batch_size * math.prod(row)
        apart: Iterable[list[int]] = by_fold.values()
        mixed = [[place for fold in by_fold.values() for place in fold]]
        for together in apart if numbers >= _APART else mixed:
            fleets += _portions(together, width)
    return fleets


def _portions(places: list[int], width: int) -> list[list[int]]:
    """Split into portions of at most `width`, of sizes as equal as possible."""
    size = math.ceil(len(places) / math.ceil(len(places) / width))
    return [places[start : start + size] for start in range(0, len(places), size)]
