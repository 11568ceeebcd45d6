"""Bounds of configuration values, annotated at the field, which define the check, its message and the help text."""

import functools
import operator
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import inf, isfinite
from typing import Annotated, Any

from hpsearch.errors import ConfigError


@dataclass(frozen=True, slots=True)
class NullWord:
    """Annotation of a key that accepts this word for null."""

    word: str


AUTO = NullWord("auto")

EXACT = object()
"""Annotation of an integer that must be typed exactly: `2`, not `2.0`."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A bound as an annotation: `lr: Annotated[float, POSITIVE, "learning rate"]`.

    Attributes:
        holds: Whether a value that is not null satisfies it.
        rule: The rule in messages: `must be > 0 and finite`.
        words: The rule in the help text; empty if the description covers it.
    """

    holds: Callable[[Any], bool]
    rule: str
    words: str = ""


def at_least(least: int) -> Bound:
    """Numbers >= `least`."""
    return Bound(lambda value: value >= least, f"must be >= {least}", f">= {least}")


def within(interval: str) -> Bound:
    """Numbers in an interval such as `[0, 1)`."""
    low, high = map(float, interval[1:-1].split(","))
    above = operator.ge if interval[0] == "[" else operator.gt
    below = operator.le if interval[-1] == "]" else operator.lt
    return Bound(lambda value: above(value, low) and below(value, high), f"must lie in {interval}", f"in {interval}")


def each_at_least(least: int) -> Bound:
    """Lists of integers >= `least`."""
    return Bound(
        lambda values: all(value >= least for value in values), f"must hold integers >= {least}", f"each >= {least}"
    )


def _is_import_path(path: str) -> bool:
    module, _, name = path.partition(":")
    return bool(module) and all(part.isidentifier() for part in [*module.split("."), name])


FINITE = Bound(isfinite, "must be finite", "finite")
POSITIVE = Bound(lambda value: 0 < value < inf, "must be > 0 and finite", "> 0")
NOT_NEGATIVE = Bound(lambda value: 0 <= value < inf, "must be >= 0 and finite", ">= 0")
BETWEEN_0_AND_1 = Bound(lambda value: 0 < value < 1, "must lie between 0 and 1", "between 0 and 1")
IMPORT_PATH = Bound(_is_import_path, "must read as package.module:name")


def require(holds: bool, key: str, rule: str, value: object) -> None:
    """Raise `ConfigError` as `key rule, got value` unless the rule holds."""
    if not holds:
        raise ConfigError(f"{key} {rule}, got {shown(value)}")


def shown(value: object) -> str:
    """A value in messages: in Python syntax, but `null` for None."""
    return "null" if value is None else repr(value)


def require_kwargs(key: str, kwargs: Mapping[str, Any]) -> None:
    """Raise `ConfigError` if keyword arguments for the user's own code are infinite or NaN."""
    for name, value in kwargs.items():
        require(not isinstance(value, float) or isfinite(value), f"{key}.{name}", "must be finite", value)


def check_bounds(values: object, prefix: str) -> None:
    """Check all fields of a dataclass that have a bound and are not null.

    Raises:
        ConfigError: For the first violation; the key has the prefix, such as `optimizer.`.
    """
    for name, bound, rule in _bounds(type(values)):  # type: ignore[arg-type]  # mypy takes classes for unhashable
        value = getattr(values, name)
        require(value is None or bound.holds(value), f"{prefix}{name}", rule, value)


@functools.cache
def _bounds(kind: type) -> list[tuple[str, Bound, str]]:
    """Field, bound and complete rule of all bounds of a class."""
    bounds = []
    for name, hint in typing.get_type_hints(kind, include_extras=True).items():
        plain, *notes = typing.get_args(hint) if typing.get_origin(hint) is Annotated else (hint,)
        # For integers only: "> 0 and finite or null" would be ambiguous.
        instead = f" or {null_word(notes)}" if plain == int | None else ""
        bounds += [(name, note, note.rule + instead) for note in notes if isinstance(note, Bound)]
    return bounds


def null_word(notes: Iterable[object]) -> str:
    """The word for null among the annotations of a key: `null` itself unless one says otherwise."""
    return next((note.word for note in notes if isinstance(note, NullWord)), "null")


def meaning(hint: Any) -> str:
    """Description and bound of a field for the help text, such as `learning rate, > 0`; empty without a description.

    Args:
        hint: The annotation of the field. The bound replaces `{}`, or stands before the meaning of null.
    """
    notes = typing.get_args(hint)[1:]
    about = next((note for note in notes if isinstance(note, str)), "")
    words = "".join(note.words for note in notes if isinstance(note, Bound))
    said, semicolon, null = about.partition(";")
    if "{}" in about or not (about and words):
        return about.replace("{}", words)
    return f"{said}, {words}{semicolon}{null}"
