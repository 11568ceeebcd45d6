"""From `search.compare`, `search.levels` or `search.cross` to the levels of a comparison, each with its own space."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from hpsearch.compose.composer import Composer
from hpsearch.compose.search_space import Comparison, Request, groups_without_effect, plan_space
from hpsearch.config import KINDS, Config, ConfigError
from hpsearch.config.conversion import nearest
from hpsearch.config.schema import SEARCHABLE, TUNABLE, UNCOVERED
from hpsearch.config.search import Search, compared_groups
from hpsearch.config.synonyms import nearest_option
from hpsearch.records import NO_LEVEL, Value
from hpsearch.search.levels import Level
from hpsearch.search.space import Composed

LONGEST_NAME = 60
"""Characters of a level's name, which stands in tables and figures."""


@dataclass(frozen=True, slots=True)
class _LevelSpec:
    """A level as it was asked for.

    Attributes:
        options: Group to option.
        values: Key to value, as `{"optimizer.lr": 0.1}`.
    """

    options: dict[str, str]
    values: dict[str, Value] = field(default_factory=dict)


def plan_levels(composer: Composer, base: Composed) -> tuple[Level, ...]:
    """The levels of the sweep that a command line asks for; one called `NO_LEVEL` where nothing is compared.

    Raises:
        ConfigError: With each contradiction, of the comparison itself or of the space of a level.
    """
    if not base.config.search.compares:
        space = plan_space(composer.compose, composer.overrides, composer.known_options)
        return (Level(NO_LEVEL, base, space, composer.compose),)
    return _LevelPlanner(composer, base).levels()


@dataclass(slots=True)
class _LevelPlanner:
    composer: Composer
    base: Composed
    problems: list[str] = field(default_factory=list)

    @property
    def search(self) -> Search:
        return self.base.config.search

    def levels(self) -> tuple[Level, ...]:
        """Every level, or a refusal with everything that is wrong."""
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
        """An option of the compared factor cannot be given; a list of options can, unless the levels are named."""
        search = self.search
        by = next(key for key in ("compare", "levels", "cross") if getattr(search, key))
        for group in sorted(search.compared):
            known = SEARCHABLE if by != "levels" else (*TUNABLE, "data")
            if group not in known:
                self.problems.append(f"search.{by}: {group} is no group that can be compared: {nearest(group, known)}")
            elif group in self.composer.overrides.options and group != "data":
                given = f"{group}={self.composer.overrides.options[group]}"
                way_out = f"write {group} into each level" if by == "levels" else "drop one of the two"
                self.problems.append(f"{given} contradicts search.{by}, which compares {group}: {way_out}")
            elif by == "levels" and f"search.choose.{group}" in self.composer.overrides.values:
                self.problems.append(
                    f"search.choose.{group} and search.levels both choose {group}: drop one of the two"
                )

    def _level_specs(self) -> dict[str, _LevelSpec]:
        """The levels by name, in the order given."""
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
        """The options of a compared group: those of `search.choose`, or else all there are."""
        known = self.composer.known_options(group)
        options = self.search.chosen(group) or known
        for option in options:
            if option not in known:
                self.problems.append(
                    f"search.choose.{group}: {option} is not an option: {nearest_option(group, option, known)}"
                )
        if len(set(options)) < len(options):
            self.problems.append(f"search.choose.{group} must not repeat an option, got {options}")
        if "custom" in options and not self.search.chosen(group):
            return [option for option in options if option != "custom"]  # nobody said which code
        return options

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
                self.problems.append(
                    f"search.levels.{name}: {key} changes the rows: of data only data.limit is compared"
                )
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
            self.problems.append(f"search.control={control} is not a level: {nearest(control, names)}")

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
        """Two levels that are the same configuration would compare a thing with itself."""
        seen: dict[str, str] = {}
        for name, level in composed.items():
            tree = repr((level.config.fingerprinted(), level.spaces))
            if tree in seen:
                self.problems.append(f"search.levels: {seen[tree]} and {name} are the same configuration")
            seen.setdefault(tree, name)

    def _check_effects(self, composed: Mapping[str, Composed]) -> None:
        models = {level.config.model.kind for level in composed.values()}
        groups = {group for level in composed.values() for group in self._groups(level)}
        by = next(key for key in ("compare", "levels", "cross") if getattr(self.search, key))
        self.problems += groups_without_effect(
            models, {group: Request(f"search.{by} of {group}") for group in sorted(groups)}
        )

    def _groups(self, level: Composed) -> set[str]:
        """The compared groups that a level takes another option of than the base."""
        return {group for group, option in level.config.options.items() if option != self.base.config.options[group]}

    def _check_given_values(self, composed: Mapping[str, Composed]) -> None:
        """A value given for a compared group must belong to at least one level."""
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
    """The configuration with these keys set.

    Raises:
        ConfigError: If a key is unknown, or its value wrong.
    """
    tree = config.to_tree()
    for key, value in values.items():
        group, _, name = key.partition(".")
        if group not in KINDS or group in UNCOVERED or group == "search" or "." in name:
            raise ConfigError(f"search.levels: {key} is no value of an option: write <group>.<name>, as optimizer.lr")
        tree[group][name] = value
    return Config.from_tree(tree)
