"""Within section 4: levels that differ in their loss, on calibrated probabilities; a description without claims."""

import math

from hpsearch.analysis.calibrated import Calibrated, CalibratedPair
from hpsearch.analysis.findings import Findings
from hpsearch.analysis.refusals import possibly_under_tuned
from hpsearch.report.blocks import ALPHA, DASH, MINUS, Block, Cell, Subtitle, Table, table
from hpsearch.report.levels import level_order, score_name, titles
from hpsearch.report.numbers import difference, interval, two_digits


def calibrated(findings: Findings) -> list[Block]:
    """T1b and T2b; nothing where levels do not differ in their loss."""
    found = findings.calibrated
    if found is None:
        return []
    pairs = [_pairs(findings, found)] if found.pairs else []
    return [Subtitle("Different losses on calibrated probabilities"), _levels(findings, found), *pairs]


def _levels(findings: Findings, found: Calibrated) -> Table:
    rows = [_level(findings, found, name) for name in level_order(findings) if name in found.levels]
    columns = ("level", "seeds", "diverged", "accuracy, mean [95 %]", "calibrated log loss, mean [95 %]", "median T")
    caption = (
        "T1b. Levels that train on different losses, whose values are not compared (R10), on two scores of report rows "
        "that mean the same for all of them. Calibrated log loss: mean negative log likelihood, in nats, under "
        "softmax(outputs / T), or the sigmoid of a single output / T; lower is better. Each retraining has its own T, "
        "which minimizes the same loss on its val rows (Guo et al., ICML 2017). Intervals: over seeds."
    )
    return table(columns, rows, caption, numbers=range(1, len(columns)))


def _level(findings: Findings, found: Calibrated, name: str) -> list[str | Cell]:
    one = found.levels[name]
    return [
        titles(findings)[name], str(one.n), str(one.failed), interval(one.accuracy, one.accuracy_interval),
        interval(one.loss, one.interval), two_digits(one.temperature),
    ]  # fmt: skip


def _pairs(findings: Findings, found: Calibrated) -> Table:
    plan = findings.evidence.design
    place = {name: at for at, name in enumerate(level_order(findings))}
    pairs = sorted(found.pairs, key=lambda pair: (place[pair.a], place[pair.b]))
    unknown = any(math.isnan(pair.diff) for pair in pairs)
    caption = (
        "T2b. Pairs, difference in calibrated log loss: below 0 where that of A is lower. Intervals are simultaneous "
        f"for all pairs, at the {ALPHA} of T2. A description: claims are made of {score_name(plan)} alone (T2)."
        + "".join(f" {said}" for said in possibly_under_tuned(findings.gates, *sorted(found.levels)))
        + (f" {DASH}: a seed diverged, or there are too few of them for a claim." if unknown else "")
    )
    columns = (f"A {MINUS} B", "pairs", "difference [simultaneous]")
    return table(columns, [_pair(findings, pair) for pair in pairs], caption, numbers=(1, 2))


def _pair(findings: Findings, pair: CalibratedPair) -> list[str | Cell]:
    names = titles(findings, 32)
    return [f"{names[pair.a]} {MINUS} {names[pair.b]}", str(pair.n), difference(pair.diff, pair.ci_sim)]
