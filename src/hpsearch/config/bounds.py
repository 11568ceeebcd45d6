"""What the value of a field must be: written once beside the field, it makes the check, its message and the help."""

import functools
import operator
import typing
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite
from typing import Annotated, Any

from hpsearch.config.validation import require

AUTO = object()
"""Annotates a key that may be given as `auto`, which stands for null."""

EXACT = object()
"""Annotates a whole number that acknowledges something: it is typed as it is shown, `2` and never `2.0`."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """Annotates a text that is one of these words."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bound:
    """What a value must be, as an annotation: `lr: Annotated[float, POSITIVE, "learning rate"]`.

    Attributes:
        holds: Whether a value that is not null keeps it.
        rule: What messages say, after the key: `must be > 0 and finite`.
        words: What the help page says, after what the key means; empty where that says it already.
    """

    holds: Callable[[Any], bool]
    rule: str
    words: str = ""


def at_least(least: int) -> Bound:
    """Whole numbers from `least` on."""
    return Bound(lambda value: value >= least, f"must be >= {least}", f">= {least}")


def within(interval: str) -> Bound:
    """Numbers of an interval: `[0, 1)` holds 0 and not 1."""
    low, high = map(float, interval[1:-1].split(","))
    above = operator.ge if interval[0] == "[" else operator.gt
    below = operator.le if interval[-1] == "]" else operator.lt
    return Bound(lambda value: above(value, low) and below(value, high), f"must lie in {interval}", f"in {interval}")


def each_at_least(least: int) -> Bound:
    """Lists of whole numbers from `least` on."""
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


def check_bounds(values: object, prefix: str) -> None:
    """Refuse the first field of a dataclass that does not keep its bound.

    Args:
        values: The dataclass; fields without a bound and those that are null are passed over.
        prefix: What stands before a field's name in messages, such as `optimizer.`.

    Raises:
        ConfigError: With the key, the rule and the value.
    """
    for name, bound, rule in _bounds(type(values)):  # type: ignore[arg-type]  # mypy takes classes for unhashable
        value = getattr(values, name)
        require(value is None or bound.holds(value), f"{prefix}{name}", rule, value)


@functools.cache
def _bounds(kind: type) -> list[tuple[str, Bound, str]]:
    """By field, its bound and the whole rule of messages."""
    bounds = []
    for name, hint in typing.get_type_hints(kind, include_extras=True).items():
        plain, *notes = typing.get_args(hint) if typing.get_origin(hint) is Annotated else (hint,)
        # Not so where fractions are allowed: "> 0 and finite or null" would be read in two ways.
        instead = (" or auto" if AUTO in notes else " or null") if plain == int | None else ""
        bounds += [(name, note, note.rule + instead) for note in notes if isinstance(note, Bound)]
    return bounds


def meaning(hint: Any) -> str:
    """What a field means and must be, as the help page says it: `learning rate, > 0`; empty if nothing is said.

    Args:
        hint: Its annotation. The bound is put before what null stands for, or in place of `{}`.
    """
    notes = typing.get_args(hint)[1:]
    about = next((note for note in notes if isinstance(note, str)), "")
    words = "".join(note.words for note in notes if isinstance(note, Bound))
    said, semicolon, null = about.partition(";")
    if "{}" in about or not (about and words):
        return about.replace("{}", words)
    return f"{said}, {words}{semicolon}{null}"
