"""The command line's overrides, sorted by what they do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.override_parser.types import Override

from hpsearch.config import KINDS, ConfigError
from hpsearch.config.tree import nearest


@dataclass(frozen=True, slots=True)
class SpaceEdit:
    """`<group>.space.<name>[.<bound>]=value`: a change for every chosen option of the group that has the name."""

    group: str
    name: str
    bound: str | None
    value: Any


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a command line fixes.

    Attributes:
        options: Group to option, action groups included.
        values: Hydra arguments by the key they set, such as `{"optimizer.lr": "++optimizer.lr=0.1"}`.
        edits: Changed bounds of spaces.
    """

    options: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    edits: list[SpaceEdit] = field(default_factory=list)

    def for_hydra(self) -> list[str]:
        """The arguments that Hydra composes; unknown keys pass, so that one place checks and words them."""
        prefixed = (f"{'' if group in KINDS else '+'}{group}={option}" for group, option in self.options.items())
        return [*prefixed, *self.values.values()]

    def fixed_values(self, group: str) -> dict[str, str]:
        """Names of the group's values that are given, each with the whole key."""
        return {key.split(".")[1]: key for key in self.values if key.startswith(f"{group}.")}


def read_overrides(parsed: Sequence[Override], groups: Mapping[str, Sequence[str]]) -> Overrides:
    """Sorts parsed overrides.

    Args:
        parsed: What Hydra's parser made of the command line.
        groups: Every config group with the names of its options.

    Raises:
        ConfigError: With each override that names an unknown option, sweeps over values, or is given twice.
    """
    overrides = Overrides()
    problems: list[str] = []
    for override in parsed:
        try:
            _add(overrides, override, groups)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(*problems)
    return overrides


def _add(overrides: Overrides, override: Override, groups: Mapping[str, Sequence[str]]) -> None:
    key, parts = override.key_or_group, override.key_or_group.replace("/", ".").split(".")
    if not key:
        raise ConfigError(f"{override.input_line!r} is no override: write key=value, or group=option")
    if override.package is not None:
        raise ConfigError(f"{override.input_line}: packages (@) cannot be given on the command line")
    if override.is_sweep_override():
        raise ConfigError(_about_lists(override, key in groups))
    if override.is_delete():
        raise ConfigError(f"{override.input_line}: keys cannot be deleted; give {key} another value")
    if key in groups:
        _add_option(overrides.options, key, override.value(), groups)
    elif parts[0] in ("options", "hydra"):
        raise ConfigError(f"{key} cannot be given: write <group>=<option>, or the key of a value")
    elif parts[0] in KINDS and parts[1:] == ["kind"]:
        raise ConfigError(f"{key} comes with its option: write {parts[0]}=…")
    elif parts[0] in KINDS and parts[0] != "search" and parts[1:] == ["space"]:
        raise ConfigError(
            f"{key} is a whole space: change a name in it, {key}.<name>.low=… or {key}.<name>.choices=[…]"
        )
    elif len(parts) >= 3 and parts[0] in KINDS and parts[1] == "space" and parts[0] != "search":
        bound = parts[3] if len(parts) == 4 else None
        if len(parts) > 4:
            raise ConfigError(f"{key} is too deep: write {parts[0]}.space.<name>.low, .high, .log, .step or .choices")
        overrides.edits.append(SpaceEdit(parts[0], parts[2], bound, override.value()))
    else:
        if key in overrides.values:
            raise ConfigError(f"{key} is given twice: {overrides.values[key].lstrip('+')} and {override.input_line}")
        assert override.input_line is not None
        overrides.values[key] = "++" + override.input_line.lstrip("+")


def _add_option(options: dict[str, str], group: str, value: object, groups: Mapping[str, Sequence[str]]) -> None:
    option = "none" if value is None else str(value)
    if option not in groups[group]:
        raise ConfigError(f"{group}={option} is not an option of {group}: {nearest(option, groups[group])}")
    if options.get(group, option) != option:
        raise ConfigError(f"{group} is given twice: {options[group]} and {option}")
    options[group] = option


def _about_lists(override: Override, is_group: bool) -> str:
    if is_group:
        values = override.input_line.partition("=")[2] if override.input_line else ""
        return (
            f"{override.input_line}: to search over options, write 'search.choose.{override.key_or_group}=[{values}]'"
        )
    return f"{override.input_line}: to search over values, change the space of its option (…space.<name>.choices=[…])"
