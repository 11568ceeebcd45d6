"""How soon recipes reach the target on fresh seeds (S-20)."""

import math

from hpsearch.analysis.findings import Findings, TimeRatio
from hpsearch.analysis.targets import SHARE, target_of
from hpsearch.report.blocks import DASH, Block, Table, table
from hpsearch.report.levels import level_order, selecting, titles
from hpsearch.report.numbers import percent, two_digits
from hpsearch.report.style import short
from hpsearch.wording import show_number


def timing(findings: Findings) -> list[Block]:
    """Epochs to the target by level, and their ratio for each pair; nothing where no target was looked for."""
    return [*_levels(findings), *_ratios(findings)]


def _levels(findings: Findings) -> list[Table]:
    rows = []
    for name in level_order(findings):
        found = findings.confirmed[name].to_target if name in findings.confirmed else None
        if found is None:
            continue
        epochs, rate, low, high = found
        median = two_digits(epochs) if math.isfinite(epochs) else "not reached by half of the seeds"
        rows.append((titles(findings)[name], median, f"{percent(rate)} [{percent(low)}, {percent(high)}]"))
    caption = (
        f"Time to the target (S-20): the epoch in which the {selecting(findings)} score first reached "
        f"{_target(findings)}. Seeds that never did stay in the median."
    )
    columns = ("level", "median epochs", "seeds that reached it [Wilson 95 %]")
    return [table(columns, rows, caption, numbers=(1, 2))] if rows else []


def _target(findings: Findings) -> str:
    """The target and where it comes from."""
    design, target = findings.evidence.design, target_of(findings.evidence)
    level = design.control or design.levels[0].name
    share = f"{100 * SHARE:.0f} % of the way from chance to the median of {short(level, 48)} on fresh seeds"
    return share if target is None else f"{show_number(target)}, {share}"


def _ratios(findings: Findings) -> list[Table]:
    named = titles(findings)
    rows = [
        (f"{named[one.a]} / {named[one.b]}", str(one.n), _number(one.ratio), _interval(one))
        for one in findings.time_ratios
    ]
    caption = (
        "Ratio of median epochs to the target: below 1 where A reaches it sooner. Interval: bootstrap over pairs, "
        "seed by seed; not adjusted for the number of pairs, and no claim. Infinite: half of the seeds never reach it."
    )
    return [table(("A / B", "pairs", "ratio of medians", "95 %"), rows, caption, numbers=(1, 2, 3))] if rows else []


def _number(value: float) -> str:
    return DASH if math.isnan(value) else "∞" if math.isinf(value) else two_digits(value)


def _interval(one: TimeRatio) -> str:
    return f"[{_number(one.low)}, {_number(one.high)}]"
