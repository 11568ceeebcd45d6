"""How signals went through the networks, which may say why."""

from hpsearch.analysis.findings import Findings
from hpsearch.report.blocks import Section, Text
from hpsearch.report.figures.catalog import mechanism_drawings
from hpsearch.report.figures.mechanism import Theory
from hpsearch.report.figures.render import figure_blocks


def mechanism(findings: Findings, theory: Theory | None) -> Section | None:
    """What signals tell in words, and their figures; None where no trial recorded any."""
    if not any(row.signals for row in findings.evidence.trials):
        return None
    note = Text("Signals were recorded layer by layer, in the search and on fresh seeds. They describe; they prove no "
                "cause.", "note")  # fmt: skip
    blocks = (note, *figure_blocks(findings, mechanism_drawings(findings, theory)))
    return Section("mechanism", "Why?", "Why", blocks, "description, not proof", lead=findings.mechanism)
