"""How signals went through the networks, which may say why."""

from hpsearch.analysis.findings import Findings
from hpsearch.report.blocks import Block, Section, Text
from hpsearch.report.figures.catalog import mechanism_drawings
from hpsearch.report.figures.mechanism import Theory
from hpsearch.report.figures.render import figure_blocks


def mechanism(findings: Findings, theory: Theory | None) -> Section:
    """Figures of the signals; or the sentence that there are none."""
    drawings = mechanism_drawings(findings, theory)
    blocks: list[Block] = []
    if not any(row.signals for row in findings.evidence.trials):
        blocks.append(Text("No trial recorded statistics of its signals, so this report cannot say why.", "note"))
    elif drawings:
        blocks.append(
            Text("In the search, signals were recorded layer by layer. They describe; they prove no cause.", "note")
        )
    if drawings:
        blocks += figure_blocks(findings, drawings)
    return Section("mechanism", "Mechanism", "Mechanism", tuple(blocks), "description, not proof")
