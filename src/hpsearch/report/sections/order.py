"""Whether the order of the options holds for what could be another one, and what was not varied."""

import math

from hpsearch.analysis.findings import Findings
from hpsearch.formatting import visible
from hpsearch.report.blocks import DASH, MINUS, TIMES, Block, Listing, Section, Table, Text, table
from hpsearch.report.figures.catalog import SEEDS
from hpsearch.report.figures.render import figure_blocks
from hpsearch.report.levels import shown_pairs, titles
from hpsearch.report.number_format import format_interval, percent, two_digits


def order(findings: Findings) -> Section:
    """Seed by seed, what was varied and what that shows, parts of the variance, and what nobody varied."""
    found, several = findings.stability, len(findings.evidence.design.levels) > 1
    blocks: list[Block] = [
        *(figure_blocks(findings, [SEEDS]) if findings.confirmed else []),
        *([] if found is None else [_variations(findings)]),
        *([_variance(findings)] if _measured(findings) else []),
    ]
    if findings.limits:
        unvaried = Text("What was not varied, so that nothing here is known about it:")
        blocks += [unvaried, Listing(tuple(map(visible, findings.limits)))]
    title = "Does the order hold?" if several else "Would it score the same again?"
    return Section("order", title, "Order", tuple(blocks), lead="" if found is None else found.sentence)


def _variations(findings: Findings) -> Table:
    found = findings.stability
    rows = [] if found is None else found.variations
    shown = [(f"other {one.what}", "yes" if one.varied else "no", one.found, one.method or DASH) for one in rows]
    caption = "What could be another one. Each row answers its own question, and none of them the next."
    return table(("what", "varied", "found", "computed by"), shown, caption, wide=(2,))


def _measured(findings: Findings) -> bool:
    return any(not pair.refused and math.isfinite(pair.seed_part) for pair in findings.pairs)


def _variance(findings: Findings) -> Table:
    rows, named = [], titles(findings, 32)
    for pair in shown_pairs(findings):
        if pair.refused or not math.isfinite(pair.seed_part):
            continue
        parts = max(pair.seed_part, 0.0), max(pair.image_part, 0.0)
        total = sum(parts) or math.nan
        rows.append((
            f"{named[pair.a]} {MINUS} {named[pair.b]}",
            *(f"{two_digits(math.sqrt(part))} ({percent(part / total)})" for part in parts),
            format_interval(pair.ci_images, pair.diff),
        ))  # fmt: skip
    columns = (f"A {MINUS} B", "seeds: SE (share)", "images: SE (share)", f"interval over seeds {TIMES} images")
    caption = (
        "T3. Where the uncertainty of a difference comes from: retraining, and which images happen to be in the report "
        "set (S-12). More seeds make the first smaller, more report rows the second. Not measured: other splits, a "
        "repeated search, other data sets."
    )
    return table(columns, rows, caption, numbers=(1, 2, 3))
