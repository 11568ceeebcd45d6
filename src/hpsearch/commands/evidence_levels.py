"""The levels of a stored comparison: what each is, draws and fixes, and what they differ in besides."""

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from hpsearch.analysis.evidence import LevelDesign
from hpsearch.config import Config
from hpsearch.config.schema import OPTION_GROUPS, with_defaults
from hpsearch.nn.init_scale import formula
from hpsearch.records import NO_LEVEL, Value
from hpsearch.search.narrowing import typed_bounds
from hpsearch.store.specification import Fingerprinted, StoredLevel
from hpsearch.store.trial_config import stored_config

FACTS = tuple(name for name, group in OPTION_GROUPS.items() if group.in_design)
"""Groups whose option the design table names, unless they are compared."""

OWN_LINES = frozenset({"model", "evaluation"})
"""Groups that the table says more of."""


def groups_in_words(config: Config, frozen: Fingerprinted, compared: AbstractSet[str]) -> dict[str, str]:
    """The option of each group that is not compared, or those that trials draw from: `drawn from sgd, adam`.

    Args:
        config: The configuration with no option varied.
        frozen: What makes the sweep what it is.
        compared: Groups that levels differ in.
    """
    told = [group for group in FACTS if group not in compared | OWN_LINES]
    drawn = {group: options_of(frozen, group) for group in told}
    words = {
        group: f"drawn from {', '.join(drawn[group])}" if len(drawn[group]) > 1 else config.options[group]
        for group in told
    }
    if "init" in words and len(drawn["init"]) <= 1 and f"init.{words['init']}" not in frozen.space:
        # "Xavier" is another formula in every book
        words["init"] += f", standard deviation {formula(config.init)}"
    return words


def model_in_words(config: Config, frozen: Fingerprinted) -> str:
    """The network: `mlp 100-100`, or what varies of it: `mlp, with other depth, width in each trial or level`."""
    kinds = options_of(frozen, "model") or [config.options["model"]]
    drawn = {name for option in frozen.space if option.startswith("model.") for name in frozen.space[option]}
    set_by_level = {key for level in frozen.levels for key in level.values}
    varied = sorted(drawn | {key.partition(".")[2] for key in set_by_level if key.startswith("model.")})
    if varied:
        return f"{' or '.join(kinds)}, with other {', '.join(varied)} in each trial or level"
    hidden = getattr(config.model, "hidden", None)
    return f"{kinds[0]} {'-'.join(map(str, hidden))}" if hidden and len(kinds) == 1 else " or ".join(kinds)


def options_of(frozen: Fingerprinted, group: str) -> list[str]:
    """The options of a group that trials or levels take."""
    return [key.partition(".")[2] for key in frozen.options if key.startswith(f"{group}.")]


FACTORIAL = {
    "none": {"weight decay": "no", "dropout": "no"},
    "weight_decay": {"weight decay": "yes", "dropout": "no"},
    "dropout": {"weight decay": "no", "dropout": "yes"},
    "both": {"weight decay": "yes", "dropout": "yes"},
}
"""The options of `regularization` as a 2 x 2 design."""


def level_design(frozen: Fingerprinted, name: str, *, asked: Config) -> LevelDesign:
    """A level of a sweep.

    Args:
        frozen: What makes the sweep what it is.
        name: Of the level.
        asked: This command's settings where they change no result.
    """
    spaces = _flat(frozen.space)
    if name == NO_LEVEL:
        return LevelDesign(name, {}, spaces)
    level = next(level for level in frozen.levels if level.name == name)
    space = {draw: spaces[draw] for draw in level.draws if draw in spaces}
    space |= {g: {"choices": options_of(frozen, g)} for g in level.draws if g not in spaces}
    settings = level.settings
    if any(key.partition(".")[0] == "init" for key in settings):
        # "Xavier" is another formula in every book: the page shows which one it is here.
        settings["init.sd"] = formula(stored_config(level.config, asked).init)
    factors = _factors(frozen, level)
    return LevelDesign(name, settings, space, _fixed(with_defaults(level.config), space, level.options), factors)


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


def confounded(frozen: Fingerprinted) -> tuple[str, ...]:
    """What the levels are trained with that goes together with what is compared, so that nobody can tell them apart.

    Epochs, rows, schedules may be compared: alone, or where every one of their values meets every value of whatever
    else is compared.

    Args:
        frozen: What makes the sweep what it is.

    Returns:
        Names of groups and keys, sorted: `training.epochs`.
    """
    differing = _differing(frozen)
    if _crossed(differing):
        return ()
    return tuple(key for key in differing if OPTION_GROUPS[key.partition(".")[0]].confounds)


def _factors(frozen: Fingerprinted, level: StoredLevel) -> dict[str, str]:
    """The value of each factor where levels are every combination of several; empty for any other design."""
    if with_defaults(frozen.config)["search"]["compare"] == "regularization":
        return FACTORIAL.get(level.name, {})
    differing = _differing(frozen)
    several = len(differing) > 1 and _crossed(differing)
    return {key: str(_setting(level, key)) for key in differing} if several else {}


def _differing(frozen: Fingerprinted) -> dict[str, list[str]]:
    """The groups and keys in which levels differ, sorted, with the value of each level."""
    values = {key: [repr(_setting(level, key)) for level in frozen.levels] for key in sorted(frozen.compared)}
    return {key: found for key, found in values.items() if len(set(found)) > 1}


def _crossed(differing: Mapping[str, Sequence[str]]) -> bool:
    """Whether every value of each key meets every value of the others."""
    met = set(zip(*differing.values(), strict=True)) or {()}
    return len(met) == math.prod(len(set(found)) for found in differing.values())


def _setting(level: StoredLevel, key: str) -> Any:
    """What a level says of a group or a value, or else what its configuration holds."""
    if key in level.settings:
        return level.settings[key]
    group, _, name = key.partition(".")
    tree = with_defaults(level.config)
    return tree[group].get(name) if name else tree["options"][group]
