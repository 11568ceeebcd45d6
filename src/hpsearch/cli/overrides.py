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
    _refuse_form(override, key, parts, groups)
    if key in groups:
        _add_option(overrides.options, key, override.value(), groups)
    elif len(parts) >= 3 and parts[0] in KINDS and parts[1] == "space" and parts[0] != "search":
        _add_edit(overrides.edits, key, parts, override.value())
    else:
        if key in overrides.values:
            raise ConfigError(f"{key} is given twice: {overrides.values[key].lstrip('+')} and {override.input_line}")
        assert override.input_line is not None
        overrides.values[key] = "++" + override.input_line.lstrip("+")


def _refuse_form(override: Override, key: str, parts: list[str], groups: Mapping[str, Sequence[str]]) -> None:
    given = override.input_line
    if override.is_sweep_override():
        raise ConfigError(_about_lists(override, key in groups))
    in_option = parts[0] in KINDS and key not in groups
    refused = [
        (not key, f"{given!r} is no override: write key=value, or group=option"),
        (override.package is not None, f"{given}: packages (@) cannot be given on the command line"),
        (override.is_delete(), f"{given}: keys cannot be deleted; give {key} another value"),
        (parts[0] in ("options", "hydra"), f"{key} cannot be given: write <group>=<option>, or the key of a value"),
        (in_option and parts[1:] == ["kind"], f"{key} comes with its option: write {parts[0]}=…"),
        (
            in_option and parts[0] != "search" and parts[1:] == ["space"],
            f"{key} is a whole space: change a name in it, {key}.<name>.low=… or {key}.<name>.choices=[…]",
        ),
    ]
    for holds, sentence in refused:
        if holds:
            raise ConfigError(sentence)


def _add_edit(edits: list[SpaceEdit], key: str, parts: list[str], value: object) -> None:
    if len(parts) > 4:
        raise ConfigError(f"{key} is too deep: write {parts[0]}.space.<name>.low, .high, .log, .step or .choices")
    edit = SpaceEdit(parts[0], parts[2], parts[3] if len(parts) == 4 else None, value)
    for old in edits:
        if (old.group, old.name, old.bound) == (edit.group, edit.name, edit.bound):
            raise ConfigError(f"{key} is given twice: {old.value!r} and {value!r}")
    edits.append(edit)


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
