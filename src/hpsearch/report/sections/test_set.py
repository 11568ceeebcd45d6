"""The sealed test set, after it was opened."""

import math

from hpsearch.analysis.evidence import TestRow
from hpsearch.analysis.findings import Action, Findings, Rule
from hpsearch.analysis.test_set_results import Tested, repeated
from hpsearch.formatting import number_of, show_score, visible
from hpsearch.records import NO_LEVEL
from hpsearch.report.blocks import DASH, MINUS, Block, Cell, Section, Text, table
from hpsearch.report.number_format import difference, interval, p_value, two_digits


def test_set(findings: Findings) -> Section:
    """What was measured on the test rows, shipped models row by row, and the ledger of openings."""
    blocks: list[Block] = [*_warnings(findings), _measured(findings), *_shipped(findings), _ledger(findings)]
    return Section("test", "Test: the sealed test set", "Test", tuple(blocks), "opened once, then counted")


def _measured(findings: Findings) -> Block:
    """T4; the columns of errors and of retrained networks stand only where there are any."""
    found = list(zip(findings.evidence.tests, findings.tested, strict=True))
    columns = ["opening", "level", "trial", f"test {findings.evidence.design.metric} [95 %]"]
    rows = [
        [str(row.opening), visible(row.level), str(row.trial), interval(row.value, (row.low, row.high))]
        for row, _ in found
    ]
    more = {
        "SE of images": [two_digits(one.image_se) for _, one in found],
        "mean of S retrained ± s/√S": [_mean(one) for _, one in found],
        "S": [str(one.retrains) for _, one in found],
        "test rows": [str(row.n) for row, _ in found],
    }
    shown = {name: texts for name, texts in more.items() if set(texts) - {DASH, "0"}}
    cells = [[*row, *(texts[at] for texts in shown.values())] for at, row in enumerate(rows)]
    columns += shown
    return table(columns, cells, _caption(findings), numbers=(2, *range(3, len(columns))))


def _mean(one: Tested) -> str:
    """`0.9412 ± 0.0021`; a dash without retrained networks, or where one of them has no value."""
    if math.isnan(one.mean):
        return DASH
    return show_score(one.mean, None if math.isnan(one.retrain_se) else one.retrain_se)


def _caption(findings: Findings) -> str:
    first = (
        "T4. Shipped models on the test rows. The interval is about the test rows alone, for this one training; it "
        "does not shrink with more seeds."
    )
    said = [first]
    if findings.evidence.design.metric.is_share:
        said.append("SE of images: √(p (1 - p) / n), would other rows give another number?")
    if any(one.retrains for one in findings.tested):
        said.append(
            "s/√S: would other retrained networks of the recipe, on the same development rows, give another mean? The "
            "two errors answer different questions; more networks make the second smaller, never the first."
        )
    if findings.evidence.design.metric.lower_is_better:
        said.append("Lower is better.")
    return " ".join(said)


def _shipped(findings: Findings) -> list[Block]:
    """Two shipped models at a time, and which openings have shown one again."""
    blocks: list[Block] = [
        Text(f"Opening {again} evaluated the weights of opening {first} again: one model, not two.", "note")
        for again, first in repeated(findings.evidence.tests).items()
    ]
    blocks += [
        Text(f"Which rows opening {row.opening} has right is not known, so that no pair has it: {visible(row.unread)}.",
             "warning")
        for row in findings.evidence.tests if row.unread
    ]  # fmt: skip
    return [*blocks, *([_mcnemar(findings)] if findings.shipped else [])]


def _mcnemar(findings: Findings) -> Block:
    named = {row.opening: _named(row) for row in findings.evidence.tests}
    rows = [
        (
            f"{named[pair.first]} {MINUS} {named[pair.second]}",
            str(pair.only_first),
            str(pair.only_second),
            str(pair.n),
            difference(pair.found.diff, (pair.found.low, pair.found.high)),
            p_value(pair.found.p),
        )
        for pair in findings.shipped
    ]
    columns = (
        "models",
        "only first right",
        "only second right",
        "test rows",
        "difference in accuracy [95 %]",
        "exact p",
    )
    caption = (
        "Shipped models row by row (McNemar, S-16). The difference is between these networks, each trained once, not "
        "between their recipes; intervals and p are of each pair alone, not adjusted for how many there are."
    )
    return table(columns, rows, caption, numbers=(1, 2, 3, 4, 5))


def _named(row: TestRow) -> str:
    level = f"{visible(row.level)}, " if row.level != NO_LEVEL else ""
    return f"opening {row.opening} ({level}trial {row.trial})"


def _ledger(findings: Findings) -> Block:
    rows, openings = findings.evidence.tests, findings.evidence.openings
    others = f" All sweeps together have opened it {openings} times." if openings > len(rows) else ""
    return table(
        ("opening", "when", "by whom", "configuration", "weights", "purpose"),
        [
            (
                str(row.opening),
                visible(row.when) or DASH,
                visible(row.who) or DASH,
                Cell(row.config or DASH, code=bool(row.config)),
                Cell(row.weights or DASH, code=bool(row.weights)),
                visible(row.purpose) or _first(row),
            )
            for row in rows
        ],
        f"Ledger: {number_of(len(rows), 'opening')} of the sealed test set for this sweep; "
        f"configuration and weights by the first digits of their SHA-256.{others}",
        wide=(2, 5),
    )


def _first(row: TestRow) -> str:
    return "first opening" if row.opening == 1 else "no reason given"


def _warnings(findings: Findings) -> list[Block]:
    said = [
        gate.reason for gate in findings.gates if gate.rule == Rule.SINGLE_OPENING and gate.action is not Action.PASS
    ]
    return [Text(visible(text), "warning") for text in said]
