"""The levels of a stored comparison: what each is, draws and fixes, and what they differ in besides."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hpsearch.analysis.evidence import LevelDesign
from hpsearch.cli.design_words import options_of
from hpsearch.cli.stored_config import stored_config
from hpsearch.config import Config
from hpsearch.config.run import uttered
from hpsearch.nn.deviations import formula
from hpsearch.records import NO_LEVEL, Value
from hpsearch.search.narrowing import typed_bounds

FACTORIAL = {
    "none": {"weight decay": "no", "dropout": "no"},
    "weight_decay": {"weight decay": "yes", "dropout": "no"},
    "dropout": {"weight decay": "no", "dropout": "yes"},
    "both": {"weight decay": "yes", "dropout": "yes"},
}
"""The options of `regularization` as a 2 x 2 design."""
TRAINED_WITH = ("training", "data", "schedule", "evaluation")
"""Groups that say how much and how long a level is trained, and how it is scored."""


def level_design(specification: Mapping[str, Any], name: str, *, asked: Config) -> LevelDesign:
    """A level of a sweep.

    Args:
        specification: What `sweep.json` holds.
        name: Of the level.
        asked: This command's settings where they change no result.
    """
    frozen = specification["specification"]
    spaces = _flat(frozen["space"])
    if name == NO_LEVEL:
        return LevelDesign(name, {}, spaces)
    level = next(level for level in frozen["levels"] if level["name"] == name)
    space = {draw: spaces[draw] for draw in level["draws"] if draw in spaces}
    space |= {g: {"choices": options_of(frozen, g)} for g in level["draws"] if g not in spaces}
    settings = {**level["options"], **level["values"]}
    if any(key.partition(".")[0] == "init" for key in settings):
        # "Xavier" is another formula in every book: the page shows which one it is here.
        settings["init.sd"] = formula(stored_config(level["config"], asked).init)
    factors = _factors(frozen, level)
    return LevelDesign(name, settings, space, _fixed(uttered(level["config"]), space, level["options"]), factors)


def _flat(space: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Dimensions by full name, as bounds or choices are typed."""
    return {f"{o}.{name}": typed_bounds(dimension) for o, names in space.items() for name, dimension in names.items()}


def _fixed(config: Mapping[str, Any], space: Mapping[str, Any], options: Mapping[str, str]) -> dict[str, Value]:
    """Values of a level's own options that its trials do not draw."""
    fixed: dict[str, Value] = {}
    for group, option in options.items():
        for name, value in config[group].items():
            key = f"{group}.{option}.{name}"
            if name not in ("kind", "max_norm") and key not in space:
                fixed[key] = value
    return fixed


def confounded(frozen: Mapping[str, Any]) -> tuple[str, ...]:
    """What the levels are trained with that goes together with what is compared, so that nobody can tell them apart.

    Epochs, rows, schedules may be compared: alone, or where every one of their values meets every value of whatever
    else is compared.

    Args:
        frozen: A specification, see `Plan.specification`.

    Returns:
        Names of groups and keys, sorted: `training.epochs`.
    """
    differing = _differing(frozen)
    return () if _crossed(differing) else tuple(key for key in differing if key.partition(".")[0] in TRAINED_WITH)


def _factors(frozen: Mapping[str, Any], level: Mapping[str, Any]) -> dict[str, str]:
    """The value of each factor where levels are every combination of several; empty for any other design."""
    if uttered(frozen["config"])["search"]["compare"] == "regularization":
        return FACTORIAL.get(level["name"], {})
    differing = _differing(frozen)
    several = len(differing) > 1 and _crossed(differing)
    return {key: str(_setting(level, key)) for key in differing} if several else {}


def _differing(frozen: Mapping[str, Any]) -> dict[str, list[str]]:
    """The groups and keys in which levels differ, sorted, with the value of each level."""
    levels = frozen.get("levels", ())
    keys = sorted({key for level in levels for key in (*level["options"], *level["values"])})
    values = {key: [repr(_setting(level, key)) for level in levels] for key in keys}
    return {key: found for key, found in values.items() if len(set(found)) > 1}


def _crossed(differing: Mapping[str, Sequence[str]]) -> bool:
    """Whether every value of each key meets every value of the others."""
    met = set(zip(*differing.values(), strict=True)) or {()}
    return len(met) == math.prod(len(set(found)) for found in differing.values())


def _setting(level: Mapping[str, Any], key: str) -> Any:
    """What a level says of a group or a value, or else what its configuration holds."""
    said = {**level["options"], **level["values"]}
    if key in said:
        return said[key]
    group, _, name = key.partition(".")
    tree = uttered(level["config"])
    return tree[group].get(name) if name else tree["options"][group]
