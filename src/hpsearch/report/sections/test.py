"""Section 5: the sealed test set, after it was opened."""

import math

from hpsearch.analysis.evidence import TestRow
from hpsearch.analysis.findings import Action, Findings
from hpsearch.report.blocks import Block, Section, Text, table
from hpsearch.report.levels import LOSSES
from hpsearch.report.numbers import interval
from hpsearch.wording import show_coverage, show_number, visible


def test_set(findings: Findings) -> Section:
    """What was measured on the test rows, and the ledger of openings."""
    rows = findings.evidence.tests
    measured = table(
        ("opening", "level", "trial", f"test {findings.evidence.design.metric} [95 %]", "test rows"),
        [
            (str(row.opening), visible(row.level), str(row.trial), interval(row.value, (row.low, row.high)), str(row.n))
            for row in rows
        ],
        _caption(findings),
        numbers=(2, 3, 4),
    )
    ledger = table(
        ("opening", "by whom, when", "why again"),
        [(str(row.opening), visible(row.who), visible(row.purpose) or _first(row)) for row in rows],
        f"Ledger: {len(rows)} {'opening' if len(rows) == 1 else 'openings'} of the sealed test set for this sweep.",
        wide=(2,),
    )
    blocks: list[Block] = [*_warnings(findings), measured, ledger]
    return Section(5, "test", "Test: the sealed test set", "Test", tuple(blocks), "opened once, then counted")


def _first(row: TestRow) -> str:
    return "first opening" if row.opening == 1 else "no reason given"


def _caption(findings: Findings) -> str:
    lower = " Lower is better." if findings.evidence.design.metric in LOSSES else ""
    return (
        "T4. Shipped models on the test rows. The interval is about the test rows alone, for this one training; it "
        f"does not shrink with more seeds.{lower}"
    )


def _warnings(findings: Findings) -> list[Block]:
    said = [gate.reason for gate in findings.gates if gate.code == "R14" and gate.action is not Action.PASS]
    openings = max(row.opening for row in findings.evidence.tests)
    if not said and openings > 1 and findings.evidence.design.is_share:
        n = min(row.n for row in findings.evidence.tests)
        # Hoeffding's bound for all openings at once (S-17)
        half = math.sqrt(math.log(2 * openings / findings.evidence.design.alpha) / (2 * n))
        said.append(
            f"After {openings} openings, ± {show_number(half)} around any of the numbers holds for all of them with "
            f"{show_coverage(findings.evidence.design.alpha)} confidence, provided that none of the models was chosen "
            "after seeing an earlier number (S-17)."
        )
    return [Text(visible(text), "warning") for text in said]
