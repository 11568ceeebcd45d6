"""Composes option files and overrides into a `Config` and the search spaces of its options, with Hydra."""

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
from hpsearch.config.schema import SEARCHABLE
from hpsearch.config.search import OWN_DEFAULT, compared_groups
from hpsearch.quoting import hydra_quoted, in_quotes, shell_quoted
from hpsearch.search.space import Composed
from hpsearch.secrets import MASK, mask_override, mask_secrets, masked_keys

FAULTS = (GrammarParseError, InterpolationResolutionError)


def about_reference(error: Exception, typed: Mapping[str, Any], key: str | None = None) -> str | None:
    """Return the message about a `${…}` that cannot be resolved, with the spelling of the literal text.

    Args:
        error: An error of composing.
        typed: The values of the command line, by key.
        key: The key of the value; None: that of the error.

    Returns:
        The message; None if the error has another cause.
    """
    cause = error if isinstance(error, FAULTS) else error.__cause__
    if not isinstance(cause, FAULTS):
        return None
    key = key or str(cause.full_key)
    value = typed.get(key)
    literal = shell_quoted(f"{key}={hydra_quoted(value)}") if isinstance(value, str) else "\\${…}"
    return (
        f"{key} cannot be read: {str(cause).splitlines()[0]}; ${{…}} stands for the value of another key, such as "
        f"${{seed}}: for the text itself, write {literal}"
    )


def about_text(problem: str, typed: Mapping[str, Any]) -> str:
    """Append advice to a message that begins with a key, if its value is text read from the environment."""
    for key, value in typed.items():
        if isinstance(value, str) and value.startswith("${oc.env:") and problem.startswith(f"{key} must be"):
            decoded = shell_quoted(f"{key}={in_quotes('${oc.decode:' + value + '}')}")
            return f"{problem}; a variable of the environment is text, which oc.decode reads as a value: {decoded}"
    return problem


ACTIONS = ("sweep", "final", "report")
"""Config groups whose options select an action; they are added with `+`."""


def conf_dir() -> Path:
    """Return the folder of hpsearch's own option files: in the installed package, or beside a checkout's `src`."""
    package = Path(__file__).parents[1]
    installed = package / "conf"
    return installed if installed.is_dir() else package.parents[1] / "conf"


class Composer:
    """Composes the command line's overrides with any options; caches its results.

    Args:
        arguments: Overrides in Hydra's grammar, as on the command line.
        config_dir: A folder of the user's own options; searched first.
        config_name: The primary configuration file.

    Raises:
        ConfigError: If an override cannot be parsed or names an unknown option, or the folder or the primary file does
            not exist.
    """

    def __init__(self, arguments: Sequence[str], config_dir: Path | None = None, config_name: str = "config") -> None:
        _require_primary(config_dir, config_name)
        self.command = Command(tuple(arguments), config_dir, config_name)
        self._cache: dict[tuple[tuple[str, str], ...], Composed] = {}
        self._interpolates = False
        self._groups = {group: options_of(group, config_dir) for group in [*KINDS, *ACTIONS]}
        self.overrides: Overrides = read_overrides(_parse(arguments), self._groups, config_dir)

    def compose(self, options: Mapping[str, str] | None = None) -> Composed:
        """Return the configuration with these options in place of the default ones.

        Args:
            options: Group to option, for groups that the command line does not set.

        Raises:
            ConfigError: With every invalid key.
        """
        options = dict(options or {})
        key = tuple(sorted(options.items()))
        if key not in self._cache:
            assembled = self._assemble(options) if len(options) > 1 else None
            self._cache[key] = assembled or self._compose(options)
        return self._cache[key]

    def compose_uncovered(self) -> Composed:
        """Return the configuration without the settings that a stored sweep records: options, data, values.

        Raises:
            ConfigError: With every invalid key.
        """
        return self._compose({}, self.overrides.uncovered())

    def given_values(self) -> dict[str, Any]:
        """Return the values set on the command line, by key.

        Raises:
            ConfigError: If one refers to another key.
        """
        return {key: _resolved(key, value) for key, value in self._typed_values().items()}

    def _typed_values(self) -> dict[str, Any]:
        arguments = [argument.lstrip("+") for argument in self.overrides.values.values()]
        return {override.key_or_group: override.value() for override in _parse(arguments)}

    def printable(self) -> str:
        """Return the composed configuration as YAML, with secrets masked."""
        tree = mask_secrets(self.compose().config.to_tree())
        text: str = OmegaConf.to_yaml(OmegaConf.create(tree))
        return text

    def known_options(self, group: str) -> list[str]:
        """Return the names of a group's option files."""
        return self._groups[group]

    def _assemble(self, options: dict[str, str]) -> Composed | None:
        """Combine one cached composition per option, which saves 0.1 s per trial.

        Returns:
            What composing would return; None if that differs, because an option sets keys of other groups or keys are
            interpolated.
        """
        base = whole = self.compose()
        for group, option in options.items():
            single = self.compose({group: option})
            if self._interpolates or _with_group(base, group, single) != single:
                return None
            whole = _with_group(whole, group, single)
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
        control = self._control(config) if not options else self.compose().config.search.control
        config = replace(config, search=replace(config.search, control=control))
        return Composed(config, spaces, {a: choices[a] for a in ACTIONS if choices.get(a)})

    def _control(self, config: Config) -> str | None:
        """Return the level that others are compared with, which by default is the compared group's default option."""
        search, group = config.search, config.search.compare
        if search.control != OWN_DEFAULT:
            return search.control
        if group not in SEARCHABLE:
            return None
        default = config.options[group]
        return default if default in search.compared_options(group, self._groups[group]) else None

    def _varies(self, group: str, tree: dict[str, Any]) -> bool:
        search = tree.get("search")
        if not isinstance(search, dict) or group in self.overrides.options:
            return False
        choose = search.get("choose")
        return (isinstance(choose, dict) and bool(choose.get(group))) or group in compared_groups(search)

    def _drop_foreign_values(self, group: str, node: Any) -> None:
        # The command line may set, for a group that varies, keys of some of its options alone.
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


def _with_group(base: Composed, group: str, other: Composed) -> Composed:
    """Return `base` with the option of one group, and its space, taken from another composition."""
    changed: dict[str, Any] = {group: getattr(other.config, group)}
    names = {**base.config.options, group: other.config.options[group]}
    spaces = {**base.spaces, group: other.spaces[group]}
    return Composed(replace(base.config, options=names, **changed), spaces, base.actions)


def _take_space(group: str, tree: dict[str, Any]) -> dict[str, Any]:
    node = tree[group]
    return as_space(group, node.pop("space", None) if isinstance(node, dict) and group != "search" else None)


def as_space(group: str, space: object) -> dict[str, Any]:
    """Return the `space` of an option file, which may be missing.

    Raises:
        ConfigError: If it is not a mapping.
    """
    if space is None:
        return {}
    if not isinstance(space, dict):
        raise ConfigError(f"{group}.space must hold names and their bounds, got {space!r}")
    return space


def options_of(group: str, config_dir: Path | None) -> list[str]:
    """Return the names of a group's option files, including the user's; Hydra's own listing takes 0.1 s."""
    folders = [conf_dir(), *([config_dir] if config_dir else [])]
    return sorted({path.stem for folder in folders for path in (folder / group).glob("*.yaml")})


def _require_primary(config_dir: Path | None, name: str) -> None:
    if config_dir is not None and not config_dir.is_dir():
        raise ConfigError(f"config_dir must be a folder of option files, got {str(config_dir)!r}: there is none")
    folders = [*([config_dir] if config_dir else []), conf_dir()]
    file = f"{name.removesuffix('.yaml')}.yaml"
    if len(file) > LONGEST or not any((folder / file).is_file() for folder in folders):
        how = f"there is none in {config_dir}" if config_dir else "give its folder by --config-dir"
        raise ConfigError(f"--config-name {name} names the file {file}: {how}")


LONGEST = 255
"""Maximum length of a key: Hydra looks for files of this name, and file systems allow no longer ones."""


def _parse(arguments: Sequence[str]) -> list[Override]:
    parsed, problems = [], []
    for argument in arguments:
        try:
            overrides = OverridesParser.create().parse_overrides([argument])
            too_long = [key for each in overrides if len(key := each.key_or_group) > LONGEST]
            problems += [f"{key[:20]}… is not a key: it has {len(key)} characters" for key in too_long]
            parsed += overrides
        except HydraException as error:
            problems.append(f"{mask_override(argument)!r} is no override: {_way_out(mask_override(argument), error)}")
    if problems:
        raise ConfigError(*problems)
    return parsed


def _resolved(key: str, value: Any) -> Any:
    try:
        resolved = OmegaConf.to_object(OmegaConf.create({"value": value}))
    except OmegaConfBaseException as error:
        raise ConfigError(about_reference(error, {key: value}, key) or _readable(error)) from error
    assert isinstance(resolved, dict)
    return resolved["value"]


def _readable(error: Exception) -> str:
    lines = str(error).splitlines()
    return " ".join(line.strip() for line in lines if "object_type=" not in line and "full_key:" not in line)


def _way_out(argument: str, error: Exception) -> str:
    key, equals, value = argument.partition("=")
    if not (equals and re.fullmatch(r"[+\w./]+", key)):
        return "write key=value, or group=option"
    if value.startswith(("[", "{")):
        return f"{str(error).splitlines()[0].strip()} (a list reads '{key}=[a,b]', a mapping '{key}={{a: 1}}')"
    quoted = in_quotes(value) if "${" in value else hydra_quoted(value)  # keeps a reference
    return f"this value needs quotes inside the shell's quotes, {shell_quoted(f'{key}={quoted}')}"
