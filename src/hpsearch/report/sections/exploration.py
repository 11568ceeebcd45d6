"""What the search found. Hypothesis-generating, not evidence."""

import math
from collections.abc import Sequence

from hpsearch.analysis.evidence import Design
from hpsearch.analysis.exploration.findings import SearchSummary
from hpsearch.analysis.findings import Findings, Rule
from hpsearch.formatting import show_score
from hpsearch.report import captions
from hpsearch.report.blocks import DASH, Block, Refused, Section, Table, Text, table
from hpsearch.report.figures.catalog import DISTRIBUTION
from hpsearch.report.figures.render import banned, figure_blocks
from hpsearch.report.figures.tuning import cost_text
from hpsearch.report.levels import (
    has_report,
    is_corrected,
    level_order,
    selection_rows,
    show_search_score,
    shown_part,
    shown_rows,
    titles,
)
from hpsearch.report.number_format import interval, share, two_digits


def explore(findings: Findings) -> Section:
    """Tables and figures of the search; the sentence that none is known."""
    blocks: list[Block] = (
        _found(findings) if findings.evidence.trials else [Text("No trial of a search is known.", "note")]
    )
    return Section("explore", "Explore: what the search found", "Explore", tuple(blocks), captions.OF_SEARCH)


def _found(findings: Findings) -> list[Block]:
    return [
        Text(f"Everything in this section is conditional on {captions.condition(findings)}, which all trials share, "
             "and on the spaces of the design. It says where to look; fresh seeds say what holds.", "note"),
        *_tables(findings),
        *figure_blocks(findings, [DISTRIBUTION]),
    ]  # fmt: skip


def _tables(findings: Findings) -> list[Block]:
    names = [name for name in level_order(findings) if name in findings.explored]
    nothing_found = banned(findings, (Rule.ABOVE_NOISE,))
    if nothing_found:
        return [Refused("Scores of the selected trials", "", nothing_found), _counts(findings, names)]
    side_by_side = banned(findings, (Rule.EQUAL_EFFORT,))
    scores = (
        Refused("Scores of the selected trials side by side", "", side_by_side)
        if side_by_side
        else _scores(findings, names)
    )
    return [_counts(findings, names), scores, _chance(findings, names)]


def _counts(findings: Findings, names: Sequence[str]) -> Table:
    named = titles(findings)
    rows = []
    for name in names:
        one = findings.explored[name]
        cost = cost_text(one.mean_cost) if math.isfinite(one.mean_cost) else DASH
        failed, stalled = share(one.failed, one.n, one.failed_interval), share(one.stalled, one.n, one.stalled_interval)
        rows.append((named[name], str(one.n), failed, stalled, str(one.missing), cost))
    columns = ("level", "trials", "diverged [Wilson 95 %]", "stalled [Wilson 95 %]", "missing", "mean cost, FLOP")
    caption = (
        "In the search, every trial counts: those that diverged have the worst score, those that stalled keep theirs."
    )
    return table(columns, rows, caption, numbers=(1, 2, 3, 4, 5))


def _scores(findings: Findings, names: Sequence[str]) -> Table:
    named = titles(findings)
    plan, part, reported = findings.evidence.design, shown_part(findings), has_report(findings)
    rows = []
    for name in names:
        one = findings.explored[name]
        untuned = one.default_report if reported else one.default_val
        tuned = one.report if reported else one.val
        rows.append((
            named[name], DASH if one.recipe is None else str(one.recipe), show_search_score(plan, one.val, "val"),
            *([show_search_score(plan, one.report, "report")] if reported else []),
            show_search_score(plan, untuned, part), _gain(plan, tuned, untuned, part),
        ))  # fmt: skip
    columns = (
        "level", "selected trial", f"{selection_rows(findings)} (a maximum)", *(["report"] if reported else []),
        f"default recipe, {shown_rows(findings)}", "gain from tuning",
    )  # fmt: skip
    return table(columns, rows, captions.selection(findings), numbers=range(1, len(columns)))


def _gain(plan: Design, tuned: float, untuned: float, part: str) -> str:
    gain = tuned - untuned
    if not math.isfinite(gain):
        return DASH
    text = (
        show_search_score(plan, abs(gain), part) if not plan.metric.is_share else f"{abs(gain):.{_digits(plan, part)}f}"
    )
    return f"{'+' if gain > 0 else '-' if gain < 0 else ''}{text}"


def _digits(plan: Design, part: str) -> int:
    """Decimals of a share of so many rows."""
    return max(1, math.ceil(math.log10(max(2, plan.rows.get(part, 100)) ** 0.5)) + 1)


def _chance(findings: Findings, names: Sequence[str]) -> Table:
    named, reported, corrected = titles(findings), has_report(findings), is_corrected(findings)
    rows = []
    for name in names:
        one = findings.explored[name]
        rows.append([
            named[name], DASH if math.isnan(one.curse) else f"+{two_digits(one.curse)}", two_digits(one.shrinkage),
            show_search_score(findings.evidence.design, one.shrunken, "val"), str(one.contending or DASH),
            *([_mixture(one)] if reported else []), *([_corrected(one)] if corrected else []),
        ])  # fmt: skip
    columns = [
        "level", "excess by luck alone", "λ", "shrunken score", "trials that share 95 %",
        *(["their mean score ± SD"] if reported else []), *(["BBC-CV [95 %]"] if corrected else []),
    ]  # fmt: skip
    return table(columns, rows, captions.luck(findings), numbers=range(1, len(columns)))


def _mixture(one: SearchSummary) -> str:
    mean, sd = one.mixture
    return DASH if math.isnan(mean) else show_score(mean, sd)


def _corrected(one: SearchSummary) -> str:
    return DASH if one.corrected is None else interval(one.corrected[0], (one.corrected[1], one.corrected[2]))
