"""What a stored sweep drew, beside what a later command says that it does."""

from collections.abc import Mapping
from typing import Any

from hpsearch.cli.overrides import SpaceEdit


def contradictions(edit: SpaceEdit, space: Mapping[str, Mapping[str, Any]], sweep: str) -> list[str]:
    """One sentence for each bound that the sweep does not have; none where it has them all.

    Args:
        edit: `<group>.space.<name>[.<bound>]=value`.
        space: The stored dimensions: `group.option` to name to what describes one.
        sweep: Its name.
    """
    key = f"{edit.group}.space.{edit.name}"
    drawn = [names[edit.name] for own, names in space.items() if own.split(".")[0] == edit.group and edit.name in names]
    if not drawn:
        return [f"{key} contradicts sweep {sweep!r}, which does not draw {edit.group}.{edit.name}"]
    bounds = edit.value if edit.bound is None and isinstance(edit.value, Mapping) else {edit.bound or "": edit.value}
    found = [
        f"{key}{bound and f'.{bound}'}={value} contradicts sweep {sweep!r}, which has {_show(dimension, bound)}"
        for bound, value in bounds.items()
        for dimension in drawn
        if not _has(dimension, bound, value)
    ]
    return list(dict.fromkeys(found))


def _has(dimension: Mapping[str, Any], bound: str, value: Any) -> bool:
    if bound == "choices":
        return bool(dimension.get("values") == value)
    if bound == "high" and dimension.get("step") and isinstance(value, int | float):
        return bool(0 <= value - dimension["high"] < dimension["step"])  # it was stored as the last step below
    return bound in dimension and bool(dimension[bound] == value)


def _show(dimension: Mapping[str, Any], bound: str) -> Any:
    """The bound of a dimension, or the whole of it where it has no such bound."""
    if "values" in dimension:
        return f"choices {dimension['values']}"
    return dimension[bound] if bound in dimension else f"{dimension['low']} to {dimension['high']}"
