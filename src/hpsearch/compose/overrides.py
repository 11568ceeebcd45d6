"""Parses the command line's overrides into options, values and changes of search spaces."""

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
    """Return whether a dotted key holds text in some option, so that `1e5` or `true` are taken literally."""
    group, *names = key.split(".")
    holders: list[Any] = list(KINDS[group].values()) if group in KINDS else [Config]
    path = names if group in KINDS else [group, *names]
    for name in path:
        hints = [typing.get_type_hints(holder, include_extras=True) for holder in holders if is_dataclass(holder)]
        holders = [_bare_type(by_name[name]) for by_name in hints if name in by_name]
    return bool(path) and str in holders


def _bare_type(hint: Any) -> Any:
    if typing.get_origin(hint) is Annotated:
        hint = typing.get_args(hint)[0]
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return next(arg for arg in typing.get_args(hint) if arg is not types.NoneType)
    return hint


READERS = {
    **dict.fromkeys((".csv", ".tsv", ".txt"), "csv"),
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
    **dict.fromkeys((".xlsx", ".xlsm"), "excel"),
    ".npz": "npz",
}
"""File suffix to the option of `data` that reads it."""

DATA_CHECK = "+data=check"
"""The action that shows how data are understood; other actions are options of their own groups."""

PLAIN_KEYS = frozenset(f.name for f in fields(Config)) - KINDS.keys()
"""Top-level keys of the configuration that are not config groups."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command as typed: Hydra overrides, a folder of the user's own options, the primary configuration file."""

    overrides: tuple[str, ...]
    config_dir: Path | None = None
    config_name: str = "config"

    def line(self, overrides: Iterable[str] | None = None) -> str:
        """Return the command line with its own overrides, or with others in their place."""
        flags = [] if self.config_dir is None else ["--config-dir", str(self.config_dir)]
        if self.config_name != "config":
            flags += ["--config-name", self.config_name]
        return command_line([*flags, *(self.overrides if overrides is None else overrides)])

    def without(self, *keys: str) -> list[str]:
        """Return all overrides except those of these keys, such as `search.trials`."""
        return [override for override in self.overrides if key_of(override) not in keys]

    def only(self, *keys: str) -> list[str]:
        """Return the overrides of these keys."""
        return [override for override in self.overrides if key_of(override) in keys]


def key_of(override: str) -> str:
    """Return the key of an override: `search.trials` for `++search.trials=2`."""
    return override.lstrip("+").partition("=")[0].strip()


@dataclass(frozen=True, slots=True)
class SpaceEdit:
    """`<group>.space.<name>[.<bound>]=value`: changes a dimension of every chosen option of the group that has it."""

    group: str
    name: str
    bound: str | None
    value: Any


@dataclass(frozen=True, slots=True)
class Overrides:
    """The settings of a command line.

    Attributes:
        options: Group to option, including action groups.
        values: Key to Hydra argument, such as `{"optimizer.lr": "++optimizer.lr=0.1"}`.
        edits: Changed bounds of spaces.
        kwargs: By group, each keyword argument set for the user's own code, with the key that sets it.
        bounds: For each `search.space.<group>.<option>.<name>`, the names of the bounds set.
        replaced: Overrides that a later one of the same key replaces, each with that one.
        checks_data: Whether `+data=check` asks for the data alone.
    """

    options: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    edits: list[SpaceEdit] = field(default_factory=list)
    kwargs: dict[str, dict[str, str]] = field(default_factory=dict)
    bounds: dict[str, set[str]] = field(default_factory=dict)
    replaced: list[tuple[str, str]] = field(default_factory=list)
    checks_data: bool = False

    def for_hydra(self) -> list[str]:
        """Return the arguments for Hydra; `++` lets unknown keys pass, which `Config.from_tree` reports."""
        prefixed = (f"{'' if group in KINDS else '+'}{group}={option}" for group, option in self.options.items())
        return [*prefixed, *self.values.values()]

    def uncovered(self) -> "Overrides":
        """Return the action and the overrides that no fingerprint covers, which a stored sweep does not record."""
        options = {group: option for group, option in self.options.items() if group not in KINDS or group in UNCOVERED}
        return Overrides(options, {key: value for key, value in self.values.items() if key.split(".")[0] in UNCOVERED})

    def fixed_values(self, group: str) -> dict[str, str]:
        """Return the names of the group's values that are set, each with its whole key."""
        return {key.split(".")[1]: key for key in self.values if key.startswith(f"{group}.")}


def read_overrides(
    parsed: Sequence[Override], groups: Mapping[str, Sequence[str]], config_dir: Path | None = None
) -> Overrides:
    """Classify parsed overrides; the last one of a key wins, as in Hydra.

    Args:
        parsed: The command line, parsed by Hydra.
        groups: Config group to the names of its options.
        config_dir: A folder of the user's own options.

    Raises:
        ConfigError: With each override that names an unknown option, or sweeps over values.
    """
    checks = [override for override in parsed if (override.input_line or "").strip() == DATA_CHECK]
    last, replaced = _last_of_each([override for override in parsed if override not in checks])
    overrides = Overrides(replaced=replaced, checks_data=bool(checks))
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
    """Return the last override of each key, and pairs of each replaced override and the last one."""
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
    value = override.value()
    if key in groups:
        overrides.options[key] = _known_option(key, value, groups[key])
    elif len(parts) >= 3 and parts[0] in KINDS and parts[1] == "space" and parts[0] != "search":
        if len(parts) > 4:
            raise ConfigError(f"{key} is too deep: write {parts[0]}.space.<name>.low, .high, .log, .step or .choices")
        overrides.edits.append(SpaceEdit(parts[0], parts[2], parts[3] if len(parts) == 4 else None, value))
    else:
        _refuse_unknown_group(override, key, groups, config_dir)
        overrides.values[key] = f"++{_as_typed(override, key)}"
        names = value if isinstance(value, Mapping) else ()
        if parts[:2] == ["search", "space"] and len(parts) >= 5:
            overrides.bounds.setdefault(".".join(parts[:5]), set()).update(map(str, parts[5:] or names))
        if parts[0] in ("preprocess", "model", "init", "loss", "optimizer", "schedule") and parts[1:2] == ["kwargs"]:
            overrides.kwargs.setdefault(parts[0], {}).update({str(name): key for name in parts[2:3] or names})


def _as_typed(override: Override, key: str) -> str:
    """Return the argument without its plus; a key of text takes `1e5` or `true` literally."""
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
    if (meant := GROUPS.get(key.lower())) is not None:
        meant_name = option if option in groups[meant] else meant_option(meant, option) or "…"
        raise ConfigError(f"{key} is not a key: did you mean {meant}={meant_name}?")
    for group in get_close_matches(key, [group for group in groups if option in groups[group]], n=1):
        raise ConfigError(f"{key} is not a key: did you mean {'' if group in KINDS else '+'}{group}={option}?")
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
    typed = override.input_line or key
    if override.is_sweep_override():
        raise ConfigError(f"{typed}: {_instead_of_sweep(key, typed.partition('=')[2], key in groups)}")
    in_option = parts[0] in KINDS and key not in groups
    meant = f"did you mean {near}=…?" if (near := meant_key(key)) else "write <group>=<option>, or the key of a value"
    refused = [
        (not key, f"{override.input_line!r} is no override: write key=value, or group=option"),
        (override.package is not None, f"{typed}: packages (@) cannot be given on the command line"),
        (override.is_delete(), f"{typed}: keys cannot be deleted; give {key} another value"),
        (parts[0] == "options", f"{key} cannot be given: write <group>=<option>, or the key of a value"),
        (parts[0] == "hydra", f"{key} cannot be given, since nothing of Hydra itself is set here: {meant}"),
        (in_option and parts[1:] == ["kind"], f"{key} comes with its option: write {parts[0]}=…"),
        (
            in_option and parts[0] != "search" and parts[1:] == ["space"],
            f"{key} is a whole space: change a name in it, {key}.<name>.low=… or {key}.<name>.choices=[…]",
        ),
    ]
    for condition, message in refused:
        if condition:
            raise ConfigError(message)


def _known_option(group: str, value: object, options: Sequence[str]) -> str:
    option = "none" if value is None else str(value)
    if option in options:
        return option
    advice = ""
    if group == "final":
        advice = "; of a sweep by its name: +final=sweep " + shell_quoted(f"final.sweep={hydra_quoted(option)}")
    if group == "search" and option in PRUNERS:
        advice = f"; a pruner is chosen by search.pruner={option}"
    if meant_option(group, option) == "custom":
        advice = f" {group}.import_path=package.module:name takes one of your own"
    hint = nearest_option(group, option, options)
    if group == "data" and (reader := READERS.get(Path(option).suffix.lower())):
        hint = f"a file is given by its path: data={reader} {shell_quoted(f'data.path={hydra_quoted(option)}')}"
    elif group == "data" and option.startswith("sklearn:"):
        hint = f"sets that scikit-learn ships have their own names: {nearest_option(group, option[8:], options)}"
    elif group == "data" and Path(option).is_dir():
        hint = f"images are given by their folder: data=folder {shell_quoted(f'data.path={hydra_quoted(option)}')}"
    raise ConfigError(f"{group}={option} is not an option of {group}: {hint}{advice}")


def _instead_of_sweep(key: str, values: str, is_group: bool) -> str:
    if is_group and key not in SEARCHABLE:
        return f"{key} takes one option"
    if is_group:
        return f"to search over options, write 'search.choose.{key}=[{values}]'"
    if holds_text(key):
        return f"this value needs quotes inside the shell's quotes, {shell_quoted(f'{key}={hydra_quoted(values)}')}"
    return "to search over values, change the space of its option (…space.<name>.choices=[…])"
