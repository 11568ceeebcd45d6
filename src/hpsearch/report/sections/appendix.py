"""Section 8: formulas, seeds, counts, and every trial."""

from hpsearch.analysis.findings import Findings
from hpsearch.report.blocks import Block, Cell, Fold, Section, Subtitle, table
from hpsearch.report.levels import has_report, level_order, parameter_names, selecting, show_search_score, titles
from hpsearch.report.numbers import values
from hpsearch.report.sections.formulas import formulas_of
from hpsearch.wording import number_of, visible


def appendix(findings: Findings) -> Section:
    """Everything that a reader needs to check a number."""
    blocks: list[Block] = [
        Subtitle("Formulas"),
        table(
            ("name", "formula", "source"),
            formulas_of(findings.evidence.design),
            "Higher is better throughout; losses are negated first.",
            wide=(1,),
        ),
        Subtitle("Seeds and counts"),
        _counts(findings),
    ]
    if findings.evidence.trials:
        count = number_of(len(findings.evidence.trials), "trial")
        blocks += [Subtitle("Trials"), Fold(f"All of {count}", (_trials(findings),), printed=False)]
    return Section(8, "appendix", "Appendix", "Appendix", tuple(blocks))


def _counts(findings: Findings) -> Block:
    evidence = findings.evidence
    rows: list[tuple[Cell | str, ...]] = [
        *([] if evidence.design.seed is None else [("seed of the sweep", str(evidence.design.seed))]),
        ("seed of every bootstrap", str(findings.seed)),
        ("trials, default recipes included", str(len(evidence.trials))),
        ("retrainings on fresh seeds", str(len(evidence.confirm))),
        *([] if evidence.design.is_foreign else [("openings of the test set, by any sweep", str(evidence.openings))]),
        ("look", str(findings.looks)),
        ("digest of the confirm records shown", Cell(visible(findings.digest), code=True)),
        *((visible(name), visible(text)) for name, text in findings.notes.items()),
    ]
    return table(("what", ""), rows, wide=(1,))


def _trials(findings: Findings) -> Block:
    design, named, reported, rows = findings.evidence.design, titles(findings), has_report(findings), []
    timed = any(row.epochs for row in findings.evidence.trials)
    for level in level_order(findings):
        drawn = findings.evidence.draws(level)
        default = findings.evidence.default(level)
        for row in [*([default] if default is not None else []), *drawn]:
            names = parameter_names(list(row.values), 40)
            listed = " ".join(f"{names[key]}={visible(values(value))}" for key, value in row.values.items())
            rows.append((
                named[level], "default" if row.default else str(row.k), row.status,
                show_search_score(design, row.val, "val"),
                *([show_search_score(design, row.report, "report")] if reported else []),
                *([str(row.epochs)] if timed else []), listed,
            ))  # fmt: skip
    scores = (selecting(findings), *(["report"] if reported else []))
    columns = ("level", "trial", "status", *scores, *(["epochs"] if timed else []), "values")
    return table(columns, rows, numbers=(1, *range(3, len(columns) - 1)), wide=(len(columns) - 1,))
