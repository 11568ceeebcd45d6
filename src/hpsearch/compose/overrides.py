"""The command line's overrides, sorted by what they do."""

import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from hydra.core.override_parser.types import Override

from hpsearch.config import KINDS, Config, ConfigError
from hpsearch.config.schema import SEARCHABLE, UNCOVERED, suggestion
from hpsearch.config.search import PRUNERS
from hpsearch.config.synonyms import GROUPS, meant_key, meant_option, nearest_option
from hpsearch.quoting import command_line, hydra_quoted, shell_quoted


def holds_text(key: str) -> bool:
    """Whether the dotted key holds text in some option, so that `1e5` or `true` are meant as they are typed."""
    group, *names = key.split(".")
    holders: list[Any] = list(KINDS[group].values()) if group in KINDS else [Config]
    path = names if group in KINDS else [group, *names]
    for name in path:
        hints = [typing.get_type_hints(holder, include_extras=True) for holder in holders if is_dataclass(holder)]
        holders = [_plain(found[name]) for found in hints if name in found]
    return bool(path) and str in holders


def _plain(hint: Any) -> Any:
    """Without notes and without null."""
    if typing.get_origin(hint) is Annotated:
        hint = typing.get_args(hint)[0]
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return next(arg for arg in typing.get_args(hint) if arg is not types.NoneType)
    return hint


PLAIN_KEYS = frozenset(f.name for f in fields(Config)) - KINDS.keys()
"""Keys of the configuration that are no config groups."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command as it was given, so that it and its variations can be printed and pasted.

    Attributes:
        overrides: Overrides in Hydra's grammar.
        config_dir: A folder of the user's own options.
        config_name: The primary configuration file.
    """

    overrides: tuple[str, ...]
    config_dir: Path | None = None
    config_name: str = "config"

    def line(self, overrides: Iterable[str] | None = None) -> str:
        """The command line with other overrides, or with its own."""
        flags = [] if self.config_dir is None else ["--config-dir", str(self.config_dir)]
        if self.config_name != "config":
            flags += ["--config-name", self.config_name]
        return command_line([*flags, *(self.overrides if overrides is None else overrides)])

    def without(self, *keys: str) -> list[str]:
        """The overrides but those of these keys, such as `search.trials`."""
        return [override for override in self.overrides if key_of(override) not in keys]

    def only(self, *keys: str) -> list[str]:
        """The overrides of these keys alone."""
        return [override for override in self.overrides if key_of(override) in keys]


def key_of(override: str) -> str:
    """What an override sets, with or without a plus: `search.trials` of `++search.trials=2`."""
    return override.lstrip("+").partition("=")[0].strip()


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
        kwargs: By group, keyword arguments of the user's own code that have a value, each with the key that gives it.
        bounds: For each `search.space.<group>.<option>.<name>`, which of its bounds are given.
        replaced: What was given before something else for the same key, each with that: the last one counts.
    """

    options: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    edits: list[SpaceEdit] = field(default_factory=list)
    kwargs: dict[str, dict[str, str]] = field(default_factory=dict)
    bounds: dict[str, set[str]] = field(default_factory=dict)
    replaced: list[tuple[str, str]] = field(default_factory=list)

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


def read_overrides(
    parsed: Sequence[Override], groups: Mapping[str, Sequence[str]], config_dir: Path | None = None
) -> Overrides:
    """Sorts parsed overrides; of several for the same key the last one counts, as in Hydra.

    Args:
        parsed: What Hydra's parser made of the command line.
        groups: Every config group with the names of its options.
        config_dir: Where options of the user's own lie, if any do.

    Raises:
        ConfigError: With each override that names an unknown option, or sweeps over values.
    """
    last, replaced = _last_of_each(parsed)
    overrides = Overrides(replaced=replaced)
    problems: list[str] = []
    for override in last:
        try:
            _add(overrides, override, groups, config_dir)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(*problems)
    return overrides


def _last_of_each(parsed: Sequence[Override]) -> tuple[list[Override], list[tuple[str, str]]]:
    """The overrides of which none for the same key comes later, and the pairs of those that one does."""
    last: dict[str, Override] = {}
    replaced: list[tuple[str, Override]] = []
    for override in parsed:
        key = override.key_or_group
        if key in last:
            replaced.append((str(last.pop(key).input_line), override))
        last[key] = override
    pairs = [(old, str(last[new.key_or_group].input_line)) for old, new in replaced]
    return list(last.values()), [(old, new) for old, new in pairs if old.lstrip("+") != new.lstrip("+")]


def _add(
    overrides: Overrides, override: Override, groups: Mapping[str, Sequence[str]], config_dir: Path | None
) -> None:
    key, parts = override.key_or_group, override.key_or_group.replace("/", ".").split(".")
    _refuse_form(override, key, parts, groups)
    if key in groups:
        _add_option(overrides.options, key, override.value(), groups)
    elif len(parts) >= 3 and parts[0] in KINDS and parts[1] == "space" and parts[0] != "search":
        _add_edit(overrides.edits, key, parts, override.value())
    else:
        _refuse_unknown_group(override, key, groups, config_dir)
        overrides.values[key] = f"++{_as_typed(override, key)}"
        if parts[:2] == ["search", "space"] and len(parts) >= 5:
            value = override.value()
            given = parts[5:] or (value if isinstance(value, Mapping) else ())
            overrides.bounds.setdefault(".".join(parts[:5]), set()).update(map(str, given))
        if parts[0] in ("model", "loss") and parts[1:2] == ["kwargs"]:
            value = override.value()
            inner = parts[2:3] or (value if isinstance(value, Mapping) else ())
            overrides.kwargs.setdefault(parts[0], {}).update({str(name): key for name in inner})


def _as_typed(override: Override, key: str) -> str:
    """The argument without its plus; a key of text takes what was typed, `1e5` and `true` included."""
    assert override.input_line is not None
    argument = override.input_line.lstrip("+")
    if isinstance(override.value(), bool | int | float) and holds_text(key):
        return f"{key}='{argument.partition('=')[2].strip()}'"
    return argument


def _refuse_unknown_group(
    override: Override, key: str, groups: Mapping[str, Sequence[str]], config_dir: Path | None
) -> None:
    if key.partition(".")[0] in PLAIN_KEYS | KINDS.keys():  # final.sweep=run: a sweep may be called as an option
        return
    option = str(override.value())
    having = [group for group in groups if option in groups[group]]
    meant = GROUPS.get(key.lower())
    if meant is not None:
        known = option if option in groups[meant] else meant_option(meant, option) or "…"
        raise ConfigError(f"{key} is not a key: did you mean {meant}={known}?")
    for group in get_close_matches(key, having, n=1):
        plus = "" if group in KINDS else "+"
        raise ConfigError(f"{key} is not a key: did you mean {plus}{group}={option}?")
    if config_dir is not None and (config_dir / key).is_dir():
        raise ConfigError(
            f"{key} is not a group of options: settings of your own are options of sweep: move "
            f"{config_dir / key / option}.yaml into {config_dir / 'sweep'}, and give +sweep={option}"
        )
    if (override.is_add() or override.is_force_add()) and "." not in key and suggestion(key) is None:
        raise ConfigError(
            f"{key} is not a key or a group of options (--help lists them); settings of your own are options of "
            f"sweep: put them into DIR/sweep/{option}.yaml, and give --config-dir DIR +sweep={option}"
        )


def _refuse_form(override: Override, key: str, parts: list[str], groups: Mapping[str, Sequence[str]]) -> None:
    given = override.input_line
    if override.is_sweep_override():
        raise ConfigError(_about_lists(override, key, key in groups))
    in_option = parts[0] in KINDS and key not in groups
    refused = [
        (not key, f"{given!r} is no override: write key=value, or group=option"),
        (override.package is not None, f"{given}: packages (@) cannot be given on the command line"),
        (override.is_delete(), f"{given}: keys cannot be deleted; give {key} another value"),
        (parts[0] == "options", f"{key} cannot be given: write <group>=<option>, or the key of a value"),
        (parts[0] == "hydra", _about_hydra(key)),
        (in_option and parts[1:] == ["kind"], f"{key} comes with its option: write {parts[0]}=…"),
        (
            in_option and parts[0] != "search" and parts[1:] == ["space"],
            f"{key} is a whole space: change a name in it, {key}.<name>.low=… or {key}.<name>.choices=[…]",
        ),
    ]
    for holds, sentence in refused:
        if holds:
            raise ConfigError(sentence)


def _about_hydra(key: str) -> str:
    meant = meant_key(key)
    way_out = f"did you mean {meant}=…?" if meant else "write <group>=<option>, or the key of a value"
    return f"{key} cannot be given, since nothing of Hydra itself is set here: {way_out}"


def _add_edit(edits: list[SpaceEdit], key: str, parts: list[str], value: object) -> None:
    if len(parts) > 4:
        raise ConfigError(f"{key} is too deep: write {parts[0]}.space.<name>.low, .high, .log, .step or .choices")
    edits.append(SpaceEdit(parts[0], parts[2], parts[3] if len(parts) == 4 else None, value))


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
        if meant_option(group, option) == "custom":
            own = f" {group}.import_path=package.module:name takes one of your own"
        hint = nearest_option(group, option, groups[group])
        raise ConfigError(f"{group}={option} is not an option of {group}: {hint}{own}")
    options[group] = option


def _about_lists(override: Override, key: str, is_group: bool) -> str:
    given = override.input_line or key
    values = given.partition("=")[2]
    if is_group and key not in SEARCHABLE:
        return f"{given}: {key} takes one option"
    if is_group:
        return f"{given}: to search over options, write 'search.choose.{key}=[{values}]'"
    if holds_text(key):
        quoted = shell_quoted(f"{key}={hydra_quoted(values)}")
        return f"{given}: this value needs quotes inside the shell's quotes, {quoted}"
    return f"{given}: to search over values, change the space of its option (…space.<name>.choices=[…])"
