"""Parsing of dates as people write them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_TIME = r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?"

_ISO = re.compile(rf"\d{{4}}-\d{{1,2}}-\d{{1,2}}([T ]{_TIME}\s*(Z|UTC|[+-]\d{{2}}(:?\d{{2}})?)?)?")
"""ISO 8601 with a four-digit year."""

_LIKE_A_DATE = re.compile(r"(\d{1,4}|[A-Za-z]{3,9})[-/. ]+(\d{1,4}|[A-Za-z]{3,9}),?([-/. ]+\d{2,4})?([T ].*)?")

_DAYS_FIRST = ("%d.%m.%Y", "%d.%m.%y", "%d/%m/%Y", "%d/%m/%y", "%d-%m-%Y", "%d-%m-%y")
_MONTHS_FIRST = ("%m/%d/%Y", "%m/%d/%y", "%m-%d-%Y", "%m-%d-%y")
_PLAIN = ("%Y/%m/%d", "%Y.%m.%d", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%b %Y")
_TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")


@dataclass(frozen=True, slots=True, eq=False)
class Dates:
    """Dates in one format.

    Attributes:
        seconds: Shape (n,) float64 seconds since 1970, in UTC where no time zone is given.
        format: The format, such as `%d.%m.%Y`, or `ISO 8601`.
    """

    seconds: np.ndarray
    format: str


def parse_dates(words: Sequence[str], *, dayfirst: bool | None = None) -> list[Dates]:
    """Parse words as dates of one format.

    Args:
        words: The distinct words, at least one.
        dayfirst: Whether the day stands before the month in 3/4/2024; None: either.

    Returns:
        Empty if they are no dates of one format; two if 3/4/2024 may be in March or in April.

    Examples:
        >>> [(each.format, each.seconds.tolist()) for each in parse_dates(["1970-01-02", "1970-01-01T12:00"])]
        [('ISO 8601', [86400.0, 43200.0])]
        >>> [each.format for each in parse_dates(["03/04/2024"])]
        ['%d/%m/%Y', '%m/%d/%Y']
    """
    if not _LIKE_A_DATE.fullmatch(words[0]) or not any(char.isdigit() for char in words[0]):
        return []
    if all(map(_ISO.fullmatch, words)):
        seconds = _parsed([word.replace("UTC", "Z") for word in words], "ISO8601")
        return [] if seconds is None else [Dates(seconds, "ISO 8601")]
    formats = [*_PLAIN, *(_DAYS_FIRST if dayfirst is not False else ()), *(() if dayfirst else _MONTHS_FIRST)]
    found: list[Dates] = []
    for each in (date + time for date in formats for time in _TIMES):
        if _parsed(words[:1], each) is None:
            continue
        seconds = _parsed(words, each)
        if seconds is not None and not any(np.array_equal(seconds, other.seconds) for other in found):
            found.append(Dates(seconds, each))
    return found


def is_like_a_date(word: str) -> bool:
    """Return whether a word has the form of a date, whatever its format."""
    return _LIKE_A_DATE.fullmatch(word) is not None and sum(char.isdigit() for char in word) > 2


def _parsed(words: Sequence[str], date_format: str) -> np.ndarray | None:
    """Return seconds since 1970 (n,), or None if a word is no date of the format."""
    import pandas as pd  # noqa: PLC0415 - takes half a second

    try:
        dates = pd.DatetimeIndex(pd.to_datetime(list(words), format=date_format, utc=True))
    except (ValueError, OverflowError):
        return None
    seconds: np.ndarray = dates.as_unit("us").asi8 / 1e6
    return seconds
