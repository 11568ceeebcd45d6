"""Expands `search.compare`, `search.levels` or `search.cross` into levels, each with its own search space."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from hpsearch.compose.composer import Composer
from hpsearch.compose.overrides import Command
from hpsearch.compose.search_space import Comparison, Request, groups_without_effect, plan_space
from hpsearch.config import KINDS, Config, ConfigError
from hpsearch.config.conversion import nearest
from hpsearch.config.schema import SEARCHABLE, TUNABLE, UNCOVERED
from hpsearch.config.search import Search, compared_groups
from hpsearch.config.synonyms import nearest_option
from hpsearch.quoting import hydra_quoted
from hpsearch.records import NO_LEVEL, Value
from hpsearch.search.levels import Level
from hpsearch.search.space import Composed

LONGEST_NAME = 60
"""Maximum length of a level's name, which appears in tables and figures."""


@dataclass(frozen=True, slots=True)
class _LevelSpec:
    """A level as configured: options by group and values by key, such as `{"optimizer.lr": 0.1}`."""

    options: dict[str, str]
    values: dict[str, Value] = field(default_factory=dict)


def plan_levels(composer: Composer, base: Composed) -> tuple[Level, ...]:
    """Return the levels of a sweep; without a comparison, a single one called `NO_LEVEL`.

    Raises:
        ConfigError: With each contradiction in the comparison or in the space of a level.
    """
    if not base.config.search.compares:
        space = plan_space(composer.compose, composer.overrides, composer.known_options)
        return (Level(NO_LEVEL, base, space, composer.compose),)
    return _LevelPlanner(composer, base).levels()


def on_each_data_set(composer: Composer, base: Composed) -> tuple[str, dict[str, Command]]:
    """The name of a comparison on several data sets, and the command of the sweep on each of them.

    Raises:
        ConfigError: If an entry of `search.datasets` is no option of `data`, or the command line gives one, too.
    """
    search, overrides, known = base.config.search, composer.overrides, composer.known_options("data")
    if "data" in overrides.options:
        raise ConfigError(f"data={overrides.options['data']} and search.datasets both name data: drop one of the two")
    problems = [
        f"search.datasets: {data} is not an option of data: {nearest_option('data', data, known)}"
        for data in search.datasets
        if data not in known
    ]
    if problems:
        raise ConfigError(*problems)
    name, command = base.config.name or base.actions.get("sweep", "comparison"), composer.command
    kept = [*command.without("search.datasets", "name"), "search.datasets=[]"]
    own = {data: (*kept, f"data={data}", f"name={hydra_quoted(f'{name}-{data}')}") for data in search.datasets}
    return name, {data: replace(command, overrides=given) for data, given in own.items()}


@dataclass(slots=True)
class _LevelPlanner:
    composer: Composer
    base: Composed
    problems: list[str] = field(default_factory=list)

    @property
    def search(self) -> Search:
        return self.base.config.search

    @property
    def key(self) -> str:
        return next(key for key in ("compare", "levels", "cross") if getattr(self.search, key))

    def levels(self) -> tuple[Level, ...]:
        self._refuse_fixed_groups()
        specs = {} if self.problems else self._level_specs()
        self._check_names(specs)
        self._raise()
        composed = {name: self._composed(spec, {}) for name, spec in specs.items()}
        self._raise()
        self._check_distinct(composed)
        self._check_effects(composed)
        self._check_given_values(composed)
        self._raise()
        return tuple(self._level(name, spec, composed) for name, spec in specs.items())

    def _raise(self) -> None:
        if self.problems:
            raise ConfigError(*dict.fromkeys(self.problems))

    def _refuse_fixed_groups(self) -> None:
        """Refuse a single option of a compared group, and a list of its options beside named levels."""
        key, overrides = self.key, self.composer.overrides
        for group in sorted(self.search.compared):
            comparable = SEARCHABLE if key != "levels" else (*TUNABLE, "data")
            if group not in comparable:
                hint = nearest(group, comparable)
                self.problems.append(f"search.{key}: {group} is no group that can be compared: {hint}")
            elif group in overrides.options and group != "data":
                option = f"{group}={overrides.options[group]}"
                way_out = f"write {group} into each level" if key == "levels" else "drop one of the two"
                self.problems.append(f"{option} contradicts search.{key}, which compares {group}: {way_out}")
            elif key == "levels" and f"search.choose.{group}" in overrides.values:
                choose = f"search.choose.{group}"
                self.problems.append(f"{choose} and search.levels both choose {group}: drop one of the two")

    def _level_specs(self) -> dict[str, _LevelSpec]:
        search = self.search
        if search.levels:
            return {str(name): self._level_spec(str(name), level) for name, level in search.levels.items()}
        groups = [search.compare] if search.compare else search.cross
        if len(set(groups)) < len(groups) or (search.cross and len(groups) < 2):
            self.problems.append(f"search.cross must name two groups or more, each once, got {groups}")
        chosen = [self._options(group) for group in groups]
        return {
            "+".join(options): _LevelSpec(dict(zip(groups, options, strict=True)))
            for options in itertools.product(*chosen)
        }

    def _options(self, group: str) -> list[str]:
        """Return the options of a compared group: those of `search.choose`, else all."""
        search, known = self.search, self.composer.known_options(group)
        chosen = search.chosen(group)
        for option in chosen:
            if option not in known:
                hint = nearest_option(group, option, known)
                self.problems.append(f"search.choose.{group}: {option} is not an option: {hint}")
        if len(set(chosen)) < len(chosen):
            self.problems.append(f"search.choose.{group} must not repeat an option, got {chosen}")
        return search.compared_options(group, known)

    def _level_spec(self, name: str, level: object) -> _LevelSpec:
        spec = _LevelSpec({})
        if not isinstance(level, Mapping) or not level:
            self.problems.append(f"search.levels.{name} must hold options and values, got {level!r}")
            return spec
        for key, value in level.items():
            group, dot, _ = str(key).partition(".")
            if not dot:
                known = self.composer.known_options(group) if group in SEARCHABLE else []
                option = "none" if value is None else str(value)
                if option not in known:
                    hint = nearest_option(group, option, known)
                    self.problems.append(f"search.levels.{name}: {group}={option} is not an option: {hint}")
                spec.options[group] = option
            elif group == "data" and str(key) != "data.limit":
                rule = f"{key} changes the rows: of data only data.limit is compared"
                self.problems.append(f"search.levels.{name}: {rule}")
            elif str(key) in self.composer.overrides.values:
                self.problems.append(f"{key} is given a value and search.levels.{name} another: drop one of the two")
            else:
                spec.values[str(key)] = value
        return spec

    def _check_names(self, specs: Mapping[str, _LevelSpec]) -> None:
        names = list(specs)
        for name in names:
            if not name.strip() or name == NO_LEVEL or len(name) > LONGEST_NAME or not name.isprintable():
                rule = f"must be 1 to {LONGEST_NAME} printable characters, and not {NO_LEVEL!r}"
                self.problems.append(f"search.levels: the name of a level {rule}, got {name!r}")
        if len(names) == 1 and not self.problems:
            self.problems.append(f"a comparison needs at least two levels, got {names[0]!r} alone")
        control = self.search.control
        if control is not None and names and control not in names:
            hint = f"{nearest(control, names)}; null compares all pairs"
            self.problems.append(f"search.control={control} is not a level: {hint}")

    def _composed(self, spec: _LevelSpec, options: Mapping[str, str]) -> Composed:
        composed = self.composer.compose({**spec.options, **options})
        if not spec.values:
            return composed
        try:
            return replace(composed, config=_with_values(composed.config, spec.values))
        except ConfigError as error:
            self.problems += error.problems
            return composed

    def _check_distinct(self, composed: Mapping[str, Composed]) -> None:
        seen: dict[str, str] = {}
        for name, level in composed.items():
            tree = repr((level.config.fingerprinted(), level.spaces))
            if tree in seen:
                self.problems.append(f"search.levels: {seen[tree]} and {name} are the same configuration")
            seen.setdefault(tree, name)

    def _check_effects(self, composed: Mapping[str, Composed]) -> None:
        models = {level.config.model.kind for level in composed.values()}
        chosen = {pair for level in composed.values() for pair in level.config.options.items()}
        groups = {group for group, option in chosen if option != self.base.config.options[group]}
        requests = {group: Request(f"search.{self.key} of {group}") for group in sorted(groups)}
        self.problems += groups_without_effect(models, requests)

    def _check_given_values(self, composed: Mapping[str, Composed]) -> None:
        # A value set for a compared group must belong to at least one level.
        for group in compared_groups({"compare": self.search.compare, "cross": self.search.cross}):
            names = {f.name for level in composed.values() for f in fields(getattr(level.config, group)) if f.init}
            for name, key in self.composer.overrides.fixed_values(group).items():
                if name not in names:
                    hint = nearest(name, names - {"kind"})
                    self.problems.append(f"{key} is not a key of any level of {group}: {hint}")

    def _level(self, name: str, spec: _LevelSpec, composed: Mapping[str, Composed]) -> Level:
        def compose(options: Mapping[str, str]) -> Composed:
            return self._composed(spec, options)

        fixed = {key: f"search.levels.{name}.{key}" for key in spec.values}
        comparison = Comparison(frozenset(self.search.compared & set(SEARCHABLE)), fixed, tuple(composed.values()))
        try:
            space = plan_space(compose, self.composer.overrides, self.composer.known_options, comparison)
        except ConfigError as error:
            raise ConfigError(*(f"level {name}: {problem}" for problem in error.problems)) from error
        return Level(name, composed[name], space, compose, spec.options, spec.values)


def _with_values(config: Config, values: Mapping[str, Any]) -> Config:
    tree = config.to_tree()
    for key, value in values.items():
        group, _, name = key.partition(".")
        if group not in KINDS or group in UNCOVERED or group == "search" or "." in name:
            raise ConfigError(f"search.levels: {key} is no value of an option: write <group>.<name>, as optimizer.lr")
        tree[group][name] = value
    return Config.from_tree(tree)
