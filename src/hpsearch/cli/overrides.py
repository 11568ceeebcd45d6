"""The command line's overrides, sorted by what they do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any

from hydra.core.override_parser.types import Override

from hpsearch.config import KINDS, Config, ConfigError
from hpsearch.config.keys import takes_text
from hpsearch.config.run import UNCOVERED
from hpsearch.config.sweep import PRUNERS, Choose
from hpsearch.config.tree import nearest
from hpsearch.quoting import hydra_quoted, shell_quoted

PLAIN_KEYS = frozenset(f.name for f in fields(Config)) - KINDS.keys()
"""Keys of the configuration that are no config groups."""


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
        kwargs: Keyword arguments of the user's own model that have a value, each with the key that gives it.
        bounds: For each `search.space.<group>.<option>.<name>`, which of its bounds are given.
    """

    options: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    edits: list[SpaceEdit] = field(default_factory=list)
    kwargs: dict[str, str] = field(default_factory=dict)
    bounds: dict[str, set[str]] = field(default_factory=dict)

    def for_hydra(self) -> list[str]:
        """The arguments that Hydra composes; unknown keys pass, so that one place checks and words them."""
        prefixed = (f"{'' if group in KINDS else '+'}{group}={option}" for group, option in self.options.items())
        return [*prefixed, *self.values.values()]

    def uncovered(self) -> "Overrides":
        """Those alone that no fingerprint covers, with the action: what a stored sweep leaves open."""
        options = {group: option for group, option in self.options.items() if group not in KINDS or group in UNCOVERED}
        return Overrides(options, {key: given for key, given in self.values.items() if key.split(".")[0] in UNCOVERED})

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
        _refuse_misspelt_group(override, key, groups)
        overrides.values[key] = f"++{_as_typed(override, key)}"
        if parts[:2] == ["search", "space"] and len(parts) >= 5:
            value = override.value()
            given = parts[5:] or (value if isinstance(value, Mapping) else ())
            overrides.bounds.setdefault(".".join(parts[:5]), set()).update(map(str, given))
        if parts[:2] == ["model", "kwargs"]:
            value = override.value()
            inner = parts[2:3] or (value if isinstance(value, Mapping) else ())
            overrides.kwargs.update({str(name): key for name in inner})


def _as_typed(override: Override, key: str) -> str:
    """The argument without its plus; a key of text takes what was typed, `1e5` and `true` included."""
    assert override.input_line is not None
    argument = override.input_line.lstrip("+")
    if isinstance(override.value(), bool | int | float) and takes_text(key):
        return f"{key}='{argument.partition('=')[2].strip()}'"
    return argument


def _refuse_misspelt_group(override: Override, key: str, groups: Mapping[str, Sequence[str]]) -> None:
    option = str(override.value())
    having = [group for group in groups if option in groups[group]]
    known = key.partition(".")[0] in PLAIN_KEYS | KINDS.keys()  # final.sweep=run: a sweep may be called as an option
    for group in get_close_matches(key, having, n=1) if not known else []:
        plus = "" if group in KINDS else "+"
        raise ConfigError(f"{key} is not a key: did you mean {plus}{group}={option}?")


def _refuse_form(override: Override, key: str, parts: list[str], groups: Mapping[str, Sequence[str]]) -> None:
    given = override.input_line
    if override.is_sweep_override():
        raise ConfigError(_about_lists(override, key, key in groups))
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
        own = (
            "; of a sweep by its name: +final=sweep " + shell_quoted(f"final.sweep={hydra_quoted(option)}")
            if group == "final"
            else ""
        )
        if group == "search" and option in PRUNERS:
            own = f"; a pruner is chosen by search.pruner={option}"
        raise ConfigError(f"{group}={option} is not an option of {group}: {nearest(option, groups[group])}{own}")
    if options.get(group, option) != option:
        raise ConfigError(f"{group} is given twice: {options[group]} and {option}")
    options[group] = option


def _about_lists(override: Override, key: str, is_group: bool) -> str:
    given = override.input_line or key
    values = given.partition("=")[2]
    if is_group and key not in {f.name for f in fields(Choose)}:
        return f"{given}: {key} takes one option"
    if is_group:
        return f"{given}: to search over options, write 'search.choose.{key}=[{values}]'"
    if takes_text(key):
        quoted = shell_quoted(f"{key}={hydra_quoted(values)}")
        return f"{given}: this value needs quotes inside the shell's quotes, {quoted}"
    return f"{given}: to search over values, change the space of its option (…space.<name>.choices=[…])"
