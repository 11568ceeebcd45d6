"""Whether the order of the levels holds: what was varied, what that shows, and what nobody varied."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from hpsearch.analysis.comparison.outcomes import outcomes
from hpsearch.analysis.evidence import Evidence
from hpsearch.analysis.exploration.findings import SearchSummary
from hpsearch.analysis.findings import Hint, OrderStability, Pair, Variation
from hpsearch.formatting import number_of, plural, show_interval, show_number, visible
from hpsearch.statistics.intervals import wilson


def order_stability(
    evidence: Evidence, explored: Mapping[str, SearchSummary], pairs: Sequence[Pair], hints: Sequence[Hint]
) -> OrderStability:
    """Return whether the order of the levels holds for other seeds, images, rows, searches, epochs and data.

    Args:
        evidence: Everything.
        explored: What the search found, by level.
        pairs: The comparisons of the family.
        hints: Of the linter, which knows of which levels trials still improve.
    """
    sentence = _on_fresh_seeds(evidence)
    variations = [
        Variation("seeds", bool(evidence.confirm), "as counted above" if evidence.confirm else "", "Wilson 95 %"),
        _images(pairs, folded=evidence.design.folds > 1),
        _training_rows(evidence),
        *([_searches(explored)] if evidence.trials else []),
        *([_epochs(evidence, hints)] if evidence.design.epochs else []),
        Variation("data sets", False, "one data set"),
    ]
    return OrderStability(sentence, tuple(variations))


def _on_fresh_seeds(evidence: Evidence) -> str:
    """How often the two highest means stand in their order on a single seed; of one level, how far seeds spread."""
    scores = {level.name: outcomes(evidence, level.name) for level in evidence.design.levels}
    known = {name: of_level for name, of_level in scores.items() if of_level}
    if not known:
        return "No recipe was retrained on fresh seeds, so that nothing is known about other seeds."
    if len(evidence.design.levels) == 1:
        return _spread(evidence, next(iter(known.values())))
    ranked = sorted(known, key=lambda name: -float(np.mean([*known[name].values()])))
    common = sorted(set.intersection(*(set(of_level) for of_level in (known[name] for name in ranked[:2]))))
    if len(ranked) < 2 or not common:
        return "Fewer than two options have fresh seeds in common, so that no order is known."
    first, second = ranked[:2]
    holds = sum(known[first][key] > known[second][key] for key in common)
    ties = sum(known[first][key] == known[second][key] for key in common)
    low, high = wilson(holds, len(common))
    share = f"{holds} of {number_of(len(common), 'fresh seed')} [{100 * low:.0f} %, {100 * high:.0f} %]"
    equal = f", equal on {ties}" if ties else ""
    order = f"The order of the two highest means, {visible(first)} above {visible(second)}, holds on {share}{equal}"
    return f"{order}{_highest(known, first)}."


def _highest(known: Mapping[str, Mapping[int, float]], first: str) -> str:
    """On how many seeds that all levels have the first of more than two is above all others."""
    common = set.intersection(*map(set, known.values()))
    if len(known) < 3 or not common:
        return ""
    others = [of_level for name, of_level in known.items() if name != first]
    above = sum(all(known[first][key] > other[key] for other in others) for key in common)
    every = "both" if len(others) == 2 else f"all {len(others)}"
    return f"; {visible(first)} is above {every} others on {above} of {len(common)}"


def _spread(evidence: Evidence, scores: Mapping[int, float]) -> str:
    values = [evidence.design.metric.score(score) for score in scores.values()]
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return f"{number_of(len(values), 'fresh seed')} of the recipe: how far seeds spread is not known."
    low, high = (show_number(end(values)) for end in (min, max))
    name, sd = evidence.design.metric.name, show_number(float(np.std(values, ddof=1)))
    return f"Its {number_of(len(values), 'fresh seed')} have {name} from {low} to {high}, standard deviation {sd}."


def _images(pairs: Sequence[Pair], *, folded: bool) -> Variation:
    """Over how many comparisons the crossed interval excludes 0."""
    what, known = "images from the same source", [pair for pair in pairs if pair.ci_images is not None]
    if not known:
        return Variation(what, False, "every row is scored" if folded else "one set of report rows")
    excluding = sum(pair.ci_images is not None and (pair.ci_images[0] > 0 or pair.ci_images[1] < 0) for pair in known)
    said = f"{excluding} of {number_of(len(known), 'difference')} {plural(excluding, 'excludes', 'exclude')} 0"
    if len(known) == 1 and known[0].ci_images is not None:
        said = f"difference {show_interval(known[0].diff, *known[0].ci_images)}"
    return Variation(what, True, f"over seeds and images together, {said}", "S-12")


def _training_rows(evidence: Evidence) -> Variation:
    what = "training rows, as many"
    if evidence.design.folds > 1 and evidence.confirm:
        return Variation(what, True, "intervals over folds are corrected for the rows that they share", "S-10")
    return Variation(what, False, "one pool of development rows")


def _searches(explored: Mapping[str, SearchSummary]) -> Variation:
    what, blocks = "searches", [name for name, one in explored.items() if one.blocks]
    if not blocks:
        return Variation(what, False, "one search of each option")
    return Variation(
        what, True, "as blocks of one search, on one split and one seed: see the tuning curves", "S-06, F3"
    )


def _epochs(evidence: Evidence, hints: Sequence[Hint]) -> Variation:
    """Whether trials were still improving when they ended: then longer trainings may turn the order."""
    metric = evidence.design.metric
    longest = max((len(row.curves.get(f"val/{metric}", ())) for row in evidence.trials), default=0)
    if longest < 2:
        return Variation("epochs", False, f"each was trained for {number_of(evidence.design.epochs, 'epoch')}")
    still = sorted({hint.level for hint in hints if hint.code == "still_improving"}, key=str.casefold)
    if not still:
        return Variation("epochs", False, f"none was found to improve still at the last of {longest}")
    many = f"trials of {len(still)} of {number_of(len(evidence.design.levels), 'option')} still improved"
    return Variation("epochs", False, f"{many} at the last of {longest}: longer ones may turn the order")
