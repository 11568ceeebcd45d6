"""Option files and overrides to a `Config` and the spaces of its options: the only room that knows Hydra."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from hydra import compose
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import GrammarParseError, InterpolationResolutionError, OmegaConfBaseException
from yaml import YAMLError

from hpsearch.compose.overrides import Command, Overrides, read_overrides
from hpsearch.config import KINDS, Config, ConfigError
from hpsearch.config.search import compared_groups
from hpsearch.quoting import hydra_quoted, in_quotes, shell_quoted
from hpsearch.search.space import Composed
from hpsearch.secrets import MASK, mask_override, mask_secrets, masked_keys

FAULTS = (GrammarParseError, InterpolationResolutionError)


def about_reference(error: Exception, typed: Mapping[str, Any], key: str | None = None) -> str | None:
    """The sentence about a `${…}` that cannot be replaced, with what to type for the text itself.

    Args:
        error: What composing raised.
        typed: The values of the command line, by key.
        key: Which of them it is about; None: the error says it.

    Returns:
        None if the error is about something else.
    """
    cause = error if isinstance(error, FAULTS) else error.__cause__
    if not isinstance(cause, FAULTS):
        return None
    where = key or str(cause.full_key)
    reason = str(cause).splitlines()[0]
    return (
        f"{where} cannot be read: {reason}; ${{…}} stands for the value of another key, such as ${{seed}}: "
        f"for the text itself, write {_literal(where, typed)}"
    )


def about_text(problem: str, typed: Mapping[str, Any]) -> str:
    """The sentence about a wrong value, with the way out where the value is text because it is read from there.

    Args:
        problem: The sentence, which begins with the key.
        typed: The values of the command line, by key.
    """
    for key, value in typed.items():
        if isinstance(value, str) and value.startswith("${oc.env:") and problem.startswith(f"{key} must be"):
            decoded = shell_quoted(f"{key}={in_quotes('${oc.decode:' + value + '}')}")
            return f"{problem}; a variable of the environment is text, which oc.decode reads as a value: {decoded}"
    return problem


def _literal(where: str, typed: Mapping[str, Any]) -> str:
    value = typed.get(where)
    return shell_quoted(f"{where}={hydra_quoted(value)}") if isinstance(value, str) else "\\${…}"


ACTIONS = ("sweep", "final", "report")
"""Config groups whose options say what to do; they are added with `+`."""


def conf_dir() -> Path:
    """The folder of hpsearch's own option files: inside the installed package, or beside a checkout's `src`."""
    package = Path(__file__).parents[1]
    installed = package / "conf"
    return installed if installed.is_dir() else package.parents[1] / "conf"


class Composer:
    """Composes the command line's overrides with any options; keeps what it composed."""

    def __init__(self, arguments: Sequence[str], config_dir: Path | None = None, config_name: str = "config") -> None:
        """Checks the overrides without composing.

        Args:
            arguments: Overrides in Hydra's grammar, as given on the command line.
            config_dir: A folder of the user's own options; searched first.
            config_name: The primary configuration file.

        Raises:
            ConfigError: An override cannot be read, or names an option that does not exist; or the primary file does
                not exist.
        """
        _require_primary(config_dir, config_name)
        self.command = Command(tuple(arguments), config_dir, config_name)
        self._cache: dict[tuple[tuple[str, str], ...], Composed] = {}
        self._interpolates = False
        self._groups = {group: options_of(group, config_dir) for group in [*KINDS, *ACTIONS]}
        self.overrides: Overrides = read_overrides(_parse(arguments), self._groups, config_dir)

    def compose(self, options: Mapping[str, str] | None = None) -> Composed:
        """The configuration with these options in place of the default ones.

        Args:
            options: Group to option, for groups that the command line leaves open.

        Raises:
            ConfigError: With every key that is wrong.
        """
        options = dict(options or {})
        key = tuple(sorted(options.items()))
        if key not in self._cache:
            assembled = self._assemble(options) if len(options) > 1 else None
            self._cache[key] = assembled or self._compose(options)
        return self._cache[key]

    def compose_uncovered(self) -> Composed:
        """The configuration without what a stored sweep says itself: its options, its data, its values.

        Raises:
            ConfigError: With every key that is wrong.
        """
        return self._compose({}, self.overrides.uncovered())

    def given_values(self) -> dict[str, Any]:
        """The values that the command line gives, by key.

        Raises:
            ConfigError: If one refers to another key.
        """
        return {key: _resolved(key, value) for key, value in self._typed_values().items()}

    def _typed_values(self) -> dict[str, Any]:
        arguments = [argument.lstrip("+") for argument in self.overrides.values.values()]
        return {override.key_or_group: override.value() for override in _parse(arguments)}

    def printable(self) -> str:
        """The composed configuration as YAML, without secrets."""
        tree = mask_secrets(self.compose().config.to_tree())
        text: str = OmegaConf.to_yaml(OmegaConf.create(tree))
        return text

    def known_options(self, group: str) -> list[str]:
        """The names of a group's option files."""
        return self._groups[group]

    def _assemble(self, options: dict[str, str]) -> Composed | None:
        """The same as composing, put together from one composition for each option: 0.1 s a trial less.

        None where that is not the same: an option that reaches beyond its own group, or interpolations between keys.
        """
        whole = self.compose()
        for group, option in options.items():
            one = self.compose({group: option})
            if self._interpolates or not _differs_only_in(group, self.compose(), one):
                return None
            changed: dict[str, Any] = {group: getattr(one.config, group)}
            names = {**whole.config.options, group: option}
            spaces = {**whole.spaces, group: one.spaces[group]}
            whole = Composed(replace(whole.config, options=names, **changed), spaces, whole.actions)
        return whole

    def _compose(self, options: dict[str, str], overrides: Overrides | None = None) -> Composed:
        arguments = [
            *(overrides or self.overrides).for_hydra(),
            *(f"{group}={option}" for group, option in options.items()),
        ]
        try:
            with self._hydra():
                composed = compose(self.command.config_name, overrides=arguments, return_hydra_config=True)
                choices = {str(group): option for group, option in composed.hydra.runtime.choices.items()}
                OmegaConf.set_struct(composed, False)
                del composed["hydra"]
                if missing := sorted(OmegaConf.missing_keys(composed)):
                    raise ConfigError(*(f"{key} must be given: {key}=…" for key in missing))
                self._interpolates |= "${" in repr(OmegaConf.to_container(composed, resolve=False))
                container = OmegaConf.to_container(composed, resolve=True)
        except (HydraException, OmegaConfBaseException, YAMLError) as error:
            raise ConfigError(about_reference(error, self._typed_values()) or _readable(error)) from error
        assert isinstance(container, dict)
        tree = {str(key): value for key, value in container.items()}
        if masked := masked_keys(tree):
            raise ConfigError(*(f"{key} holds {MASK}, which stands for a secret: give it anew" for key in masked))
        spaces = {group: _take_space(group, tree) for group in KINDS if group in tree}
        for group in KINDS:
            if group in options or self._varies(group, tree):
                self._drop_foreign_values(group, tree[group])
        tree["options"] = {group: choices[group] for group in KINDS if choices.get(group)}
        try:
            config = Config.from_tree(tree)
        except ConfigError as error:
            raise ConfigError(*(about_text(problem, self._typed_values()) for problem in error.problems)) from error
        return Composed(config, spaces, {a: choices[a] for a in ACTIONS if choices.get(a)})

    def _varies(self, group: str, tree: dict[str, Any]) -> bool:
        search = tree.get("search")
        if not isinstance(search, dict) or group in self.overrides.options:
            return False
        choose = search.get("choose")
        return (isinstance(choose, dict) and bool(choose.get(group))) or group in compared_groups(search)

    def _drop_foreign_values(self, group: str, node: Any) -> None:
        """Values given for a group that varies go to those of its options that have them."""
        kind = KINDS[group].get(str(node.get("kind"))) if isinstance(node, dict) else None
        if kind is not None:
            for name in set(self.overrides.fixed_values(group)) - {f.name for f in fields(kind) if f.init}:
                node.pop(name, None)

    @contextmanager
    def _hydra(self) -> Iterator[None]:
        search_path = create_config_search_path(str(conf_dir().resolve()))
        if self.command.config_dir is not None:
            search_path.prepend("user", f"file://{self.command.config_dir.resolve()}")
        GlobalHydra.instance().clear()
        Hydra.create_main_hydra2(task_name="hpsearch", config_search_path=search_path)
        try:
            yield
        finally:
            GlobalHydra.instance().clear()


def _differs_only_in(group: str, base: Composed, other: Composed) -> bool:
    changed: dict[str, Any] = {group: getattr(other.config, group)}
    names = {**base.config.options, group: other.config.options[group]}
    same = replace(base.config, options=names, **changed) == other.config
    return same and {**base.spaces, group: other.spaces[group]} == other.spaces and base.actions == other.actions


def _take_space(group: str, tree: dict[str, Any]) -> dict[str, Any]:
    node = tree[group]
    return as_space(group, node.pop("space", None) if isinstance(node, dict) and group != "search" else None)


def as_space(group: str, space: object) -> dict[str, Any]:
    """What an option file has under `space`, which may be nothing.

    Raises:
        ConfigError: If that is no mapping.
    """
    if space is None:
        return {}
    if not isinstance(space, dict):
        raise ConfigError(f"{group}.space must hold names and their bounds, got {space!r}")
    return space


def options_of(group: str, config_dir: Path | None) -> list[str]:
    """The names of a group's option files, the user's included; Hydra's own listing takes 0.1 s."""
    folders = [conf_dir(), *([config_dir] if config_dir else [])]
    return sorted({path.stem for folder in folders for path in (folder / group).glob("*.yaml")})


def _require_primary(config_dir: Path | None, name: str) -> None:
    folders = [*([config_dir] if config_dir else []), conf_dir()]
    file = f"{name.removesuffix('.yaml')}.yaml"
    if len(file) > LONGEST or not any((folder / file).is_file() for folder in folders):
        how = f"there is none in {config_dir}" if config_dir else "give its folder by --config-dir"
        raise ConfigError(f"--config-name {name} names the file {file}: {how}")


LONGEST = 255
"""Characters of a key, or of the name of a file: file systems know no longer names, and Hydra looks for such files."""


def _parse(arguments: Sequence[str]) -> list[Override]:
    parsed, problems = [], []
    for argument in arguments:
        try:
            found = OverridesParser.create().parse_overrides([argument])
            too_long = [key for each in found if len(key := each.key_or_group) > LONGEST]
            problems += [f"{key[:20]}… is not a key: it has {len(key)} characters" for key in too_long]
            parsed += found
        except HydraException as error:
            problems.append(f"{mask_override(argument)!r} is no override: {_way_out(mask_override(argument), error)}")
    if problems:
        raise ConfigError(*problems)
    return parsed


def _resolved(key: str, value: Any) -> Any:
    try:
        found = OmegaConf.to_object(OmegaConf.create({"value": value}))
    except OmegaConfBaseException as error:
        raise ConfigError(about_reference(error, {key: value}, key) or _readable(error)) from error
    assert isinstance(found, dict)
    return found["value"]


def _readable(error: Exception) -> str:
    text = str(error)
    return " ".join(
        line.strip() for line in text.splitlines() if "object_type=" not in line and "full_key:" not in line
    )


def _way_out(argument: str, error: Exception) -> str:
    key, equals, value = argument.partition("=")
    if not (equals and re.fullmatch(r"[+\w./]+", key)):
        return "write key=value, or group=option"
    if value.startswith(("[", "{")):
        return f"{str(error).splitlines()[0].strip()} (a list reads '{key}=[a,b]', a mapping '{key}={{a: 1}}')"
    quoted = in_quotes(value) if "${" in value else hydra_quoted(value)  # a reference is to stay one
    return f"this value needs quotes inside the shell's quotes, {shell_quoted(f'{key}={quoted}')}"
