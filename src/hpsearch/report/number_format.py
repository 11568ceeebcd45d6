"""Numbers of a report as a person reads them, with no more digits than their error supports."""

import math

from hpsearch.analysis.exploration.findings import Interval
from hpsearch.formatting import show_interval, show_like, show_number, show_value
from hpsearch.report.blocks import DASH
from hpsearch.statistics.intervals import Z

SMALLEST_P = 1e-4


def interval(value: float, ends: Interval | None) -> str:
    """`0.985 [0.962, 0.994]`; the value alone without a finite interval, a dash without a value."""
    if math.isnan(value):
        return DASH
    if ends is None or not all(map(math.isfinite, (value, *ends))):
        return show_number(value)
    return show_interval(value, *ends)


def format_interval(ends: Interval | None, value: float = 0.0) -> str:
    """`[0.962, 0.994]`, rounded as the value it belongs to; a dash without it."""
    if ends is None or not all(map(math.isfinite, ends)):
        return DASH
    return "[" + show_interval(value, *ends).partition("[")[2]


def difference(value: float, ends: Interval | None) -> str:
    """As `interval`, with the sign of a positive value."""
    text = interval(value, ends)
    return f"+{text}" if value > 0 and not text.startswith(("+", "(")) else text


def spread(sd: float, n: int) -> str:
    """A standard deviation with the digits that n values support: its own error is about sd / √(2 (n - 1))."""
    if not math.isfinite(sd) or n < 2:
        return DASH
    return show_like(sd, sd / math.sqrt(2 * (n - 1)) or None)


def format_like(value: float, ends: Interval | None) -> str:
    """A value rounded as its 95 % interval would round it; a dash without a value."""
    if math.isnan(value):
        return DASH
    if ends is None or not all(map(math.isfinite, ends)):
        return show_number(value)
    return show_like(value, (ends[1] - ends[0]) / (2 * Z) or None)


def percent(share: float) -> str:
    """`3 %`, `0.4 %`."""
    return (
        DASH
        if math.isnan(share)
        else f"{100 * share:.0f} %"
        if share >= 0.095 or share == 0
        else f"{100 * share:.1f} %"
    )


def share(hits: int, n: int, wilson: Interval) -> str:
    """`3 / 100 [1.0 %, 8.5 %]`."""
    if not n:
        return DASH
    return f"{hits} / {n} [{percent(wilson[0])}, {percent(wilson[1])}]"


def p_value(p: float) -> str:
    """Two digits; below 0.0001 only that."""
    if math.isnan(p):
        return DASH
    return f"< {SMALLEST_P:.4f}" if p < SMALLEST_P else f"{p:.2g}" if p < 0.995 else "1"


def values(drawn: object) -> str:
    """`0.0123`, or the text of anything that is no number."""
    return show_value(drawn) if isinstance(drawn, bool | int | float | str) else str(drawn)


def two_digits(value: float) -> str:
    """`0.0038`, `0.83`, `12`: of a number that is itself an error, or a share known only roughly."""
    if math.isnan(value):
        return DASH
    return f"{value:.0f}" if abs(value) >= 10 or value.is_integer() else f"{value:#.2g}"
