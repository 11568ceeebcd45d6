"""The search space: options that vary, and the ranges or choices of their values."""

import itertools
import json
import math
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any

from hpsearch.config import Config, ConfigError
from hpsearch.config.conversion import convert, nearest
from hpsearch.config.option import Option
from hpsearch.config.schema import OwnCode
from hpsearch.records import Value

BOUNDS = ("low", "high", "log", "step", "choices")


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers in [low, high]; `log` draws their logarithm uniformly, `step` makes a grid."""

    low: float
    high: float
    log: bool
    step: float | None
    whole: bool

    @property
    def size(self) -> float:
        """Number of distinct values; infinite for continuous ranges."""
        if self.step is not None:
            return math.floor((self.high - self.low) / self.step + 1e-9) + 1
        return self.high - self.low + 1 if self.whole else (1 if self.low == self.high else math.inf)

    @property
    def values(self) -> tuple[Value, ...]:
        """All values of a finite range, ascending; on a grid as Optuna computes them."""
        step = self.step if self.step is not None else 1
        return tuple(min(self.low + step * place, self.high) for place in range(int(self.size)))


@dataclass(frozen=True, slots=True)
class Choices:
    """A choice of these values, all equally likely."""

    values: tuple[Value, ...]

    @property
    def size(self) -> float:
        """Number of values."""
        return len(self.values)


Dimension = Range | Choices


@dataclass(frozen=True, slots=True)
class Composed:
    """One composed configuration.

    Attributes:
        config: The configuration.
        spaces: For each group, the space of its chosen option as written: name to bounds.
        actions: The chosen option of each action group, such as `{"sweep": "mnist"}`.
    """

    config: Config
    spaces: dict[str, dict[str, Any]]
    actions: dict[str, str]


@dataclass(frozen=True, slots=True)
class Space:
    """The space of a sweep.

    Attributes:
        options: For each group that varies, the options that a trial may take, in the order given.
        dimensions: For each `group.option` of a group in `search.tune`, name to dimension.
    """

    options: dict[str, tuple[str, ...]]
    dimensions: dict[str, dict[str, Dimension]]

    def draw(self, suggest: Callable[[str, Dimension], Value], chosen: Mapping[str, str]) -> dict[str, Value]:
        """One point of the space, flat: `{"optimizer": "adam", "optimizer.adam.lr": 0.001}`.

        Args:
            suggest: Draws the value of a name from a dimension; called in a fixed order.
            chosen: Options of the groups that do not vary, by group.
        """
        values: dict[str, Value] = {}
        option_of = dict(chosen)
        for group, options in sorted(self.options.items()):
            option_of[group] = values[group] = str(suggest(group, Choices(options)))
        for group, option in sorted(option_of.items()):
            for name, dimension in sorted(self.dimensions.get(f"{group}.{option}", {}).items()):
                values[f"{group}.{option}.{name}"] = suggest(f"{group}.{option}.{name}", dimension)
        return values

    def points(self, chosen: Mapping[str, str]) -> Iterator[dict[str, Value]]:
        """All points of a finite space, as `draw` returns them."""
        groups = sorted(self.options)
        for options in itertools.product(*(self.options[group] for group in groups)):
            varied = dict(zip(groups, options, strict=True))
            drawn = {
                f"{group}.{option}.{name}": dimension.values
                for group, option in sorted({**chosen, **varied}.items())
                for name, dimension in sorted(self.dimensions.get(f"{group}.{option}", {}).items())
            }
            for values in itertools.product(*drawn.values()):
                yield {**varied, **dict(zip(drawn, values, strict=True))}

    @property
    def by_name(self) -> dict[str, Dimension]:
        """All dimensions by full name; a group that varies is a choice of its options."""
        options = {group: Choices(names) for group, names in self.options.items()}
        return options | {
            f"{option}.{name}": dimension
            for option, dimensions in self.dimensions.items()
            for name, dimension in dimensions.items()
        }

    @property
    def names(self) -> list[str]:
        """Names of all values that a trial may draw, sorted."""
        return sorted(self.by_name)

    @property
    def size(self) -> float:
        """Number of distinct points; infinite if any dimension is continuous."""
        total = 1.0
        for group in {key.split(".")[0] for key in self.dimensions} | set(self.options):
            keys = [key for key in self.dimensions if key.startswith(f"{group}.")]
            if group in self.options:
                keys = [f"{group}.{option}" for option in self.options[group]]
            total *= sum(math.prod(d.size for d in self.dimensions.get(key, {}).values()) for key in keys)
        return total


def apply_values(config: Config, values: Mapping[str, Value]) -> Config:
    """The configuration with drawn values.

    Args:
        config: A configuration with the drawn options.
        values: Values as `Space.draw` returns them.

    Raises:
        ConfigError: If a value violates the bound of its option.
    """
    for key, value in values.items():
        if "." in key:
            group, _, name = key.split(".", 2)
            changed: dict[str, Any] = {group: _with_value(getattr(config, group), name, value)}
            config = replace(config, **changed)
    return config


def _with_value(option: Option, name: str, value: Value) -> Option:
    if isinstance(option, OwnCode) and name not in {f.name for f in fields(option)}:
        return replace(option, kwargs={**option.kwargs, name: value})
    problems: list[str] = []
    typed = convert(typing.get_type_hints(type(option))[name], value, f"{option.group}.{name}", problems)
    assert not problems, problems
    return replace(option, **{name: typed})


def option_space(
    composed: Composed, group: str, edits: Mapping[str, Any], fixed: Mapping[str, str]
) -> dict[str, Dimension]:
    """The dimensions of one group's chosen option.

    Args:
        composed: A configuration with the option.
        group: The group.
        edits: Name to changed bounds, or to a new entry.
        fixed: Names that are not drawn, each with the key that sets or replaces its value.

    Raises:
        ConfigError: With one sentence per wrong entry.
    """
    option = composed.config.options[group]
    settings: Option = getattr(composed.config, group)
    raw = dict(composed.spaces.get(group, {}))
    path = f"search.space.{group}.{option}"
    problems: list[str] = []
    for name, change in edits.items():
        if name in fixed:
            which = "" if fixed[name] == f"{group}.{name}" else f"{path}.{name} "
            problems.append(f"{fixed[name]} is given a value and {which}a space: drop one of the two")
        elif not isinstance(change, Mapping):
            problems.append(f"{path}.{name} must hold some of {', '.join(BOUNDS)}, got {change!r}")
        elif name not in raw and not {"choices", "low"} & set(change) and _hint(settings, name, change) is None:
            problems.append(f"{path}.{name} is not in the space of {group}={option}: {nearest(name, raw)}")
        else:
            raw[name] = merged_bounds(raw.get(name, {}), change)
    replaced = {name for key, names in settings.replaces.items() if key in raw for name in names}
    drawn = {name: bounds for name, bounds in raw.items() if name not in fixed and name not in replaced}
    dimensions = {name: _dimension(settings, name, bounds, path, problems) for name, bounds in drawn.items()}
    if problems:
        raise ConfigError(*problems)
    return {name: dimension for name, dimension in dimensions.items() if dimension is not None}


def merged_bounds(old: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """The bounds of one value after an edit, which keeps what it does not mention, except between range and choices."""
    return dict(change) if "choices" in change or "choices" in old else {**old, **change}


def malformed(key: str, raw: object) -> list[str]:
    """Problems of the form of a space entry, one sentence each; its values are checked by its option."""
    if not isinstance(raw, Mapping):
        return [f"{key} must hold some of {', '.join(BOUNDS)}, got {raw!r}"]
    unknown = [f"{key}.{bound} is not a bound: {nearest(str(bound), BOUNDS)}" for bound in raw if bound not in BOUNDS]
    if unknown or "choices" in raw or {"low", "high"} <= set(raw):
        return unknown
    return [f"{key} must hold low and high, or choices; got {', '.join(raw) or 'nothing'}"]


def _dimension(option: Option, name: str, raw: object, path: str, problems: list[str]) -> Dimension | None:
    key = f"{path}.{name}"
    before = len(problems)
    problems += malformed(key, raw)
    if not isinstance(raw, Mapping):
        return None
    hint = _hint(option, name, raw)
    if hint is None:
        near = nearest(name, searchable(option))
        problems.append(f"{key} names nothing that {option.group}={option.kind} has: {near}")
    if len(problems) > before:
        return None
    dimension = _choices(key, hint, raw, problems) if "choices" in raw else _range(key, hint, raw, problems)
    if dimension is not None and len(problems) == before:
        _check_ends(option, name, dimension, key, problems)
    return dimension if len(problems) == before else None


def searchable(option: Option) -> set[str]:
    """Names of the values of an option that a space may contain."""
    return {f.name for f in fields(option) if f.init} - {"kind", "kwargs"}


def _hint(option: Option, name: str, raw: Mapping[str, Any]) -> Any:
    if name in searchable(option):
        return typing.get_type_hints(type(option))[name]
    if isinstance(option, OwnCode):
        numbers = [raw.get(bound) for bound in ("low", "high", "step") if raw.get(bound) is not None]
        whole = all(isinstance(number, int) for number in numbers)
        return Any if "choices" in raw else (int if whole else float)
    return None


def _choices(key: str, hint: Any, raw: Mapping[str, Any], problems: list[str]) -> Choices | None:
    values = raw["choices"]
    if len(raw) > 1:
        problems.append(f"{key} must hold either choices or low and high, got {', '.join(raw)}")
    elif not isinstance(values, list) or not values:
        problems.append(f"{key}.choices must be a list with at least one value, got {values!r}")
    elif any(isinstance(value, Mapping) for value in values):
        problems.append(f"{key}.choices must hold single values or lists, got {values!r}")
    else:
        before = len(problems)
        converted = [convert(hint, value, f"{key}.choices", problems) for value in values]
        # As in records, 1 equals 1.0 and true, and a list equals its JSON text.
        labels = [json.dumps(value) if isinstance(value, list) else value for value in converted]
        if len(problems) == before and any(label in labels[:at] for at, label in enumerate(labels)):
            problems.append(f"{key}.choices must not repeat a value, got {values!r}")
            return None
        # Enum members become their plain value, as in overrides and records.
        return Choices(tuple(getattr(value, "value", value) for value in converted))
    return None


def _range(key: str, hint: Any, raw: Mapping[str, Any], problems: list[str]) -> Range | None:
    is_union = typing.get_origin(hint) in (types.UnionType, typing.Union)
    kinds = [arg for arg in (typing.get_args(hint) if is_union else (hint,)) if arg in (int, float)]
    if not kinds:
        problems.append(f"{key} takes no numbers: give it choices")
        return None
    kind = kinds[-1]
    low, high = (convert(kind, raw[bound], f"{key}.{bound}", problems) for bound in ("low", "high"))
    log = convert(bool, raw.get("log", False), f"{key}.log", problems)
    step = convert(kind | None, raw.get("step"), f"{key}.step", problems)
    if None in (low, high, log):
        return None
    rules = [
        (math.isfinite(low) and math.isfinite(high), f"{key}: low and high must be finite, got {low} and {high}"),
        (low <= high, f"{key}: low must be <= high, got {low} and {high}"),
        (
            not log or low > 0,
            f"{key}.low must be > 0 where logarithms are drawn, got {low}: raise it, or add {key}.log=false",
        ),
        (step is None or step > 0, f"{key}.step must be > 0, got {step}"),
        (step is None or not log, f"{key}: step and log exclude each other: add {key}.log=false or {key}.step=null"),
    ]
    broken = [sentence for holds, sentence in rules if not holds]
    problems += broken
    if step is not None and not broken:  # end on the grid, in decimals as written: three steps of 0.1 are 0.3
        first, last, width = (Decimal(str(number)) for number in (low, high, step))
        high = type(high)(last - (last - first) % width)
    return None if broken else Range(low, high, log, step, kind is int)


def _check_ends(option: Option, name: str, dimension: Dimension, key: str, problems: list[str]) -> None:
    """Check the option's own bounds at both ends of a range, or at every choice."""
    for end in dimension.values if isinstance(dimension, Choices) else (dimension.low, dimension.high):
        try:
            _with_value(option, name, end)
        except ConfigError as error:
            problems += [f"{key}: {problem}" for problem in error.problems]
