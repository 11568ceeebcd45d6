"""Formatting of numbers, durations, drawn values and names."""

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from hpsearch.statistics.intervals import Z, wilson

if TYPE_CHECKING:
    from hpsearch.records import Value

LARGE = 1e6
"""Numbers from here on are written with an exponent, unless all their digits are significant."""

SMALL = 1e-4
"""Numbers below this are, too."""

ROUNDING = 1e-9
"""Relative errors below this are rounding errors."""


def visible(text: str) -> str:
    """A single line of text, with control characters and line breaks escaped for the terminal."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def capital(text: str) -> str:
    """The text with a capital first letter."""
    return f"{text[:1].upper()}{text[1:]}"


def plural(n: int, one: str, many: str = "") -> str:
    """The singular for n = 1, otherwise the plural (by default with an s): `trial`, `trials`; `entry`, `entries`."""
    return one if n == 1 else many or f"{one}s"


def number_of(n: int, one: str, many: str = "") -> str:
    """`1 trial`, `1,000 trials`."""
    return f"{n:,} {plural(n, one, many)}"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence.

    Examples:
        >>> listed(["adam", "sgd", "rmsprop"])
        'adam, sgd and rmsprop'
    """
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def show_number(value: float) -> str:
    """A number of unknown error, with four digits: `0.9583`, `117.5`, `15289`."""
    if not 0.01 <= abs(value) < LARGE:
        return f"{value + 0.0:.4g}"  # + 0.0: no sign at a zero
    return f"{value:.{min(4, max(0, 3 - _power(value, digits=4)))}f}"


def show_score(score: float | None, se: float | None, rows: int | None = None) -> str:
    """A number with its standard error, both rounded to the error's second digit: `0.9712 ± 0.0024`, `3010 ± 41`.

    A share of 0 or 1, whose standard error is 0, is shown with the other end of its 95 % interval (Wilson, 1927):
    `1.000 (≥ 0.974)`.

    Args:
        score: The number; None if there is none.
        se: Its standard error; None if unknown.
        rows: Number of rows of a share of rows; otherwise None.

    Examples:
        >>> show_score(0.971234, 0.002412), show_score(1.0, 0.0, rows=144)
        ('0.9712 ± 0.0024', '1.000 (≥ 0.974)')
    """
    if score is None:
        return "none"
    if se is None or not math.isfinite(se) or not math.isfinite(score):
        return show_number(score)
    if se <= abs(score) * ROUNDING:
        return _show_certain(score, rows)
    shown, error = _rounded((score, se), se)
    if "e" in shown:
        (shown, power), (error, _) = shown.split("e"), error.split("e")
        return f"({shown} ± {error})e{power}"
    return f"{shown} ± {error}"


def _show_certain(score: float, rows: int | None) -> str:
    """A number whose standard error is 0."""
    if rows is None or score not in (0.0, 1.0):
        return f"{show_number(score)} ± 0"
    low, high = wilson(round(score * rows), rows)
    shown, bound = _rounded((score, low if score else high), high - low)
    return f"{shown} ({'≥' if score else '≤'} {bound})"


def show_like(value: float, se: float | None) -> str:
    """A number rounded as by `show_score`, without its standard error."""
    return show_number(value) if se is None else _rounded((value,), se)[0]


def show_interval(value: float, low: float | None, high: float | None) -> str:
    """A number with its 95 % interval, rounded to the second digit of the error it implies.

    Examples:
        >>> show_interval(0.98472, 0.96208, 0.99391)
        '0.9847 [0.9621, 0.9939]'
    """
    if low is None or high is None:
        return show_number(value)
    shown, below, above = _rounded((value, low, high), (high - low) / (2 * Z))
    return f"{shown} [{below}, {above}]"


def show_coverage(alpha: float) -> str:
    """The coverage of an interval with this error rate: `95 %`."""
    return f"{100 * (1 - alpha):.4g} %"


def _rounded(values: tuple[float, ...], se: float) -> list[str]:
    """The values rounded to the second digit of an error, with a common exponent if needed.

    If the error is not finite or negligible, each value has four digits instead.
    """
    largest = max(se, *map(abs, values))
    if not all(map(math.isfinite, (se, *values))) or se <= largest * ROUNDING:
        return [show_number(value) for value in values]
    last = _power(se, digits=2) - 1
    # In decimals, since powers of ten may overflow floats.
    exact = [Decimal(value).quantize(Decimal(1).scaleb(last)) for value in values]
    if SMALL <= largest < LARGE or (largest >= LARGE and last <= 0):
        return [f"{number:z.{max(0, -last)}f}" for number in exact]
    power = _power(largest, digits=1 + _power(largest) - last)
    return [f"{number.scaleb(-power):z.{power - last}f}e{power:+03d}" for number in exact]


def _power(value: float, digits: int = 17) -> int:
    """The power of ten of the first digit of a number rounded to this many digits: 0.0996 with two is 0.10."""
    return int(f"{value:.{digits - 1}e}".partition("e")[2])


def show_duration(seconds: float) -> str:
    """`45 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def show_values(values: "dict[str, Value]") -> dict[str, str]:
    """The drawn values of a trial by group: `{"optimizer": "adam lr=0.0012", "regularization": "dropout 0.31"}`."""
    options = {key: str(value) for key, value in values.items() if "." not in key}
    named: dict[str, dict[str, str]] = {group: {} for group in options}
    for key, value in values.items():
        if "." in key:
            group, _, name = key.split(".", 2)
            named.setdefault(group, {})[name] = show_value(value)
    return {group: _show_group(options.get(group), named[group]) for group in sorted(named)}


def _show_group(option: str | None, named: dict[str, str]) -> str:
    if list(named) == [option]:  # "dropout 0.31" says it without "dropout dropout=0.31"
        return f"{option} {named[str(option)]}"
    return " ".join([*([option] if option else []), *(f"{name}={value}" for name, value in named.items())])


def show_value(value: "Value") -> str:
    """A drawn value with three significant digits."""
    return f"{value + 0.0:.3g}" if isinstance(value, float) else str(value)
