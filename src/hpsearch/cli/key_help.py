"""What `--help` tells of a key: its default, its meaning and its rule."""

import typing
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from typing import Annotated, Any

import yaml

from hpsearch.config.tree import describe


def key_lines(group: str, kind: type, names: Sequence[str], defaults: Mapping[str, Any]) -> list[str]:
    """One line for each key of a group, in columns.

    Args:
        group: Its name, before the dot.
        kind: The dataclass that has the keys.
        names: Those to tell.
        defaults: Their defaults; without one, a key is required.
    """
    hints = typing.get_type_hints(kind, include_extras=True)
    rows = [(f"{group}.{name}", default_text(defaults.get(name, "???")), _meaning(hints[name])) for name in names]
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    return [f"  {key:<{widths[0]}}  {default:<{widths[1]}}  {meaning}" for key, default, meaning in rows]


def default_text(value: Any) -> str:
    """A default on one line."""
    if value == "???":
        return "required"
    if isinstance(value, dict) and value:
        return "{…}"
    return yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("\n...\n").strip()


def _meaning(hint: Any) -> str:
    if typing.get_origin(hint) is not Annotated:
        return f"({describe(hint)})"
    plain, meaning, *_ = typing.get_args(hint)
    kind = "one list for each group" if isinstance(plain, type) and is_dataclass(plain) else describe(hint)
    return f"{meaning} ({kind})"
