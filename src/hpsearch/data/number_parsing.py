"""Parsing of numbers as people write them: decimal commas, thousands separators, currency and percent signs."""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

NEARLY = 0.9
"""Minimum share of numeric cells of a numeric column, whose other cells are mistakes."""

THOUSANDS = {",": ",", ".": r"\.", " ": r"[ \u00a0\u2009\u202f]", "'": "['\u2019]"}
"""Thousands separators, with the regular expression of each."""

_MARKS = {",": "commas", ".": "points", " ": "spaces", "'": "apostrophes"}

_UNIT = r"[$€£¥₹%]|EUR|USD|GBP|CHF|JPY"

_PARENTHESES = re.compile(rf"(?:{_UNIT})?\s*\([^()]+\)\s*(?:{_UNIT})?")


def plain_number(word: str) -> float | None:
    """Parse a number as programs write it; None if it is none. Python's own `1_000` is text."""
    try:
        number = float(word)
    except ValueError:
        return None
    return None if "_" in word or math.isnan(number) else number


@dataclass(frozen=True)
class Reading:
    """A convention for writing numbers.

    Attributes:
        decimal: The decimal mark, `.` or `,`.
        thousands: The thousands separator, a key of `THOUSANDS`; None for no separator.
        unit: The sign before or after numbers, such as `$`; empty if there is none.
        parentheses: Whether `(5)` means -5, as in accounting.
    """

    decimal: str
    thousands: str | None
    unit: str = ""
    parentheses: bool = False

    def number(self, word: str) -> float | None:
        """Parse a word by this convention, without its unit; None if it is not a number.

        Examples:
            >>> Reading(decimal=",", thousands=".").number("1.250,5")
            1250.5
            >>> Reading(decimal=".", thousands=None, parentheses=True).number("(5)")
            -5.0
        """
        if self.parentheses and _PARENTHESES.fullmatch(word):
            number = self.number(re.sub(r"[()]", "", word))
            return None if number is None or number < 0 else 0 - number
        match = self._pattern.fullmatch(word)
        if match is None or (match["before"] or match["behind"] or self.unit) != self.unit:
            return None
        sign = "-" if "-" in (match["sign"], match["inner"]) else ""
        whole = re.sub(r"\D", "", match["whole"] or "0")
        return float(f"{sign}{whole}.{match['part'] or '0'}{match['power'] or ''}")

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        groups = rf"|[1-9]\d{{0,2}}(?:{THOUSANDS[self.thousands]}\d{{3}})+" if self.thousands else ""
        digits = rf"(?P<whole>\d+{groups})?(?:{re.escape(self.decimal)}(?P<part>\d*))?(?P<power>[eE][+-]?\d+)?"
        return re.compile(
            rf"(?=\D*\d)(?P<sign>[+-]?)\s*(?P<before>{_UNIT})?\s*(?P<inner>[+-]?){digits}\s*(?P<behind>{_UNIT})?"
        )

    def __str__(self) -> str:
        parts = ["decimal commas"] if self.decimal == "," else []
        parts += [f"thousands separated by {_MARKS[self.thousands]}"] if self.thousands else []
        parts += [f"{self.unit} left out"] if self.unit else []
        parts += ["parentheses as minus signs"] if self.parentheses else []
        return ", ".join(parts)


def readings_of(
    words: Sequence[str], counts: Sequence[int], decimal: str | None = None, thousands: str | None = None
) -> list[Reading]:
    """Return the simplest conventions by which all, or nearly all, cells of a column are numbers.

    Args:
        words: The distinct cells.
        counts: Number of occurrences of each.
        decimal: The decimal mark; None: either.
        thousands: The thousands separator; `none` for no separator; None: any.

    Returns:
        Empty if there is none, or if plain numbers do as well; several if equally simple conventions give different
        numbers.
    """
    if not any(char.isdigit() for word in words for char in word):
        return []
    unit = _most_common_unit(words, counts)
    parentheses = any(map(_PARENTHESES.fullmatch, words))
    separators = THOUSANDS if thousands is None else () if thousands == "none" else (thousands,)
    ways = [
        Reading(mark, each, unit, parentheses)
        for each in (None, *separators)
        for mark in ((decimal,) if decimal else (".", ","))
        if mark not in (each, thousands)
    ]

    def fitting(parse: Callable[[str], float | None]) -> int:
        return sum(n for word, n in zip(words, counts, strict=True) if parse(word) is not None)

    total, plain = sum(counts), fitting(plain_number)
    cells = [fitting(way.number) for way in ways]
    best = max(cells, default=0)
    if best < NEARLY * total or best <= plain < total:
        return []
    readings: dict[tuple[float | None, ...], Reading] = {}
    for way, fit in zip(ways, cells, strict=True):
        if fit == best:
            readings.setdefault(tuple(map(way.number, words)), way)
    return list(readings.values())


def _most_common_unit(words: Sequence[str], counts: Sequence[int]) -> str:
    units: Counter[str] = Counter()
    for word, count in zip(words, counts, strict=True):
        units.update(dict.fromkeys(re.findall(_UNIT, word), count))
    return units.most_common(1)[0][0] if units else ""
