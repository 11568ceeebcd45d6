"""From overrides and composed configurations to the space of a sweep, with every contradiction refused."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from hpsearch.compose.overrides import Overrides, SpaceEdit
from hpsearch.config import KINDS, ConfigError
from hpsearch.config.conversion import nearest
from hpsearch.config.model import NO_HIDDEN_UNITS, CustomModel
from hpsearch.config.option import Option
from hpsearch.config.schema import OPTION_GROUPS, SEARCHABLE, TUNABLE
from hpsearch.config.synonyms import nearest_option
from hpsearch.config.training import CustomLoss
from hpsearch.search.space import Choices, Composed, Dimension, Space, merged_bounds, option_space, searchable
from hpsearch.secrets import mask_secrets


@dataclass(frozen=True, slots=True)
class Request:
    """What asks for a group.

    Attributes:
        words: What asks for it, such as `search.choose.norm`.
        by: The file that does, such as `+sweep=mnist`; None if it was typed.
    """

    words: str
    by: str | None = None

    def refusal(self, why: str, typed: str, choice: str) -> str:
        """The sentence that it has no effect, with the way out.

        Args:
            why: Where it has none.
            typed: What helps where it was typed.
            choice: The list of options that helps where a file says it: what was not typed cannot be dropped.
        """
        if self.by is None:
            return f"{self.words} has no effect on {why}: {typed}"
        return f"{self.words} of {self.by} has no effect on {why}: add '{self.words}={choice}'"


def groups_without_effect(models: Collection[str], requests: Mapping[str, Request]) -> list[str]:
    """One sentence for each thing that was asked for and that no chosen model reads.

    Args:
        models: Kinds of model that a trial may take.
        requests: Group to what asks for it.
    """
    named = f"model={' or '.join(sorted(models))}"
    return [
        request.refusal(named, "drop it", "[]")
        for group, request in requests.items()
        if group in OPTION_GROUPS and OPTION_GROUPS[group].unread_by >= set(models)
    ]


def dropout_without_effect(models: Collection[str], regularizations: Collection[str], request: Request) -> list[str]:
    """The sentence about dropout where no chosen model has hidden units of ours to drop; none if there is no such."""
    if set(models) <= NO_HIDDEN_UNITS and {"dropout", "both"} & set(regularizations):
        named = f"model={' or '.join(sorted(models))}, which has no hidden units to drop"
        return [request.refusal(named, "choose none or weight_decay", "[none,weight_decay]")]
    return []


def adamw_without_decay(base: Composed, options_of: Callable[[str], list[Composed]]) -> str | None:
    """The sentence about AdamW in a sweep in which no weight decays; None where it says nothing.

    Args:
        base: The configuration with no option varied.
        options_of: Each option of a group that a trial may take, composed.
    """
    tuned = "regularization" in base.config.search.tune
    for found in options_of("regularization"):
        decay = found.config.regularization.weight_decay
        if decay > 0 or (tuned and "weight_decay" in found.spaces["regularization"]):
            return None
    if any(found.config.optimizer.kind == "adamw" for found in options_of("optimizer")):
        return "adamw without weight decay is adam: add regularization=weight_decay"
    return None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The comparison that a space belongs to.

    Attributes:
        compared: Groups whose options make the levels: they do not vary within one.
        fixed: Values that the level gives, as `{"optimizer.lr": "search.levels.fast.optimizer.lr"}`.
        levels: Every level, composed.
    """

    compared: frozenset[str] = frozenset()
    fixed: Mapping[str, str] = field(default_factory=dict)
    levels: Sequence[Composed] = ()

    def takes(self, group: str, option: str) -> bool:
        """Whether some level takes an option."""
        return any(level.config.options[group] == option for level in self.levels)

    def has_name(self, edit: SpaceEdit) -> bool:
        """Whether the space of some level has the name that is edited."""
        return any(
            edit.name in {*level.spaces[edit.group], *searchable(getattr(level.config, edit.group))}
            for level in self.levels
        )


def plan_space(
    compose: Callable[[Mapping[str, str]], Composed],
    overrides: Overrides,
    known: Callable[[str], list[str]],
    comparison: Comparison | None = None,
) -> Space:
    """The space of the sweep that a command line asks for.

    Args:
        compose: Composes with these options in place of the default ones.
        overrides: What the command line fixes.
        known: The names of a group's option files.
        comparison: The comparison, if it is the space of a level.

    Raises:
        ConfigError: With each contradiction: an option both given and searched, an edit of a space that is not
            sampled, an unknown option, group or name.
    """
    planning = _SpacePlanner(compose, overrides, known, compose({}), comparison or Comparison())
    planning.vary_options()
    planning.require_tunable_groups()
    if not planning.problems:
        planning.read_edits_of_options()
        planning.read_edits_of_groups()
        planning.build_dimensions()
        planning.refuse_foreign_values()
        planning.refuse_replaced_values()
        planning.refuse_secrets()
        planning.refuse_what_has_no_effect()
    if planning.problems:
        raise ConfigError(*dict.fromkeys(planning.problems))
    return Space(planning.varied, {key: found for key, found in planning.dimensions.items() if found})


@dataclass(slots=True)
class _SpacePlanner:
    compose: Callable[[Mapping[str, str]], Composed]
    overrides: Overrides
    known: Callable[[str], list[str]]
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
        """Each option of the group that a trial may take, composed."""
        if group in self.varied:
            return {option: self.compose({group: option}) for option in self.varied[group]}
        return {self.base.config.options[group]: self.base}

    def _options_with(self, edit: SpaceEdit) -> list[str]:
        """The options that have the edited value, though their space does not; a user's own code may have any."""
        own = [
            option for option, found in self._chosen(edit.group).items() if isinstance(found, CustomModel | CustomLoss)
        ]
        having = [option for option, found in self._chosen(edit.group).items() if edit.name in searchable(found)]
        return having or own

    def _chosen(self, group: str) -> dict[str, Option]:
        return {option: getattr(composed.config, group) for option, composed in self.options_of(group).items()}

    def fixed(self, group: str, composed: Composed) -> dict[str, str]:
        """Names of an option's space that are not drawn, each with the key that gives its value or stands in for it."""
        option: Option = getattr(composed.config, group)
        if isinstance(option, CustomModel | CustomLoss):
            return self.overrides.kwargs.get(group, {})
        fixed = self.overrides.fixed_values(group)
        given = {key.partition("."): by for key, by in self.comparison.fixed.items()}
        fixed |= {name: by for (owner, _, name), by in given.items() if owner == group}
        for key, others in option.replaces.items():
            if getattr(option, key) is not None:
                fixed |= {name: fixed.get(name, f"{group}.{key}") for name in others}
        return fixed

    def vary_options(self) -> None:
        for group in SEARCHABLE:
            options = self.base.config.search.chosen(group)
            key = f"search.choose.{group}"
            if group in self.comparison.compared:
                continue
            if group in self.overrides.options:
                if key in self.overrides.values:
                    given = f"{group}={self.overrides.options[group]}"
                    self.problems.append(f"{given} and {key} contradict each other: drop one of the two")
                continue
            unknown = [option for option in options if option not in self.known(group)]
            for option in unknown:
                self.problems.append(
                    f"{key}: {option} is not an option: {nearest_option(group, option, self.known(group))}"
                )
            if len(set(options)) < len(options):
                self.problems.append(f"{key} must not repeat an option, got {options}")
            if options and not unknown:
                self.varied[group] = tuple(options)

    def require_tunable_groups(self) -> None:
        for group in self.base.config.search.tune:
            if group not in TUNABLE:
                self.problems.append(
                    f"search.tune: {group} is not a group that can be tuned: {nearest(group, TUNABLE)}"
                )

    def read_edits_of_options(self) -> None:
        """`search.space.<group>.<option>.<name>`: for one option."""
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
                elsewhere = self.comparison.takes(group, str(option))
                if not elsewhere and (option not in self.known(group) or self._is_given(key)):
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
        """A changed entry without the choices, or the range, of a file that the command line gives the other for."""
        given = self.overrides.bounds.get(key, set())
        if not isinstance(change, Mapping) or not given:
            return change
        replaced = {"low", "high", "log", "step"} if "choices" in given else {"choices"}
        return {bound: value for bound, value in change.items() if bound in given or bound not in replaced}

    def _is_given(self, key: str) -> bool:
        """Whether the command line edits this: what an action's file edits may lose its effect without an error."""
        given = [f"{value}." for value in self.overrides.values]
        return any(value.startswith(f"{key}.") or f"{key}.".startswith(value) for value in given)

    def read_edits_of_groups(self) -> None:
        """`<group>.space.<name>`: for every chosen option that has the name."""
        for edit in self.overrides.edits:
            key = f"{edit.group}.space.{edit.name}"
            if edit.group not in self.tuned:
                self.problems.append(self._edit_without_effect(key, edit.group))
                continue
            spaces = {option: composed.spaces[edit.group] for option, composed in self.options_of(edit.group).items()}
            having = [option for option in spaces if edit.name in spaces[option]] or self._options_with(edit)
            if not having and not self.comparison.has_name(edit):
                names = {name for space in spaces.values() for name in space}
                names |= {name for option in self._chosen(edit.group).values() for name in searchable(option)}
                self.problems.append(f"{key}: no chosen option has {edit.name}: {nearest(edit.name, names)}")
            for option in having:
                self._apply(edit, self.edits.setdefault((edit.group, option), {}))

    @staticmethod
    def _apply(edit: SpaceEdit, by_name: dict[str, Any]) -> None:
        change = edit.value if edit.bound is None else {edit.bound: edit.value}
        old = by_name.get(edit.name, {})
        by_name[edit.name] = merged_bounds(old, change) if isinstance(change, Mapping) else change

    def build_dimensions(self) -> None:
        for group in self.tuned:
            for option, composed in self.options_of(group).items():
                fixed = self.fixed(group, composed)
                try:
                    found = option_space(composed, group, self.edits.get((group, option), {}), fixed)
                except ConfigError as error:
                    self.problems += error.problems
                else:
                    self.dimensions[f"{group}.{option}"] = found

    def refuse_what_has_no_effect(self) -> None:
        """What is asked for must reach at least one model that a trial may take."""
        models = {composed.config.model.kind for composed in self.options_of("model").values()}
        options = self.overrides.options.items()
        requests = {group: Request(f"{group}={option}") for group, option in options if option != "none"}
        requests |= {group: self._request(f"search.choose.{group}") for group in self.varied}
        self.problems += groups_without_effect(models, requests)
        kinds = {composed.config.regularization.kind for composed in self.options_of("regularization").values()}
        self.problems += dropout_without_effect(
            models, kinds, requests.get("regularization", Request("regularization"))
        )

    def _request(self, key: str) -> Request:
        action = self.base.actions.get("sweep")
        by = f"+sweep={action}" if action else "a configuration file"
        return Request(key, None if self._is_given(key) else by)

    def refuse_secrets(self) -> None:
        """What trials draw is stored and shown everywhere."""
        for place, found in self.dimensions.items():
            for name, dimension in found.items():
                drawn = list(dimension.values) if isinstance(dimension, Choices) else [dimension.low]
                if mask_secrets({name: drawn}) != {name: drawn}:
                    key = f"search.space.{place}.{name}"
                    self.problems.append(f"{key} looks like a secret and cannot be searched: drawn values are stored")

    def refuse_foreign_values(self) -> None:
        """A value given for a group that varies must belong to at least one of its options."""
        for group in self.varied:
            options = self.options_of(group)
            chosen = [getattr(composed.config, group) for composed in options.values()]
            names = {f.name for option in chosen for f in fields(option) if f.init}
            for name, key in self.overrides.fixed_values(group).items():
                if name not in names:
                    hint = nearest(name, names - {"kind"})
                    self.problems.append(f"{key} is not a key of {' or '.join(options)}: {hint}")

    def refuse_replaced_values(self) -> None:
        """A value whose place another key has taken, such as `model.depth` beside `model.widths`."""
        for group in KINDS:
            given = self.overrides.fixed_values(group)
            for composed in self.options_of(group).values():
                option: Option = getattr(composed.config, group)
                taken = [(key, name) for key, names in option.replaces.items() for name in names if name in given]
                for key, name in taken:
                    if (value := getattr(option, key)) is not None:
                        way_out = f"drop it, or give {group}.{key}=null"
                        self.problems.append(f"{group}.{name} has no effect beside {group}.{key}={value}: {way_out}")

    def _edit_without_effect(self, key: str, group: str) -> str:
        if group not in TUNABLE:
            return f"{key}: {group} is not a group that can be tuned: {nearest(group, TUNABLE)}"
        tune = ",".join([*self.base.config.search.tune, group])
        return f"{key} has no effect, since {group} is not tuned: add 'search.tune=[{tune}]'"
