"""Which figures a report has, what each is called, how it is read, and which gates can forbid it."""

from collections.abc import Mapping
from functools import partial

from hpsearch.analysis.findings import Findings
from hpsearch.report.drawings import Drawing
from hpsearch.report.figures_confirm import interaction, paired_differences, seed_strips, shrinkage
from hpsearch.report.figures_learning import importance, learning_curves
from hpsearch.report.figures_mechanism import SHARES, Theory, optimizer_paths, over_epochs, signal_propagation
from hpsearch.report.figures_space import good_region, score_distribution, slices
from hpsearch.report.figures_tuning import (
    block_winners,
    costs_differ,
    probability_highest,
    tuning_curves,
    tuning_curves_by_cost,
)
from hpsearch.report.levels import cast
from hpsearch.report.signals import STATISTICS

ORDER_STATISTICS = ("R01", "R02", "R03", "R04", "R05", "R09")
"""Gates that can forbid what is computed from the order of trials."""
COMPARISON = ("R06", "R07", "R08", "R09", "R10", "R11")
"""Gates that can forbid a comparison of frozen recipes."""


def budget_drawings(findings: Findings) -> list[Drawing]:
    """F1 to F4."""
    by_cost = [BY_COST] if costs_differ(findings) else []
    compared = [HIGHEST] if len(findings.evidence.design.levels) > 1 else []
    return [*by_cost, TUNING, *compared, BLOCKS, DISTRIBUTION]


TUNING = Drawing(
    "F1",
    "f01-tuning-curves",
    "Tuning curves",
    "Expected score of the trial that val selects among k, on rows that selection never read (S-03), against the "
    "budget. Solid up to a fifth of the trials; beyond, dashed, no claims are made. The dotted line is the val score "
    "of the same selection: the gap is selection optimism. Bands or bars: 95 % bootstrap over trials (S-06), "
    "conditional on one split and seed.",
    tuning_curves,
    ORDER_STATISTICS,
    "No level has enough trials.",
)
BY_COST = Drawing(
    "F1b",
    "f01b-tuning-curves-by-cost",
    "Tuning curves at equal cost",
    "As F1, against the cost of the budget: mean costs of a trial differ by more than 10 %, so that an equal number of "
    "trials is no equal effort. Cost is optimizer steps times FLOP of a step. Bands or bars: 95 % bootstrap.",
    tuning_curves_by_cost,
    ORDER_STATISTICS,
)
HIGHEST = Drawing(
    "F2",
    "f02-probability",
    "P(level is best | k)",
    "Probability that a level's selected trial has the highest report score when every level gets k trials (S-05); the "
    "levels sum to 1. Bars: 95 % bootstrap (S-06), up to a fifth of the trials. Dotted: equal chances.",
    probability_highest,
    ORDER_STATISTICS,
    "No budgets were evaluated.",
)
BLOCKS = Drawing(
    "F3",
    "f03-blocks",
    "Repeated searches of k trials",
    "The trials of a level cut into disjoint blocks of k, in the order of drawing; each point is the report score of "
    "the trial that val selects in its block: what a whole search of k trials would have given. Boxes: quartiles and "
    "median. The second line under the axis is the number of blocks; arrows count points below the axis.",
    block_winners,
    ORDER_STATISTICS,
    "There are no blocks.",
)
DISTRIBUTION = Drawing(
    "F4",
    "f04-distribution",
    "Distribution of the search's scores",
    "Share of a level's trials with a val score of at most x; trials that diverged are the step at the left edge. "
    "Band: simultaneous 95 % (Dvoretzky, Kiefer & Wolfowitz).",
    score_distribution,
    ("R01",),
    "No trial was scored.",
)


def space_drawings(findings: Findings) -> list[Drawing]:
    """F5 for each level, F6 to F8."""
    return [*(_slices(findings, at) for at in range(len(findings.evidence.design.levels))), GOOD, IMPORTANCE, LEARNING]


def _slices(findings: Findings, at: int) -> Drawing:
    series, several = cast(findings, 60)[at], len(findings.evidence.design.levels) > 1
    return Drawing(
        f"F5.{at + 1}" if several else "F5",
        f"f05-slices-{at + 1}",
        f"Slices of the space: {series.label}" if several else "Slices of the space",
        "As F5.1." if at else _SLICES,
        partial(slices, level=series.name),
        (),
        "It draws nothing.",
    )


_SLICES = (
    "All trials against each drawn value, failures as crosses at the foot. Shaded edges: the outer 5 % of the range. "
    "Lines: expected score of the selected trial in that part of the range, with equally many trials for each part; "
    "bars: 95 % bootstrap, where there are enough trials."
)
GOOD = Drawing(
    "F6",
    "f06-good-region",
    "Width of the good region",
    "Share of a level's trials that score within δ of its recipe: the wider, the less tuning it asks for. Bars: Wilson "
    "95 %.",
    good_region,
    ("R02", "R03"),
    "No level has a recipe, or no δ is declared.",
)
IMPORTANCE = Drawing(
    "F7",
    "f07-importance",
    "Which drawn values matter",
    "PED-ANOVA (S-22): how far the density of a value among the high-scoring trials is from its density among all. "
    "Association, not cause. The dummy is random numbers: what is not clearly above it shows no evidence of "
    "importance. Bars: 95 % bootstrap.",
    importance,
    ("R13", "R02", "R03"),
    "No importance was computed.",
)
LEARNING = Drawing(
    "F8",
    "f08-learning-curves",
    "Learning curves",
    "Median over the five highest-scoring trials of each level, by epoch; band: quartiles. Dashed: training rows. "
    "Dotted: the recipe.",
    learning_curves,
    (),
    "No curves were recorded.",
)

CONFIRM = (
    Drawing(
        "F9",
        "f09-pairs",
        "Paired differences",
        "Every point is one fresh seed: the difference of two recipes that were trained on the same split, order and "
        "initial weights where shapes agree. Thin bar: interval that holds for all pairs simultaneously. Thick grey "
        "bar: 95 % for this pair alone. Dotted: simultaneous over seeds and images (S-12). Grey ground: "
        "differences below δ.",
        paired_differences,
        COMPARISON,
        "There is no pair of confirmed recipes.",
    ),
    Drawing(
        "F10",
        "f10-shrinkage",
        "From the search to fresh seeds",
        "The recipe's score where it was selected, on rows that selection did not read, and on average over fresh "
        "seeds. The fall from left to right is the optimism of selecting. Bars: 95 % over seeds.",
        shrinkage,
        (),
        "Nothing was confirmed.",
    ),
    Drawing(
        "F11",
        "f11-seeds",
        "Seed by seed",
        "Score of every retraining; equal seeds are joined, so that what all levels share shows as parallel lines. "
        "Diamonds: mean and 95 % over seeds. Arrows count trainings beyond the axis.",
        seed_strips,
        (),
        "Nothing was confirmed.",
    ),
)
INTERACTION = Drawing(
    "F12",
    "f12-interaction",
    "Interaction",
    "Mean of the fresh seeds in each cell. Parallel lines: the effects add up. Bars: 95 % over seeds.",
    interaction,
)


def mechanism_drawings(findings: Findings, theory: Theory | None) -> list[Drawing]:
    """Signal propagation forward and backward, the course of the signals, and paths of optimizers."""
    moments = [_propagation(1, "activation_second_moment", theory), _propagation(2, "gradient_second_moment", None)]
    courses = [name for name in STATISTICS if name not in ("activation_second_moment", "gradient_second_moment")]
    drawn = [*moments, *(_course(at, name) for at, name in enumerate(courses, 3))]
    measured = [one for one in drawn if any(_has(row.signals, one.stem) for row in findings.evidence.trials)]
    varied = {str(level.settings.get("optimizer")) for level in findings.evidence.design.levels}
    return [*measured, PATHS] if len(varied) > 1 else measured


def _has(signals: object, stem: str) -> bool:
    return isinstance(signals, Mapping) and stem.partition("-")[2].replace("-", "_") in signals


def _propagation(at: int, statistic: str, theory: Theory | None) -> Drawing:
    which = "activations" if statistic.startswith("activation") else "gradients"
    lines = " Dashed: mean-field theory (S-23)." if theory else ""
    return Drawing(
        f"M{at}",
        f"m0{at}-{statistic.replace('_', '-')}",
        f"Signal propagation at initialization: {which}",
        f"Second moment of the {which} in each layer before the first update: mean and standard deviation (SD) over "
        "initial weights, those of the fresh seeds where there are any. A level that falls or rises by orders of "
        f"magnitude loses its signal.{lines}",
        partial(signal_propagation, statistic=statistic, theory=theory),
        (),
        "It was not measured before the first update.",
    )


def _course(at: int, statistic: str) -> Drawing:
    zero = "" if statistic in SHARES else " Logarithmic."
    return Drawing(
        f"M{at}",
        f"m0{at}-{statistic.replace('_', '-')}",
        STATISTICS[statistic].capitalize(),
        f"By layer over training: median over trials of a level that were measured alike.{zero} Gaps: no finite value.",
        partial(over_epochs, statistic=statistic),
        (),
        "It was not measured.",
    )


PATHS = Drawing(
    "M7",
    "m07-optimizer-paths",
    "Paths of four optimizers",
    "On f(x, y) = x²/20 + y² from (-7, 2), 30 updates each, computed by the published update rules: an illustration, "
    "not a result of this sweep.",
    lambda _: optimizer_paths(),
)
