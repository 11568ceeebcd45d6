"""Which option is ahead when there is time for so many trials: a statement about the search."""

from hpsearch.analysis.findings import Findings, Flip
from hpsearch.formatting import number_of, show_coverage
from hpsearch.report import captions
from hpsearch.report.blocks import Block, Listing, Section, Text
from hpsearch.report.figures.catalog import budget_drawings
from hpsearch.report.figures.render import figure_blocks
from hpsearch.report.figures.style import short
from hpsearch.report.number_format import difference


def budget(findings: Findings) -> Section | None:
    """The answer, what is ahead at each budget, and tuning curves; None without a search."""
    if not findings.evidence.trials:
        return None
    several = len(findings.evidence.design.levels) > 1
    title = "Which is ahead at your budget?" if several else "What does a budget of trials give?"
    blocks: list[Block] = [*_budgets(findings), *figure_blocks(findings, budget_drawings(findings))]
    return Section("budget", title, "Budget", tuple(blocks), captions.OF_SEARCH, lead=_lead(findings))


def _lead(findings: Findings) -> str:
    found = findings.at_budget
    return found.sentence if found is not None else "Trials of this search cannot be counted as a budget: see below."


def _budgets(findings: Findings) -> list[Block]:
    """What may be said of each other budget, where the order turns, and how it is meant."""
    found, level = findings.at_budget, show_coverage(findings.evidence.design.alpha)
    flips = [_flip(flip, level) for flip in findings.flips]
    if found is None or not found.budgets:
        return [Listing(tuple(flips))] if flips else []
    telling = any(one.leads for one in found.budgets) or len(findings.evidence.design.levels) == 1
    said = [one.sentence for one in found.budgets if telling and one.sentence[1:] not in found.sentence]
    largest = f"nothing is said beyond {number_of(found.claim_to, 'trial')}, a fifth of a search"
    return [
        *([Listing((*said, *flips))] if said or flips else []),
        Text(f"This is about the search, on {captions.condition(findings)}: one option is ahead of another where their "
             f"bands do not overlap. The {level} bands hold for all options and budgets at once (S-06); {largest}.",
             "note"),
    ]  # fmt: skip


def _flip(flip: Flip, level: str) -> str:
    a, b = short(flip.a, 48), short(flip.b, 48)
    small = difference(flip.at_small[0], flip.at_small[1:])
    large = difference(-flip.at_large[0], (-flip.at_large[2], -flip.at_large[1]))
    return (
        f"In the search, the order turns with the budget: with {number_of(flip.small, 'trial')} {a} is ahead of "
        f"{b} by {small}; with {flip.large} trials {b} is ahead of {a} by {large} (simultaneous {level} intervals)."
    )
