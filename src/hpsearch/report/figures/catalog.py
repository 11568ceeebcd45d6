"""Which figures a report has, what each is called, how it is read, and which gates can forbid it."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from hpsearch.analysis.findings import Findings, Rule
from hpsearch.analysis.signals import table
from hpsearch.formatting import visible
from hpsearch.report import captions
from hpsearch.report.figures.confirmation import interaction, paired_differences, seed_strips, shrinkage
from hpsearch.report.figures.learning import importance, learning_curves, target_epochs
from hpsearch.report.figures.mechanism import (
    SHARES,
    STATISTICS,
    Theory,
    optimizer_paths,
    over_epochs,
    signal_propagation,
)
from hpsearch.report.figures.render import FigureSpec
from hpsearch.report.figures.space import good_region, isolation_curves, score_distribution, slices
from hpsearch.report.figures.standings import standings
from hpsearch.report.figures.tuning import (
    block_winners,
    costs_differ,
    probability_highest,
    tuning_curves,
    tuning_curves_by_cost,
)
from hpsearch.report.levels import Series, level_series

ORDER_STATISTICS = (
    Rule.NO_TEST_NUMBERS,
    Rule.INDEPENDENT_DRAWS,
    Rule.NO_PRUNING,
    Rule.EQUAL_EFFORT,
    Rule.ENOUGH_TRIALS,
    Rule.LEVELS_OTHERWISE_ALIKE,
)
"""Gates that can forbid what is computed from the order of trials."""

COMPARISON = (
    Rule.FRESH_SEEDS,
    Rule.ENOUGH_SEEDS,
    Rule.NO_MISSING_PAIR,
    Rule.LEVELS_OTHERWISE_ALIKE,
    Rule.COMPARABLE_LOSSES,
    Rule.CORRECTED_FOLD_ERROR,
)
"""Gates that can forbid a comparison of frozen recipes."""


def budget_drawings(findings: Findings) -> list[FigureSpec]:
    """F1 to F3."""
    by_cost = [BY_COST] if costs_differ(findings) else []
    compared = [HIGHEST] if len(findings.evidence.design.levels) > 1 else []
    return [*by_cost, TUNING, *compared, BLOCKS]


TUNING = FigureSpec(
    "F1",
    "f01-tuning-curves",
    "Tuning curves",
    captions.tuning,
    tuning_curves,
    ORDER_STATISTICS,
    "No level has enough trials.",
)

BY_COST = FigureSpec(
    "F1b",
    "f01b-tuning-curves-by-cost",
    "Tuning curves at equal cost",
    "As F1, against the cost of the budget: mean costs of a trial differ by more than 10 %, so that an equal number of "
    "trials is no equal effort. Cost is optimizer steps times FLOP of a step.",
    tuning_curves_by_cost,
    ORDER_STATISTICS,
)

HIGHEST = FigureSpec(
    "F2",
    "f02-probability",
    "P(level is best | k)",
    captions.probability,
    probability_highest,
    ORDER_STATISTICS,
    "No budgets were evaluated.",
)

BLOCKS = FigureSpec(
    "F3",
    "f03-blocks",
    "Repeated searches of k trials",
    captions.blocks,
    block_winners,
    ORDER_STATISTICS,
    "There are no blocks.",
)

DISTRIBUTION = FigureSpec(
    "F4",
    "f04-distribution",
    "Distribution of the search's scores",
    captions.distribution,
    score_distribution,
    (Rule.NO_TEST_NUMBERS,),
    "No trial was scored.",
)


def tuning_drawings(findings: Findings) -> list[FigureSpec]:
    """F5 of the value that options share, F6 and F7."""
    found = findings.tuning_ease
    shared = [_isolation(found.shared.name)] if found is not None and found.shared is not None else []
    return [*shared, GOOD, IMPORTANCE]


def _isolation(name: str) -> FigureSpec:
    return FigureSpec(
        "F5",
        "f05-isolation",
        f"{name} of every option",
        f"What each part of the range of {visible(name)} gives, other values being drawn as well: expected score of "
        "the selected trial, with equally many trials for each part of an option's range. Horizontal lines: the parts. "
        "Vertical bars: 95 % bootstrap, where there are enough trials.",
        isolation_curves,
        (Rule.INDEPENDENT_DRAWS, Rule.NO_PRUNING),
    )


def slice_drawings(findings: Findings) -> list[FigureSpec]:
    """F5 for each level."""
    return [_slices(at, series, findings) for at, series in enumerate(level_series(findings, 60))]


def _slices(at: int, series: Series, findings: Findings) -> FigureSpec:
    several = len(findings.evidence.design.levels) > 1
    return FigureSpec(
        f"F5.{at + 1}" if several else "F5",
        f"f05-slices-{at + 1}",
        f"Slices of the space: {series.label}" if several else "Slices of the space",
        "As F5.1." if at else captions.slices,
        partial(slices, level=series.name),
        (),
        "It draws nothing.",
        of_levels=not at,
    )


GOOD = FigureSpec(
    "F6",
    "f06-good-region",
    "Width of the good region",
    "Share of a level's trials whose score in the search is at least its recipe's mean on fresh seeds minus δ; without "
    "fresh seeds, the recipe's score in the search minus δ, or minus its standard error where no δ is declared. The "
    "wider, the less tuning it asks for. Bars: Wilson 95 %.",
    good_region,
    (Rule.INDEPENDENT_DRAWS, Rule.NO_PRUNING),
    "No level has a recipe, or no δ is declared.",
)

IMPORTANCE = FigureSpec(
    "F7",
    "f07-importance",
    "Which drawn values matter",
    captions.importance,
    importance,
    (Rule.ENOUGH_FOR_IMPORTANCE, Rule.INDEPENDENT_DRAWS, Rule.NO_PRUNING),
    "No importance was computed.",
)

LEARNING = FigureSpec(
    "F8",
    "f08-learning-curves",
    "Learning curves",
    captions.learning,
    learning_curves,
    (),
    "No curves of two epochs were recorded.",
)

TARGET = FigureSpec(
    "F13",
    "f13-epochs-to-target",
    "Epochs to the target",
    "Each dot is one retraining on a fresh seed: the first epoch in which it reaches the target that all options share "
    "(S-20), the soonest option first. Seeds that never do stay in the median.",
    target_epochs,
    (Rule.FRESH_SEEDS,),
)

CONFIRM = (
    FigureSpec(
        "F9",
        "f09-pairs",
        "Paired differences",
        captions.differences,
        paired_differences,
        COMPARISON,
        "There is no pair of confirmed recipes.",
    ),
    FigureSpec(
        "F10",
        "f10-shrinkage",
        "From the search to fresh seeds",
        captions.shrinkage,
        shrinkage,
        (),
        "There is no score to show.",
    ),
)

SEEDS = FigureSpec(
    "F11",
    "f11-seeds",
    "Seed by seed",
    captions.seeds,
    seed_strips,
    (),
    "Nothing was confirmed.",
)

STANDINGS = FigureSpec(
    "F0",
    "f00-standings",
    "Every fresh seed of every option",
    captions.standings,
    standings,
    (Rule.FRESH_SEEDS,),
    "No recipe was retrained on fresh seeds.",
)

INTERACTION = FigureSpec(
    "F12",
    "f12-interaction",
    "Interaction",
    captions.interaction,
    interaction,
)


def mechanism_drawings(findings: Findings, theory: Theory | None) -> list[FigureSpec]:
    """Signal propagation forward and backward, the course of the signals, and paths of optimizers."""
    moments = [_propagation(1, "activation_second_moment", theory), _propagation(2, "gradient_second_moment", None)]
    courses = [name for name in STATISTICS if name not in ("activation_second_moment", "gradient_second_moment")]
    drawn = [*moments, *(_course(at, name) for at, name in enumerate(courses, 3))]
    measured = [one for one in drawn if any(_has(row.signals, one.stem) for row in findings.evidence.trials)]
    varied = {str(level.settings.get("optimizer")) for level in findings.evidence.design.levels}
    return [*measured, PATHS] if len(varied) > 1 else measured


def _has(signals: Mapping[str, Any] | None, stem: str) -> bool:
    """Whether a statistic has any value."""
    found = table(signals, stem.partition("-")[2].replace("-", "_"))
    return found is not None and bool((~np.isnan(found)).any())


def _propagation(at: int, statistic: str, theory: Theory | None) -> FigureSpec:
    which = "activations" if statistic.startswith("activation") else "gradients"
    lines = " Dashed: mean-field theory (S-23)." if theory else ""
    return FigureSpec(
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


def _course(at: int, statistic: str) -> FigureSpec:
    zero = "" if statistic in SHARES else " Logarithmic."
    return FigureSpec(
        f"M{at}",
        f"m0{at}-{statistic.replace('_', '-')}",
        STATISTICS[statistic].capitalize(),
        f"By layer over training: median over trials of a level that were measured alike.{zero} Gaps: no finite value.",
        partial(over_epochs, statistic=statistic),
        (),
        "It was not measured.",
    )


PATHS = FigureSpec(
    "M7",
    "m07-optimizer-paths",
    "Paths of four optimizers",
    "On f(x, y) = x²/20 + y² from (-7, 2), 30 updates each, computed by the published update rules: an illustration, "
    "not a result of this sweep.",
    lambda _: optimizer_paths(),
    of_levels=False,
)
