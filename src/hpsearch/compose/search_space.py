"""Builds the search space of a sweep from overrides and composed configurations; refuses contradictions."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from hpsearch.compose.overrides import Overrides, SpaceEdit
from hpsearch.config import KINDS, ConfigError
from hpsearch.config.conversion import nearest
from hpsearch.config.model import NO_HIDDEN_UNITS, CustomModel
from hpsearch.config.option import Option
from hpsearch.config.schema import OPTION_GROUPS, SEARCHABLE, TUNABLE, OwnCode
from hpsearch.config.synonyms import nearest_option
from hpsearch.config.training import CustomLoss
from hpsearch.search.space import Choices, Composed, Dimension, Space, merged_bounds, option_space, searchable
from hpsearch.secrets import mask_secrets


@dataclass(frozen=True, slots=True)
class Request:
    """An override or a file that sets a group.

    Attributes:
        key: The override or its key, such as `search.choose.norm`.
        source: The file that sets it, such as `+sweep=mnist`; None for the command line.
    """

    key: str
    source: str | None = None

    def refusal(self, model: str, advice: str, choice: str) -> str:
        """Return the message that it has no effect.

        Args:
            model: The model on which it has none.
            advice: How to fix it on the command line.
            choice: The list of options that overrides a file, whose setting cannot be dropped.
        """
        if self.source is None:
            return f"{self.key} has no effect on {model}: {advice}"
        return f"{self.key} of {self.source} has no effect on {model}: add '{self.key}={choice}'"


def groups_without_effect(models: Collection[str], requests: Mapping[str, Request]) -> list[str]:
    """Return a message for each requested group that no model of a trial reads.

    Args:
        models: Kinds of model that a trial may take.
        requests: Group to its request.
    """
    model = f"model={' or '.join(sorted(models))}"
    return [
        request.refusal(model, "drop it", "[]")
        for group, request in requests.items()
        if group in OPTION_GROUPS and OPTION_GROUPS[group].unread_by >= set(models)
    ]


def adamw_without_decay(base: Composed, options_of: Callable[[str], list[Composed]]) -> str | None:
    """Return the warning about AdamW in a sweep without weight decay; None if it does not apply.

    Args:
        base: The configuration with the default options.
        options_of: Returns each option of a group that a trial may take, composed.
    """
    tuned = "regularization" in base.config.search.tune
    for composed in options_of("regularization"):
        decay = composed.config.regularization.weight_decay
        if decay > 0 or (tuned and "weight_decay" in composed.spaces["regularization"]):
            return None
    if any(composed.config.optimizer.kind == "adamw" for composed in options_of("optimizer")):
        return "adamw without weight decay is adam: add regularization=weight_decay"
    return None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The comparison of which a space is one level.

    Attributes:
        compared: Groups whose options distinguish the levels and do not vary within one.
        fixed: Key of each value that the level sets, as `{"optimizer.lr": "search.levels.fast.optimizer.lr"}`.
        levels: Every level, composed.
    """

    compared: frozenset[str] = frozenset()
    fixed: Mapping[str, str] = field(default_factory=dict)
    levels: Sequence[Composed] = ()


def plan_space(
    compose: Callable[[Mapping[str, str]], Composed],
    overrides: Overrides,
    known_options: Callable[[str], list[str]],
    comparison: Comparison | None = None,
) -> Space:
    """Return the search space that a command line configures.

    Args:
        compose: Composes with these options in place of the default ones.
        overrides: The settings of the command line.
        known_options: Returns the names of a group's option files.
        comparison: The comparison, for the space of a level.

    Raises:
        ConfigError: With each contradiction: an option both set and searched, an edit of a space that is not sampled,
            an unknown option, group or name.
    """
    planner = _SpacePlanner(compose, overrides, known_options, compose({}), comparison or Comparison())
    planner.vary_options()
    planner.require_tunable_groups()
    if not planner.problems:
        planner.read_edits_of_options()
        planner.read_edits_of_groups()
        planner.build_dimensions()
        planner.refuse_foreign_values()
        planner.refuse_replaced_values()
        planner.refuse_secrets()
        planner.refuse_options_without_effect()
    if planner.problems:
        raise ConfigError(*dict.fromkeys(planner.problems))
    return Space(planner.varied, {key: by_name for key, by_name in planner.dimensions.items() if by_name})


@dataclass(slots=True)
class _SpacePlanner:
    compose: Callable[[Mapping[str, str]], Composed]
    overrides: Overrides
    known_options: Callable[[str], list[str]]
    base: Composed
    comparison: Comparison
    varied: dict[str, tuple[str, ...]] = field(default_factory=dict)
    edits: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    dimensions: dict[str, dict[str, Dimension]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def tuned(self) -> list[str]:
        return [group for group in TUNABLE if group in self.base.config.search.tune]

    def options_of(self, group: str) -> dict[str, Composed]:
        """Return each option of the group that a trial may take, composed."""
        if group in self.varied:
            return {option: self.compose({group: option}) for option in self.varied[group]}
        return {self.base.config.options[group]: self.base}

    def _chosen(self, group: str) -> dict[str, Option]:
        return {option: getattr(composed.config, group) for option, composed in self.options_of(group).items()}

    def fixed(self, group: str, composed: Composed) -> dict[str, str]:
        """Return the names of an option's space that are not sampled, each with the key that sets or replaces it."""
        option: Option = getattr(composed.config, group)
        own = self.overrides.kwargs.get(group, {}) if isinstance(option, OwnCode) else {}
        if isinstance(option, CustomModel | CustomLoss):
            return own
        fixed = self.overrides.fixed_values(group) | own
        by_level = {key.partition("."): source for key, source in self.comparison.fixed.items()}
        fixed |= {name: source for (owner, _, name), source in by_level.items() if owner == group}
        for key, replaced in option.replaces.items():
            if getattr(option, key) is not None:
                fixed |= {name: fixed.get(name, f"{group}.{key}") for name in replaced}
        return fixed

    def vary_options(self) -> None:
        for group in SEARCHABLE:
            options = self.base.config.search.chosen(group)
            key = f"search.choose.{group}"
            if group in self.comparison.compared:
                continue
            if group in self.overrides.options:
                if key in self.overrides.values:
                    option = f"{group}={self.overrides.options[group]}"
                    self.problems.append(f"{option} and {key} contradict each other: drop one of the two")
                continue
            known = self.known_options(group)
            unknown = [option for option in options if option not in known]
            for option in unknown:
                self.problems.append(f"{key}: {option} is not an option: {nearest_option(group, option, known)}")
            if len(set(options)) < len(options):
                self.problems.append(f"{key} must not repeat an option, got {options}")
            if options and not unknown:
                self.varied[group] = tuple(options)

    def require_tunable_groups(self) -> None:
        for group in self.base.config.search.tune:
            if group not in TUNABLE:
                hint = nearest(group, TUNABLE)
                self.problems.append(f"search.tune: {group} is not a group that can be tuned: {hint}")

    def read_edits_of_options(self) -> None:
        """Read `search.space.<group>.<option>.<name>`, which applies to one option."""
        for group, by_option in self.base.config.search.space.items():
            key = f"search.space.{group}"
            if group not in self.tuned:
                if group not in TUNABLE or self._is_given(key):
                    self.problems.append(self._edit_without_effect(key, group))
            elif not isinstance(by_option, Mapping):
                self.problems.append(f"{key} must hold options and names, got {by_option!r}")
            else:
                self._read_edits_of_one_group(group, by_option)

    def _read_edits_of_one_group(self, group: str, by_option: Mapping[str, Any]) -> None:
        for option, by_name in by_option.items():
            key = f"search.space.{group}.{option}"
            if option not in self.options_of(group):
                elsewhere = any(level.config.options[group] == str(option) for level in self.comparison.levels)
                if not elsewhere and (option not in self.known_options(group) or self._is_given(key)):
                    hint = nearest(str(option), self.options_of(group))
                    self.problems.append(f"{key} has no effect, since no trial takes {group}={option}: {hint}")
            elif not isinstance(by_name, Mapping):
                self.problems.append(f"{key} must hold names and their bounds, got {by_name!r}")
            else:
                fixed = self.fixed(group, self.options_of(group)[option])
                self.edits[group, str(option)] = {
                    name: self._without_replaced(f"{key}.{name}", change)
                    for name, change in by_name.items()
                    if name not in fixed or self._is_given(f"{key}.{name}")
                }

    def _without_replaced(self, key: str, change: Any) -> Any:
        """Drop the choices of a file where the command line sets a range, and its range where it sets choices."""
        given = self.overrides.bounds.get(key, set())
        if not isinstance(change, Mapping) or not given:
            return change
        replaced = {"low", "high", "log", "step"} if "choices" in given else {"choices"}
        return {bound: value for bound, value in change.items() if bound in given or bound not in replaced}

    def _is_given(self, key: str) -> bool:
        # Only edits on the command line must have an effect; those of an action's file need not.
        return any(
            f"{value}.".startswith(f"{key}.") or f"{key}.".startswith(f"{value}.") for value in self.overrides.values
        )

    def read_edits_of_groups(self) -> None:
        """Read `<group>.space.<name>`, which applies to every chosen option that has the name."""
        for edit in self.overrides.edits:
            key = f"{edit.group}.space.{edit.name}"
            if edit.group not in self.tuned:
                self.problems.append(self._edit_without_effect(key, edit.group))
                continue
            chosen = self._chosen(edit.group)
            spaces = {option: composed.spaces[edit.group] for option, composed in self.options_of(edit.group).items()}
            affected = [option for option in spaces if edit.name in spaces[option]]
            if not any(edit.name in level.spaces[edit.group] for level in self.comparison.levels):
                affected = affected or [name for name, option in chosen.items() if edit.name in searchable(option)]
                # The user's own code may have any keyword argument.
                affected = affected or [name for name, own in chosen.items() if isinstance(own, OwnCode)]
            if not affected and not self._is_in_some_level(edit):
                names = {name for space in spaces.values() for name in space}
                names |= {name for option in chosen.values() for name in searchable(option)}
                self.problems.append(f"{key}: no chosen option has {edit.name}: {nearest(edit.name, names)}")
            change = edit.value if edit.bound is None else {edit.bound: edit.value}
            for option in affected:
                by_name = self.edits.setdefault((edit.group, option), {})
                old = by_name.get(edit.name, {})
                by_name[edit.name] = merged_bounds(old, change) if isinstance(change, Mapping) else change

    def _is_in_some_level(self, edit: SpaceEdit) -> bool:
        group = edit.group
        levels = self.comparison.levels
        return any(edit.name in {*each.spaces[group], *searchable(getattr(each.config, group))} for each in levels)

    def build_dimensions(self) -> None:
        for group in self.tuned:
            for option, composed in self.options_of(group).items():
                fixed = self.fixed(group, composed)
                try:
                    self.dimensions[f"{group}.{option}"] = option_space(
                        composed, group, self.edits.get((group, option), {}), fixed
                    )
                except ConfigError as error:
                    self.problems += error.problems

    def refuse_options_without_effect(self) -> None:
        """Refuse what no model that a trial may take reads."""
        models = {composed.config.model.kind for composed in self.options_of("model").values()}
        options = self.overrides.options.items()
        requests = {group: Request(f"{group}={option}") for group, option in options if option != "none"}
        action = self.base.actions.get("sweep")
        file = f"+sweep={action}" if action else "a configuration file"
        keys = {group: f"search.choose.{group}" for group in self.varied}
        requests |= {group: Request(key, None if self._is_given(key) else file) for group, key in keys.items()}
        self.problems += groups_without_effect(models, requests)
        kinds = {composed.config.regularization.kind for composed in self.options_of("regularization").values()}
        if models <= NO_HIDDEN_UNITS and {"dropout", "both"} & kinds:
            request = requests.get("regularization", Request("regularization"))
            model = f"model={' or '.join(sorted(models))}, which has no hidden units to drop"
            self.problems.append(request.refusal(model, "choose none or weight_decay", "[none,weight_decay]"))

    def refuse_secrets(self) -> None:
        # Sampled values are stored and shown everywhere.
        for place, by_name in self.dimensions.items():
            for name, dimension in by_name.items():
                values = list(dimension.values) if isinstance(dimension, Choices) else [dimension.low]
                if mask_secrets({name: values}) != {name: values}:
                    key = f"search.space.{place}.{name}"
                    self.problems.append(f"{key} looks like a secret and cannot be searched: drawn values are stored")

    def refuse_foreign_values(self) -> None:
        """Refuse a value set for a group that varies if none of its options has it."""
        for group in self.varied:
            options = self.options_of(group)
            chosen = [getattr(composed.config, group) for composed in options.values()]
            names = {f.name for option in chosen for f in fields(option) if f.init}
            for name, key in self.overrides.fixed_values(group).items():
                if name not in names:
                    hint = nearest(name, names - {"kind"})
                    self.problems.append(f"{key} is not a key of {' or '.join(options)}: {hint}")

    def refuse_replaced_values(self) -> None:
        """Refuse a value that another key replaces, such as `model.depth` beside `model.widths`."""
        for group in KINDS:
            given = self.overrides.fixed_values(group)
            for option in self._chosen(group).values():
                pairs = [(key, name) for key, names in option.replaces.items() for name in names if name in given]
                for key, name in pairs:
                    if (value := getattr(option, key)) is not None:
                        way_out = f"drop it, or give {group}.{key}=null"
                        self.problems.append(f"{group}.{name} has no effect beside {group}.{key}={value}: {way_out}")

    def _edit_without_effect(self, key: str, group: str) -> str:
        if group not in TUNABLE:
            return f"{key}: {group} is not a group that can be tuned: {nearest(group, TUNABLE)}"
        tune = ",".join([*self.base.config.search.tune, group])
        return f"{key} has no effect, since {group} is not tuned: add 'search.tune=[{tune}]'"
