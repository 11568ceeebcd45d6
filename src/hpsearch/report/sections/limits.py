"""Section 7: what was not varied, and which uncertainty is which."""

from hpsearch.analysis.findings import Findings
from hpsearch.report.blocks import Block, Listing, Section, Text, table
from hpsearch.wording import visible


def limits(findings: Findings) -> Section:
    """The list of what was not varied, and the box of uncertainties."""
    said = tuple(map(visible, findings.limits))
    blocks: list[Block] = [
        Text("What was not varied, so that nothing here is known about it:")
        if said
        else Text("No limits were listed."),
        *([Listing(said)] if said else []),
        _uncertainties(findings),
    ]
    return Section(7, "limits", "Limits", "Limits", tuple(blocks))


def _uncertainties(findings: Findings) -> Block:
    design = findings.evidence.design
    crossed = any(pair.ci_images is not None for pair in findings.pairs)
    folds, blocks = design.folds > 1, any(one.blocks for one in findings.explored.values())
    seeds = bool(findings.confirmed)
    rows = [
        (
            "over seeds, one split",
            "Would another training on this split differ?",
            "t interval and sign-flip test",
            _here(seeds and not folds),
        ),
        ("over seeds and images", "… and on new images from the same source?", "S-12", _here(crossed)),
        (
            "over splits or folds, corrected",
            "… and with another training set of this size?",
            "S-10",
            _here(seeds and folds),
        ),
        ("over blocks of search trials", "… and if the search were done again?", "S-06, F3", _here(blocks)),
        ("over data sets", "… and on other problems?", "Demšar (2006)", "no: one data set"),
    ]
    caption = "Which uncertainty is which. Each interval answers its own question, and none of them the next."
    return table(("interval", "answers", "computed by", "in this report"), rows, caption, wide=(1,))


def _here(known: bool) -> str:
    return "yes" if known else "no"
