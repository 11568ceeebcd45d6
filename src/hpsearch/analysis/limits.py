"""What was not varied, so that the report knows nothing about it."""

import math
from collections.abc import Sequence

from hpsearch.analysis.evidence import Design, Evidence
from hpsearch.analysis.findings import Pair
from hpsearch.analysis.two_by_two import larger_than_two_by_two
from hpsearch.wording import number_of, show_number, visible

SAME_POOL = (
    "Retrainings score the same pool of rows that the search selected on: fresh seeds do not fully undo that selection."
)
"""Under K-fold, where no row is kept from the search."""


def limits_of(evidence: Evidence, pairs: Sequence[Pair]) -> tuple[str, ...]:
    """Sentence by sentence, the widest limit first."""
    return (*_scope(evidence), *_rows(evidence), *_search(evidence), *_claims(evidence, pairs))


def _scope(evidence: Evidence) -> list[str]:
    design = evidence.design
    found = [f"One data set: {visible(design.data)}. Nothing is known about other data.", *_network(design)]
    schedule = design.facts.get("schedule")
    if design.epochs:
        fixed = f", schedule {visible(schedule)}" if schedule else ""
        found.append(f"Fixed training: {number_of(design.epochs, 'epoch')}{fixed}. A longer one may turn an order.")
    found += [f"Fixed {visible(name)}: {visible(text)}." for name, text in design.facts.items() if "batch" in name]
    return found


def _network(design: Design) -> list[str]:
    """Of one network nothing else is known; of several, nothing beyond them; of foreign ones, not even that."""
    if not design.model:
        return []
    names = {name for level in design.levels for name in (*level.space, *level.settings)}
    if any(name.partition(".")[0] == "model" for name in names):
        return [f"Networks: {visible(design.model)}. Nothing is known about others."]
    return [f"One network: {visible(design.model)}. Nothing is known about other widths and depths."]


def _rows(evidence: Evidence) -> list[str]:
    design = evidence.design
    if design.evaluation == "truth_table":
        return ["Every row is trained on and scored: nothing is said about new rows."]
    if design.folds > 1:
        pool = f"{design.folds} folds of one pool of rows"
        overlap = f"{pool}: their training rows overlap, and more seeds do not make up for it."
        return [overlap, *([SAME_POOL] if evidence.confirm else [])]
    if design.rows.get("report"):
        same = ", the same in the search and on fresh seeds" if evidence.trials else ""
        return [f"One set of {number_of(design.rows['report'], 'report row')}{same}."]
    return []


def _search(evidence: Evidence) -> list[str]:
    design = evidence.design
    split, trials = "set of folds" if design.folds > 1 else "split", number_of(design.trials, "trial")
    found = [
        f"Bands of the search are conditional on one {split} and one seed, which all of its trials share.",
        f"One search of {trials} in each space: another one could have selected other recipes.",
    ]
    if not evidence.trials:
        return []
    if len(design.levels) > 1:
        found.append("Each level was tuned in its own space: other bounds may turn an order.")
    larger = larger_than_two_by_two(evidence)
    return [*found, larger] if larger else found


def _claims(evidence: Evidence, pairs: Sequence[Pair]) -> list[str]:
    design, found = evidence.design, []
    if design.delta is None and design.pairs:
        found.append("No smallest difference that matters was declared, so that nothing can be called equivalent.")
    if pairs and design.folds <= 1 and all(math.isnan(pair.image_part) for pair in pairs):
        found.append("Which report rows are right was not kept: differences are claimed for this report set alone.")
    found += _no_overfitting(evidence)
    if not evidence.tests and not design.is_foreign:
        by = "was not opened" if not evidence.openings else "was opened by another sweep, not by this one"
        found.append(f"The test set {by}.")
    return found


def _no_overfitting(evidence: Evidence) -> list[str]:
    """Where training without regularization does not overfit, its remedies have nothing to show."""
    design = evidence.design
    plain = [level.name for level in design.levels if level.settings.get("regularization") == "none"]
    if design.delta is None or len(design.levels) < 2 or not plain:
        return []
    gaps = [row.curves[f"train/{design.metric}"][-1] - row.curves[f"val/{design.metric}"][-1]
            for row in evidence.confirmed(plain[0])
            if row.curves.get(f"train/{design.metric}") and row.curves.get(f"val/{design.metric}")]  # fmt: skip
    gap = sum(gaps) / len(gaps) if gaps else math.nan
    if math.isnan(gap) or not design.is_share or gap >= design.delta:
        return []
    small = f"Without regularization training and val rows differ by {show_number(gap)}, less than {design.delta:g}"
    return [f"{small}: there is no overfitting that regularization could reduce."]
