"""The levels of a stored comparison: their settings, spaces and fixed values, and confounded differences."""

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
"""Groups whose option the design table lists, unless they are compared."""

OWN_LINES = frozenset({"model", "evaluation"})
"""Groups with lines of their own in that table."""


def groups_in_words(config: Config, frozen: Fingerprinted, compared: AbstractSet[str]) -> dict[str, str]:
    """Return the option of each group that is not compared, or the sampled ones: `drawn from sgd, adam`.

    Args:
        config: The configuration with the default options.
        frozen: The fingerprinted part of the specification.
        compared: Groups in which levels differ.
    """
    sampled = {group: options_of(frozen, group) for group in FACTS if group not in compared | OWN_LINES}
    words = {
        group: f"drawn from {', '.join(options)}" if len(options) > 1 else config.options[group]
        for group, options in sampled.items()
    }
    if "init" in words and len(sampled["init"]) <= 1 and f"init.{words['init']}" not in frozen.space:
        # "Xavier" is another formula in every book
        words["init"] += f", standard deviation {formula(config.init)}"
    return words


def model_in_words(config: Config, frozen: Fingerprinted) -> str:
    """Return the network, `mlp 100-100`, or its variation, `mlp, with other depth, width in each trial or level`."""
    kinds = options_of(frozen, "model") or [config.options["model"]]
    sampled = {name for option in frozen.space if option.startswith("model.") for name in frozen.space[option]}
    set_by_level = {key for level in frozen.levels for key in level.values}
    varied = sorted(sampled | {key.partition(".")[2] for key in set_by_level if key.startswith("model.")})
    if varied:
        return f"{' or '.join(kinds)}, with other {', '.join(varied)} in each trial or level"
    hidden = getattr(config.model, "hidden", None)
    return f"{kinds[0]} {'-'.join(map(str, hidden))}" if hidden and len(kinds) == 1 else " or ".join(kinds)


def options_of(frozen: Fingerprinted, group: str) -> list[str]:
    """Return the options of a group that trials or levels take."""
    return [key.partition(".")[2] for key in frozen.options if key.startswith(f"{group}.")]


FACTORIAL = {
    "none": {"weight decay": "no", "dropout": "no"},
    "weight_decay": {"weight decay": "yes", "dropout": "no"},
    "dropout": {"weight decay": "no", "dropout": "yes"},
    "both": {"weight decay": "yes", "dropout": "yes"},
}
"""The options of `regularization` as a 2 x 2 factorial design."""


def level_design(frozen: Fingerprinted, name: str, *, current: Config) -> LevelDesign:
    """Return the design of a level.

    Args:
        frozen: The fingerprinted part of the specification.
        name: Name of the level.
        current: This command's settings where they do not affect results.
    """
    dimensions = [(f"{option}.{key}", each) for option, keys in frozen.space.items() for key, each in keys.items()]
    spaces = {key: typed_bounds(dimension) for key, dimension in dimensions}
    if name == NO_LEVEL:
        return LevelDesign(name, {}, spaces)
    level = next(level for level in frozen.levels if level.name == name)
    space = {draw: spaces[draw] for draw in level.draws if draw in spaces}
    space |= {g: {"choices": options_of(frozen, g)} for g in level.draws if g not in spaces}
    settings = level.settings
    if any(key.partition(".")[0] == "init" for key in settings):
        # "Xavier" is another formula in every book, so the report shows the one used here.
        settings["init.sd"] = formula(stored_config(level.config, current).init)
    factors = _factors(frozen, level)
    return LevelDesign(name, settings, space, _fixed(with_defaults(level.config), space, level.options), factors)


def _fixed(config: Mapping[str, Any], space: Mapping[str, Any], options: Mapping[str, str]) -> dict[str, Value]:
    values = {f"{group}.{option}.{name}": v for group, option in options.items() for name, v in config[group].items()}
    return {k: v for k, v in values.items() if k not in space and k.rpartition(".")[2] not in ("kind", "max_norm")}


def confounded(frozen: Fingerprinted) -> tuple[str, ...]:
    """Return the training settings that are confounded with the compared factor, sorted: `training.epochs`.

    Epochs, rows and schedules may be compared alone, or fully crossed with the other factors.
    """
    differing = _differing(frozen)
    if _crossed(differing):
        return ()
    return tuple(key for key in differing if OPTION_GROUPS[key.partition(".")[0]].confounds)


def _factors(frozen: Fingerprinted, level: StoredLevel) -> dict[str, str]:
    """Return the level of each factor in a full factorial design; empty for other designs."""
    if with_defaults(frozen.config)["search"]["compare"] == "regularization":
        return FACTORIAL.get(level.name, {})
    differing = _differing(frozen)
    several = len(differing) > 1 and _crossed(differing)
    return {key: str(_setting(level, key)) for key in differing} if several else {}


def _differing(frozen: Fingerprinted) -> dict[str, list[str]]:
    """Return the groups and keys in which levels differ, sorted, with the value of each level."""
    values = {key: [repr(_setting(level, key)) for level in frozen.levels] for key in sorted(frozen.compared)}
    return {key: by_level for key, by_level in values.items() if len(set(by_level)) > 1}


def _crossed(differing: Mapping[str, Sequence[str]]) -> bool:
    combinations = set(zip(*differing.values(), strict=True)) or {()}
    return len(combinations) == math.prod(len(set(by_level)) for by_level in differing.values())


def _setting(level: StoredLevel, key: str) -> Any:
    if key in level.settings:
        return level.settings[key]
    group, _, name = key.partition(".")
    tree = with_defaults(level.config)
    return tree[group].get(name) if name else tree["options"][group]
