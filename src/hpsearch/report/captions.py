"""How figures and tables are read, where that follows from the evaluation or from alpha.

Three kinds of evaluation differ in what is shown. With report rows, these judge what `val` selects. Under K-fold there
are none: every row is scored by networks that did not train on it, and this out-of-fold score selects and is shown.
With neither, so does the `val` score.
"""

import math

from hpsearch.analysis.findings import Findings, Rule
from hpsearch.formatting import show_coverage
from hpsearch.report.blocks import ALPHA
from hpsearch.report.figures.axes import HIGHEST, MOST_POINTS
from hpsearch.report.levels import (
    alpha_of_look,
    has_report,
    how_compared,
    interval_label,
    is_corrected,
    is_folded,
    score_name,
    selection_rows,
    shown_rows,
)
from hpsearch.statistics.bootstrap import AFFORDABLE, enough_resamples
from hpsearch.statistics.importance import AFFORDABLE_SHUFFLED

ALPHA_OF_ONE = 0.05
"""Of an interval that stands by itself."""

NO_MEAN = {Rule.FRESH_SEEDS: "Where seeds are not fresh", Rule.NO_MISSING_PAIR: "Where a seed diverged"}

CORRECTED = "corrected for the overlap of training rows (S-10)"


OF_SEARCH = "hypothesis-generating, not evidence"
"""The stamp of sections about the search."""


def condition(findings: Findings) -> str:
    """What all trials of a search share."""
    return "one set of folds and one seed" if is_folded(findings) else "one split and one seed"


def tuning(findings: Findings) -> str:
    """Of F1."""
    bands = f"{_bands(findings)} over trials (S-06), conditional on {condition(findings)}."
    bands += _resamples_of_curves(findings)
    solid = "Solid up to a fifth of the trials; beyond, dashed, no claims are made."
    if has_report(findings):
        return (
            "Expected score of the trial that val selects among k, on rows that selection never read (S-03), against "
            f"the budget. {solid} The dotted line is the val score of the same selection: the gap is selection "
            f"optimism. {bands}"
        )
    return (
        f"Expected highest {selection_rows(findings)} score of k trials (S-01), against the budget. {solid} "
        f"{_no_report_rows(findings)} {bands}"
    )


BANDS = 3
"""More levels than these have bars instead of bands."""


def _bands(findings: Findings) -> str:
    """What bands and bars of tuning curves are."""
    found, banded = findings.at_budget, len(findings.explored) <= BANDS
    if found is None or not found.budgets:
        return f"{'Bands' if banded else 'Bars'}: 95 % bootstrap"
    level = show_coverage(findings.evidence.design.alpha)
    bars = (
        f"Bars: {level} bootstrap, for all options and budgets at once: one option is ahead where they do not overlap"
    )
    return f"{bars}. Bands: 95 % for a single curve and budget. Both are" if banded else f"{bars}. They are"


def _resamples_of_curves(findings: Findings) -> str:
    found = () if findings.at_budget is None else findings.at_budget.budgets
    alpha = findings.evidence.design.alpha / sum(len(budget.scores) for budget in found) if found else ALPHA_OF_ONE
    return _resamples(max(_counts(findings), default=0), alpha)


def _counts(findings: Findings) -> list[int]:
    return [one.n for one in findings.explored.values()]


def _resamples(trials: int, alpha: float, affordable: int = AFFORDABLE) -> str:
    """How often so many trials are resampled, where that is less often than fewer of them."""
    count = enough_resamples(trials, alpha, affordable)
    return f" {count:,} resamples, for trials are many." if count < enough_resamples(1, alpha, affordable) else ""


def _no_report_rows(findings: Findings) -> str:
    """Why what is shown flatters."""
    how = " Every row is scored by networks that did not train on it." if is_folded(findings) else ""
    return f"There are no report rows: the score that selects is the one that is shown, an optimistic one.{how}"


def probability(findings: Findings) -> str:
    """Of F2."""
    return (
        f"Probability that a level's selected trial has the highest {shown_rows(findings)} score when every level gets "
        "k trials (S-05); the levels sum to 1. Bars: 95 % bootstrap (S-06), up to a fifth of the trials. Dotted: equal "
        f"chances.{_resamples(sum(_counts(findings)), ALPHA_OF_ONE)}"
    )


def blocks(findings: Findings) -> str:
    """Of F3."""
    point = (
        "the report score of the trial that val selects in its block: what a whole search of k trials would have given"
        if has_report(findings)
        else f"the highest {selection_rows(findings)} score of its block: what a whole search of k trials would have "
        "shown, optimism included"
    )
    return (
        f"The trials of a level cut into disjoint blocks of k, in the order of drawing; each point is {point}. Boxes: "
        "quartiles and median. The second line under the axis is the number of blocks; arrows count points below the "
        f"axis.{f' Of more than {MOST_POINTS} blocks, so many quantiles.' * _crowded(findings)}"
    )


def slices(findings: Findings) -> str:
    """Of F5."""
    many = f" Of more than {MOST_POINTS} points, so many evenly of all and the {HIGHEST} highest."
    return (
        "All trials against each drawn value, failures as crosses at the foot. Shaded edges: the outer 5 % of the "
        "range. Lines: expected score of the selected trial in that part of the range, with equally many trials for "
        f"each part; bars: 95 % bootstrap, where there are enough trials.{many * _crowded(findings)}"
    )


def _crowded(findings: Findings) -> bool:
    """Whether figures leave out points that would lie on each other."""
    return max(_counts(findings), default=0) > MOST_POINTS


def distribution(findings: Findings) -> str:
    """Of F4."""
    score = "an out-of-fold score" if is_folded(findings) else "a val score"
    band = show_coverage(findings.evidence.design.alpha)
    return (
        f"Share of a level's trials with {score} of at most x; trials that diverged are the step at the left edge. "
        f"Band: simultaneous {band} (Dvoretzky, Kiefer & Wolfowitz)."
    )


def selection(findings: Findings) -> str:
    """Of the table of selected trials."""
    if has_report(findings):
        return (
            "In the search, val selects one trial of each level, its recipe. Its val score is biased upward; its score "
            "on report rows is not, but it is one training."
        )
    freed = " BBC-CV, in the next table, takes that off." if is_corrected(findings) else ""
    score = f"the {selection_rows(findings)} score"
    return (
        f"In the search, {score} selects one trial of each level, its recipe, which makes it biased upward: there are "
        f"no report rows.{freed}"
    )


def luck(findings: Findings) -> str:
    """Of the table about chance."""
    mixture = ", and the mean and standard deviation of their scores weighted by it" if has_report(findings) else ""
    freed = "; BBC-CV, the score of the selected trial without the luck of the choice (S-09)"
    return (
        "In the search, how much luck there is: by how much the highest of so many equal trials would exceed them all; "
        "λ, the share of the spread of the scores within five standard errors of the highest that is not noise; the "
        f"{selection_rows(findings)} score shrunken by it; how many trials share 95 % of the probability of being "
        f"truly the highest (S-07){mixture}"
        f"{freed if is_corrected(findings) else ''}."
    )


def importance(findings: Findings) -> str:
    """Of F7."""
    return (
        "PED-ANOVA (S-22): how far the density of a value among the high-scoring trials is from its density among all. "
        "Association, not cause. The dummy is random numbers: what is not clearly above it shows no evidence of "
        "importance. Bars: 95 % bootstrap."
        f"{_resamples(max(_counts(findings), default=0), ALPHA_OF_ONE, AFFORDABLE_SHUFFLED)}"
    )


def learning(findings: Findings) -> str:
    """Of F8."""
    over = "; a curve is over all folds of its trial" if is_folded(findings) else ""
    return (
        f"Median over the five highest-scoring trials of each level, by epoch{over}; band: quartiles. Dashed: training "
        "rows. Dotted: the recipe."
    )


def differences(findings: Findings) -> str:
    """Of F9."""
    every, images = show_coverage(alpha_of_look(findings)), any(pair.ci_images is not None for pair in findings.pairs)
    point = (
        "the mean over its folds of the difference of two recipes that were trained and scored on the same folds"
        if is_folded(findings)
        else "the difference of two recipes that were trained on the same split, order and initial weights where "
        "shapes agree"
    )
    bars = f" Both bars are {CORRECTED}." if is_folded(findings) else ""
    dotted = " Dotted: adjusted, over seeds and images (S-12)." if images else ""
    return (
        f"Every point is one fresh seed: {point}. Thin bar: {every} interval, adjusted for all pairs. "
        f"Thick grey bar: 95 % for this pair alone.{bars}{dotted} Grey ground: differences below δ."
    )


def shrinkage(findings: Findings) -> str:
    """Of F10."""
    bars = f"Bars: {interval_label(findings)}."
    fall = "The fall from left to right is the optimism of selecting."
    if has_report(findings):
        return (
            "The recipe's score where it was selected, on rows that selection did not read, and on average over fresh "
            f"seeds. {fall} {bars}"
        )
    if is_folded(findings):
        fall = (
            "Fresh seeds score the same rows, so that the fall from left to right is a part of the optimism of "
            "selecting, not all of it."
        )
    return (
        f"The recipe's {selection_rows(findings)} score in the search, where it was selected, and on average over "
        f"fresh seeds. {fall} {bars}"
    )


def seeds(findings: Findings) -> str:
    """Of F11."""
    score = "Score of every retraining, over all of its folds" if is_folded(findings) else "Score of every retraining"
    return (
        f"{score}; equal seeds are joined, so that what all levels share shows as parallel lines. Diamonds: mean and "
        f"{interval_label(findings)}. Arrows count retrainings beyond the axis."
    )


def interaction(findings: Findings) -> str:
    """Of F12."""
    return (
        f"Mean of the fresh seeds in each cell. Parallel lines: the effects add up. Bars: {interval_label(findings)}."
    )


def levels(findings: Findings) -> str:
    """Of T1."""
    rules = dict.fromkeys(rule for one in findings.confirmed.values() for rule in one.refused)
    why = [f" {NO_MEAN[rule]}: there is no mean ({rule})." for rule in rules]
    return f"{_levels(findings)}{''.join(why)}"


def _levels(findings: Findings) -> str:
    if is_folded(findings):
        return (
            "T1. Levels. Optimism is the out-of-fold score of the search minus the mean over fresh seeds, which score "
            "the same rows: a part of what selecting seemed to give. SD is the standard deviation over seeds, each of "
            f"all folds, not the error of the mean. Intervals are {CORRECTED}."
        )
    return (
        "T1. Levels. Optimism is the val score of the search minus the mean over fresh seeds: what selecting alone "
        "seemed to give. SD is the standard deviation of single trainings, not the error of the mean."
    )


def standings(findings: Findings) -> str:
    """Of F0."""
    rows = () if findings.headline is None else findings.headline.standings
    order = "the highest mean first" if findings.confirmed else "no recipe has a mean"
    untuned = any(not math.isnan(row.untuned) for row in rows)
    ring = " The ring is the library's default recipe in the search." if untuned else ""
    return f"Each dot is one retraining of the chosen recipe on a fresh seed, {order}. {how_compared(findings)}{ring}"


def pairs(findings: Findings) -> str:
    """Of T2."""
    design, alpha = findings.evidence.design, alpha_of_look(findings)
    name = score_name(design, "val" if is_folded(findings) else "")
    head = (
        f"T2. Pairs, difference in {name}. A claim needs an adjusted p of at most {ALPHA} = {alpha:.3g}: where it is, "
        f"the adjusted {show_coverage(alpha)} interval excludes 0, for it is the inversion of the test."
    )
    if design.looks:
        planned = f"{', '.join(map(str, design.looks[:-1]))} and {design.looks[-1]}"
        head += f" Looks after {planned} seeds, as planned, share {ALPHA}: a pair has the numbers of its last one."
    if is_folded(findings):
        return (
            f"{head} p: t test over the folds of all seeds, two sided; it and the intervals are {CORRECTED}. P(A > B): "
            "share of folds, an effect size and no test."
        )
    images = " An interval over seeds and images that contains 0 limits a claim to this report set (S-12)."
    limited = images if any(pair.ci_images is not None for pair in findings.pairs) else ""
    delta = "δ" if design.delta is not None else "the observed difference"
    if any(0 < pair.compared < pair.n for pair in findings.pairs):
        limited += " Where seeds stalled or collapsed, differences are of the seeds on which both trained."
    return (
        f"{head}{limited} p: sign-flip test, two sided. Power: for {delta}. P(A > B): share of pairs, an effect size "
        "and no test."
    )
