"""Trials that come first, with values that the user gives: `search.enqueue`."""

from collections.abc import Mapping
from typing import Any

from hpsearch.config import ConfigError
from hpsearch.config.bounds import shown
from hpsearch.config.conversion import nearest
from hpsearch.records import Value
from hpsearch.search.space import Choices, Dimension, Space


def given_values(point: Mapping[str, Any], space: Space, chosen: Mapping[str, str], key: str) -> dict[str, Value]:
    """The values of a given trial by their full names; what the trial draws besides is not among them.

    Args:
        point: Values by name, `optimizer.lr` or `optimizer.adam.lr`, and options by group, `optimizer`.
        space: The space.
        chosen: Options of the groups that do not vary, by group.
        key: Key of the point, for messages.

    Raises:
        ConfigError: With each name that the trial does not draw, and each value outside of its dimension.
    """
    option_of = {**chosen, **{str(group): str(option) for group, option in point.items() if group in space.options}}
    values: dict[str, Value] = {}
    problems = []
    for name, value in point.items():
        group, _, rest = str(name).partition(".")
        full = name if name in space.by_name else f"{group}.{option_of.get(group)}.{rest}"
        dimension = space.by_name.get(full)
        if dimension is None:
            problems.append(f"{key}: {_not_drawn(str(name), group, option_of, space)}")
        elif "." in full and full.split(".")[1] != option_of.get(group):
            problems.append(f"{key}: {name} needs {group}: {full.split('.')[1]} beside it")
        elif (held := _held(dimension, value)) is None:
            problems.append(
                f"{key}: {name} must be {_describe(dimension)}, got {shown(value)}: widen search.space.{full}"
            )
        else:
            values[full] = held[0]
    if problems:
        raise ConfigError(*problems)
    return values


def _not_drawn(name: str, group: str, option_of: Mapping[str, str], space: Space) -> str:
    if group in space.options and group not in option_of:
        return f"{name} needs its option beside it: {group}: {' or '.join(space.options[group])}"
    short = [f"{full.split('.')[0]}.{full.split('.', 2)[2]}" if "." in full else full for full in space.names]
    return f"no trial draws {name}: {nearest(name, set(short))}"


def _held(dimension: Dimension, value: Any) -> tuple[Value] | None:
    """The value as a trial draws it, in a tuple, since it may be null; None if the dimension does not hold it."""
    if isinstance(dimension, Choices):
        return next(((choice,) for choice in dimension.values if choice == value and type(choice) is type(value)), None)
    if isinstance(value, bool) or not isinstance(value, int | float) or not dimension.low <= value <= dimension.high:
        return None
    if dimension.step is not None:
        return next(
            ((grid,) for grid in dimension.values if abs(float(str(grid)) - value) < 1e-9 * dimension.step), None
        )
    if dimension.whole:
        return (int(value),) if float(value).is_integer() else None
    return (float(value),)


def _describe(dimension: Dimension) -> str:
    if isinstance(dimension, Choices):
        return f"one of {', '.join(map(shown, dimension.values))}"
    kind = "a whole number" if dimension.whole else "a number"
    step = "" if dimension.step is None else f" in steps of {dimension.step:g}"
    return f"{kind} from {dimension.low:g} to {dimension.high:g}{step}"
