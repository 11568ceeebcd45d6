"""What the inputs of a user's own table are made of, for the person who wrote the table."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SHOWN = 8
"""Columns that are named; of more, the rest are counted."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that is an input.

    Attributes:
        name: In the header.
        width: How many numbers it is to the network: 1, or one for each category of text.
        categories: The words of a column of text, in the order of its numbers; empty for numbers.
    """

    name: str
    width: int
    categories: tuple[str, ...] = ()


def name_columns(names: Sequence[str]) -> str:
    """`area`, or `area, rooms, … 3 more`."""
    more = [f"… {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return ", ".join([*names[:SHOWN], *more])


def describe_columns(columns: Sequence[Column]) -> str:
    """`area, rooms, city (3 categories) → 5 numbers`."""
    named = [f"{each.name} ({each.width} categories)" if each.width > 1 else each.name for each in columns]
    width = sum(each.width for each in columns)
    return f"{name_columns(named)} → {width:,} number{'s' if width > 1 else ''}"


def constants(columns: Sequence[Column], inputs: np.ndarray) -> list[str]:
    """The columns that hold one value throughout.

    Args:
        columns: All that are inputs, in their order.
        inputs: (N, D) rows that a search may see; D is the sum of their widths.
    """
    same = inputs.min(axis=0) == inputs.max(axis=0)
    starts = np.cumsum([0, *(each.width for each in columns)])
    return [each.name for each, start in zip(columns, starts, strict=False) if same[start : start + each.width].all()]


def identifiers(columns: Sequence[Column], inputs: np.ndarray) -> list[str]:
    """The columns of whole numbers that all differ, as row numbers do.

    Args:
        columns: All that are inputs, in their order.
        inputs: (N, D) rows that a search may see; D is the sum of their widths.
    """
    starts = np.cumsum([0, *(each.width for each in columns)])
    found = []
    for each, start in zip(columns, starts, strict=False):
        values = inputs[:, start]
        if each.width == 1 and bool((values == np.round(values)).all()) and len(np.unique(values)) == len(values):
            found.append(each.name)
    return found
