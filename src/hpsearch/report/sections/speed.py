"""How soon options get to a common target, and how their trials learn."""

import math

from hpsearch.analysis.comparison.time_to_target import SHARE, target_of
from hpsearch.analysis.findings import Findings, TimeRatio
from hpsearch.formatting import number_of, show_number
from hpsearch.report.blocks import DASH, Block, Section, Table, table
from hpsearch.report.figures.catalog import LEARNING, TARGET
from hpsearch.report.figures.learning import longest_curve
from hpsearch.report.figures.render import figure_blocks
from hpsearch.report.figures.style import short
from hpsearch.report.levels import level_order, selection_rows, titles
from hpsearch.report.number_format import percent, two_digits


def speed(findings: Findings) -> Section | None:
    """Epochs to the target and learning curves; None where neither is known."""
    epochs, found = longest_curve(findings), findings.speed
    if found is None and epochs < 2:
        return None
    learned = [LEARNING] if epochs > 1 else []
    blocks: list[Block] = [
        *figure_blocks(findings, learned if found is None else [TARGET, *learned]),
        *_time_to_target(findings),
        *_ratios(findings),
    ]
    lead = _without_target(findings, epochs) if found is None else found.sentence
    return Section("speed", "How soon does it get there?", "Speed", tuple(blocks), lead=lead)


def _without_target(findings: Findings, epochs: int) -> str:
    """What learning curves are there, where no target is."""
    why = f"a target needs a score of chance, which {findings.evidence.design.metric} has not"
    if not findings.confirmed:
        why = "a target needs retrainings on fresh seeds, and there are none"
    return f"Learning curves of {number_of(epochs, 'epoch')}, by trials of the search; {why}."


def _time_to_target(findings: Findings) -> list[Table]:
    rows = []
    for name in level_order(findings):
        found = findings.confirmed[name].to_target if name in findings.confirmed else None
        if found is None:
            continue
        epochs, rate, low, high = found
        median = two_digits(epochs) if math.isfinite(epochs) else "not reached by half of the seeds"
        rows.append((titles(findings)[name], median, f"{percent(rate)} [{percent(low)}, {percent(high)}]"))
    caption = (
        f"Time to the target (S-20): the epoch in which the {selection_rows(findings)} score first reached "
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
